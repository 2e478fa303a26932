"""One way to read and write every artifact, profile and params value: JSON of frozen dataclasses."""

from __future__ import annotations

from functools import cache
from typing import Any, Optional, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from deploykit.core.errors import Fault, InputError

Value = TypeVar("Value")


def adapter(value_type: Any) -> TypeAdapter[Any]:
    """Give pydantic's view of a dataclass: unknown keys are refused, infinities and NaN survive JSON."""
    return _adapter(value_type)


@cache  # building one takes milliseconds
def _adapter(value_type: Any) -> TypeAdapter[Any]:
    strict = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
    # pydantic takes no configuration beside a dataclass, but does for an optional one, and hands it inwards.
    return TypeAdapter(Optional[value_type], config=strict)  # noqa: UP045  # `X | None` needs a static type


def encode(value: object) -> bytes:
    """Write a dataclass as JSON; the same value gives the same bytes (fields stand in their own order)."""
    return bytes(adapter(type(value)).dump_json(value))


def to_plain(value: object) -> Any:
    """Give a dataclass as dicts, lists and scalars, as the JSON would hold them."""
    return adapter(type(value)).dump_python(value, mode="json")


def decode(value_type: type[Value], content: bytes, where: str) -> Value:
    """Read a dataclass from JSON; all faults at once, each with its place in `where`."""
    try:
        return adapter(value_type).validate_json(content)  # type: ignore[no-any-return]  # the adapter is typed Any
    except ValidationError as error:
        raise InputError(
            *(Fault(f"{where}: {'.'.join(map(str, item['loc']))}", item["msg"]) for item in error.errors())
        ) from error
