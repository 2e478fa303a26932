"""YAML files that a user wrote: read safely, checked whole, every fault with its line and column."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from deploykit.core.codec import adapter
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

Value = TypeVar("Value")
Location: TypeAlias = tuple[str | int, ...]

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_VALUES = 100_000
"""More values than this, counting each use of an alias, is an attack or an accident."""

PLAIN_TYPES = ("str", "int", "float", "bool", "null", "map", "seq")
CORE_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in PLAIN_TYPES)
MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclasses.dataclass(frozen=True)
class Document:
    """A file's values, and where each stands: `places[("a", 0, "b")]` is `file:line:column`, 1-based."""

    path: Path
    data: Any
    places: Mapping[Location, str]

    def place(self, loc: Location) -> str:
        """Give the place of a value, or of the nearest value around it that stands in the file."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, f"{self.path}:1:1")


def load_document(path: Path) -> Document:
    """Read a YAML 1.2 file: plain values only (no tags), aliases within bounds, no key twice.

    Raises:
        InputError: the file cannot be read, or is no such YAML; all faults that can be seen at once.
    """
    text = _read_text(path)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise input_error(place, f"not valid YAML: {error.problem or error.context}") from error
    except (YAMLError, RecursionError) as error:
        raise input_error(str(path), f"not valid YAML: {str(error).splitlines()[0]}") from error
    builder = _Builder(path, yaml)
    data = builder.build(root, ()) if root is not None else None
    if builder.faults:
        raise InputError(*builder.faults)
    return Document(path, data, builder.places)


def at(data: Any, loc: Location) -> Any:
    """Give the part of plain data at a location."""
    for step in loc:
        data = data[step]
    return data


def parse(document: Document, value_type: type[Value], loc: Location = (), data: object = ...) -> Value:
    """Check the part at `loc` of a document (or `data`, made from it) against a frozen dataclass and give it.

    Raises:
        InputError: one fault per unknown key, missing key or wrong value, as `file:line:column: where: what`.
    """
    data = at(document.data, loc) if data is ... else data
    faults = list(value_faults(value_type, data))
    if faults:
        raise InputError(*(located(document, loc + at, what) for at, what in faults))
    return adapter(value_type).validate_python(data)  # type: ignore[no-any-return]  # the adapter is typed Any


def located(document: Document, loc: Location, what: str, fix: str = "") -> Fault:
    """Make a fault of a value in a document, with its file, line, column and dotted name."""
    return Fault(dotted_place(document, loc), what, fix)


def dotted_place(document: Document, loc: Location) -> str:
    """Give a value's file, line, column and dotted name."""
    return f"{document.place(loc)}: {_dotted(loc)}"


def value_faults(value_type: Any, data: object) -> Iterator[tuple[Location, str]]:
    """Give (location, sentence) for all that is wrong with plain data as a value of a type."""
    from pydantic import ValidationError

    try:
        if adapter(value_type).validate_python(data) is None:
            yield (), "nothing is given here"
    except ValidationError as error:
        for item in error.errors():
            yield item["loc"], _sentence(value_type, item)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise input_error(str(path), f"larger than {MAX_FILE_BYTES} bytes, too large for a configuration")
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise input_error(str(path), "no such file") from None
    except IsADirectoryError:
        raise input_error(str(path), "is a folder, not a YAML file") from None
    except UnicodeDecodeError as error:
        raise input_error(f"{path}: byte {error.start}", "not UTF-8 text") from error
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror}") from error


class _Builder:
    """Turns YAML nodes into plain values and keeps their positions; faults are collected, not raised."""

    def __init__(self, path: Path, yaml: YAML) -> None:
        self.path = path
        self.places: dict[Location, str] = {}
        self.faults: list[Fault] = []
        self._construct = yaml.constructor
        self._count = 0
        self._open: set[int] = set()

    def build(self, node: Node, loc: Location) -> Any:
        self.places.setdefault(loc, self._place(node))
        self._count += 1
        if self._count == MAX_VALUES:
            self._fault(node, loc, f"more than {MAX_VALUES} values once its aliases are expanded")
        if self._count >= MAX_VALUES:
            return None
        if id(node) in self._open:
            self._fault(node, loc, "an alias that contains itself")
            return None
        self._open.add(id(node))
        value = self._value(node, loc)
        self._open.discard(id(node))
        return value

    def _value(self, node: Node, loc: Location) -> Any:
        tag = str(node.tag)
        if isinstance(node, ScalarNode) and tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if tag not in CORE_TAGS:
            self._fault(node, loc, f"the tag {tag.replace('tag:yaml.org,2002:', '!!')} is not allowed here")
            return None
        if isinstance(node, SequenceNode):
            return [self.build(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        return self._construct.construct_object(node)

    def _mapping(self, node: MappingNode, loc: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if str(key.tag) == MERGE_TAG:
                parts = value.value if isinstance(value, SequenceNode) else [value]
                for part in reversed(parts):
                    built = self.build(part, loc)
                    merged.update(built if isinstance(built, dict) else {})
                continue
            if not isinstance(key, ScalarNode):
                self._fault(key, loc, "a key has to be plain text")
                continue
            if key.value in found:
                self._fault(key, (*loc, key.value), "this key stands twice")
            self.places[(*loc, key.value)] = self._place(key)
            found[key.value] = self.build(value, (*loc, key.value))
        return {**merged, **found}

    def _fault(self, node: Node, loc: Location, what: str) -> None:
        self.faults.append(Fault(f"{self._place(node)}: {_dotted(loc)}", what))

    def _place(self, node: Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _dotted(loc: Location) -> str:
    return ".".join(map(str, loc)) or "(top)"


def _sentence(value_type: Any, item: Any) -> str:
    loc: Location = item["loc"]
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"unknown key{did_you_mean(str(loc[-1]), _field_names(value_type, loc[:-1]))}"
    if item["type"] in ("missing", "missing_argument"):
        return "this key is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item["input"]
    if item["type"] == "literal_error" and isinstance(given, str):
        return f"{given!r} is not allowed: {message[0].lower()}{message[1:]}"
    shown = "" if isinstance(given, (dict, list)) or dataclasses.is_dataclass(given) else f", not {given!r}"
    return f"{message[0].lower()}{message[1:]}{shown}"


def _field_names(value_type: Any, loc: Location) -> tuple[str, ...]:
    """Give the keys that are allowed at a location of a type, for did-you-mean."""
    candidates = [value_type]
    for step in loc:
        candidates = [inner for candidate in candidates for inner in _step_into(candidate, step)]
    flat = [part for candidate in candidates for part in _alternatives(candidate)]
    classes = [part for part in flat if dataclasses.is_dataclass(part)]
    return tuple(field.name for part in classes for field in dataclasses.fields(part))


def _alternatives(value_type: Any) -> Iterator[Any]:
    origin = typing.get_origin(value_type)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(value_type)[0])
    elif origin in (typing.Union, types.UnionType):
        for part in typing.get_args(value_type):
            yield from _alternatives(part)
    else:
        yield value_type


def _step_into(value_type: Any, step: str | int) -> Iterator[Any]:
    for part in _alternatives(value_type):
        if dataclasses.is_dataclass(part):
            hints = typing.get_type_hints(part)
            if step in hints:
                yield hints[str(step)]
        elif typing.get_args(part):
            arguments = [argument for argument in typing.get_args(part) if argument is not Ellipsis]
            yield arguments[-1]
