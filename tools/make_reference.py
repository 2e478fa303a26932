"""Write docs/reference/: every key of a pipeline and of a chip profile, from the classes that read them.

python -m tools.make_reference
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploykit.core.profile_form import ProfileFile
from deploykit.pipeline.config import NetworkCore, PipelineCore, sections
from deploykit.stages import STAGES
from deploykit.tasks import TASKS, task_class, task_options

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)


def pages() -> dict[str, str]:
    """Give each page's text by its file name."""
    return {"pipeline.md": _pipeline_page(), "profile.md": _profile_page()}


def _pipeline_page() -> str:
    shown: set[type[Any]] = set()
    parts = [
        "# The pipeline's YAML, key by key",
        _GENERATED,
        *_class_parts("A pipeline", PipelineCore, shown),
    ]
    parts += _class_parts("networks.NAME", NetworkCore, shown)
    for scope, prefix in (("network", "networks.NAME."), ("pipeline", "")):
        for section, params in sections(scope).items():
            steps = ", ".join(f"`{name}`" for name, stage in STAGES.items() if stage.section == section)
            parts += _class_parts(f"{prefix}{section}", params, shown, f"Options of {steps}.")
    for kind, task in TASKS.items():
        names = {field.name for field in task_options(kind)}
        parts += _class_parts(f"task: {{kind: {kind}}}", task_class(kind), shown, f"{task.title}", names)
    return "\n\n".join(parts) + "\n"


def _profile_page() -> str:
    parts = ["# A chip profile, key by key", _GENERATED, *_class_parts("A profile", ProfileFile, set())]
    return "\n\n".join(parts) + "\n"


_GENERATED = "Written by `python -m tools.make_reference` from the classes that read the file."


def _class_parts(
    title: str, value_type: type[Any], shown: set[type[Any]], lead: str = "", only: set[str] | None = None
) -> Iterator[str]:
    """Describe a class, then each class of its fields that has not been shown before."""
    shown.add(value_type)
    yield f"## {title}"
    text = inspect.cleandoc(value_type.__doc__ or "")
    yield "\n\n".join(part for part in (lead, text) if part)
    hints = typing.get_type_hints(value_type)
    fields = [field for field in dataclasses.fields(value_type) if only is None or field.name in only]
    if fields:
        rows = [
            f"| `{field.name}` | {_type_name(hints[field.name])} | {_default(field)} |" for field in fields
        ]
        yield "\n".join(["| key | type | default |", "| --- | --- | --- |", *rows])
    for field in fields:
        for inner in _classes(hints[field.name]):
            if inner not in shown:
                yield from _class_parts(inner.__name__, inner, shown)


def _classes(hint: Any) -> Iterator[type[Any]]:
    """Give the dataclasses that a type is made of."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _classes(argument)


def _type_name(hint: Any) -> str:
    """Write a type as a reader of YAML thinks of it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " / ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"mapping of {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    if arguments:
        return " or ".join(_type_name(argument) for argument in arguments)
    if hint is type(None):
        return "nothing"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


_WORDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true / false",
    Any: "any value",
}


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    if dataclasses.is_dataclass(value):
        return "its own defaults"
    if value is None or value in ((), {}, ""):
        return "empty"
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{list(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    main()
