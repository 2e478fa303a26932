"""What a pipeline measures itself by: `TASKS` holds every kind, `make_task` makes one of its options."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deploykit.core.errors import Fault, InputError, input_error

if TYPE_CHECKING:
    from deploykit.artifacts.contract import InputContract
    from deploykit.tasks.protocol import Task


@dataclasses.dataclass(frozen=True)
class TaskKind:
    """One kind of task: its class, and a title for people.

    `notice` has to be said wherever its data is used. `file_options` name the options whose files decide the
    data: a folder, a file (`package:NAME/FILE` too) or a function's "package.module:function".
    """

    module: str
    class_name: str
    title: str
    notice: str = ""
    file_options: tuple[str, ...] = ()


# Names instead of classes: `deploykit.tasks.protocol` lies in this package, and importing it must not load
# the renderers, Pillow and what else the tasks need. tests/tasks/test_tasks.py checks that each name leads
# to a class.
TASKS: dict[str, TaskKind] = {
    "arrays": TaskKind(
        "deploykit.tasks.arrays",
        "ArrayTask",
        "a folder of .npy or .npz files",
        file_options=("path", "validation_path"),
    ),
    "bev": TaskKind("deploykit.tasks.bev.task", "BevTask", "rendered driving clips, detection metrics"),
    "function": TaskKind(
        "deploykit.tasks.user_function",
        "FunctionTask",
        "your own functions: data and metric",
        file_options=("data", "metric"),
    ),
    "images": TaskKind(
        "deploykit.tasks.images", "ImageTask", "a folder of images", file_options=("path", "validation_path")
    ),
    "ocr": TaskKind(
        "deploykit.tasks.ocr.task", "OcrTask", "rendered pages, reading metrics", file_options=("characters",)
    ),
    "random": TaskKind(
        "deploykit.tasks.random_data",
        "RandomTask",
        "seeded noise",
        notice="random data: ranges are not those of real frames",
    ),
}

CONTEXT_FIELD = "context"
"""The field of a task class that the pipeline fills and that is no option."""


def task_class(kind: str) -> type[Any]:
    """Give the class of a kind of task."""
    if kind not in TASKS:
        raise input_error("task.kind", f"there is no task {kind!r}{_nearest(kind, TASKS)}")
    entry = TASKS[kind]
    return cast("type[Any]", getattr(importlib.import_module(entry.module), entry.class_name))


def task_options(kind: str) -> tuple[dataclasses.Field[Any], ...]:
    """Give the fields of a task that are options in the YAML."""
    return tuple(field for field in dataclasses.fields(task_class(kind)) if field.name != CONTEXT_FIELD)


def make_task(
    kind: str, options: Mapping[str, Any], contracts: Mapping[str, tuple[InputContract, ...]], folder: Path
) -> Task:
    """Make a task of its YAML options; all faults at once.

    `contracts` are those of every network's inputs that are no state, shapes bound; `folder` is the YAML's.
    """
    from pydantic import TypeAdapter, ValidationError

    found = task_class(kind)
    names = [field.name for field in task_options(kind)]
    faults = [
        Fault(f"task.{name}", f"{kind} has no such option{_nearest(str(name), names)}")
        for name in options
        if name not in names
    ]
    faults += _contract_faults(contracts)
    values = {name: value for name, value in options.items() if name in names}
    if CONTEXT_FIELD in (field.name for field in dataclasses.fields(found)):
        values[CONTEXT_FIELD] = _context(contracts, folder)
    try:
        task = TypeAdapter(found).validate_python(values)
    except ValidationError as error:
        faults += [Fault(".".join(map(str, ("task", *item["loc"]))), item["msg"]) for item in error.errors()]
    if faults:
        raise InputError(*faults)
    return cast("Task", task)


def data_files(kind: str, options: Mapping[str, Any], *, folder: Path) -> tuple[tuple[str, Path], ...]:
    """List the files that decide a task's data, as (name, path): their contents belong into a step's key.

    Names don't depend on where the pipeline lies. Of a user's function only its own module's file counts.
    """
    from deploykit.tasks.files import option_files

    if kind not in TASKS:
        raise input_error("task.kind", f"there is no task {kind!r}{_nearest(kind, TASKS)}")
    given = ((name, options.get(name)) for name in TASKS[kind].file_options)
    return tuple(
        pair for name, value in given if value for pair in option_files(str(value), folder, f"task.{name}")
    )


def _context(contracts: Mapping[str, tuple[InputContract, ...]], folder: Path) -> object:
    from deploykit.tasks.context import TaskContext

    return TaskContext(dict(contracts), folder)


def _contract_faults(contracts: Mapping[str, tuple[InputContract, ...]]) -> list[Fault]:
    from deploykit.tasks.preprocess import contract_faults

    return [
        fault
        for network, items in contracts.items()
        for item in items
        for fault in contract_faults(item, f"networks.{network}.io.{item.name}")
    ]


def _nearest(name: str, names: Iterable[str]) -> str:
    from deploykit.core.names import did_you_mean

    return did_you_mean(name, names)
