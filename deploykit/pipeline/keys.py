"""What a step's result depends on, as a value that can be printed and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploykit.core.store import digest_bytes


@dataclass(frozen=True)
class StepKey:
    """All that decides a step's artifact. Paths and clocks stay out; two equal keys mean equal artifacts.

    `inputs` are the digests of the artifacts that it reads, `files` those of the user's files by role,
    `profile`, `data` and `params` the plain values, `tools` the versions of what computes.
    """

    step: str
    stage: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: Mapping[str, str]
    profile: Mapping[str, Any] | None
    data: Mapping[str, Any] | None
    tools: Mapping[str, str]

    def digest(self) -> str:
        """Give the key's own digest: the same for the same values, whatever their order."""
        return digest_bytes(json.dumps(self.__dict__, sort_keys=True).encode())


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Give a sentence for each field in which two keys differ, deepest name first."""
    yield from _differences("", old, new)


def _differences(name: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    old, new = _by_name(old), _by_name(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            inner = f"{name}.{key}" if name else str(key)
            yield from _differences(inner, old.get(key), new.get(key))
        return
    if name.startswith("inputs."):
        yield f"{name.removeprefix('inputs.')} gave another result"
    elif name.startswith("files."):
        yield f"{name.removeprefix('files.')} changed"
    else:
        yield f"{name}: {_short(old)} -> {_short(new)}"


def _by_name(value: Any) -> Any:
    """Give a list of named things (the inputs' contracts) as a mapping: one of them can be told apart."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, Mapping) and "name" in item for item in value)
    ):
        return {item["name"]: item for item in value}
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
