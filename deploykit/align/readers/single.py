"""One file: an array, an archive of arrays, or raw bytes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from deploykit.align.dump import Dump, Stored
from deploykit.core.errors import input_error

KINDS = {
    ".bin": "raw",
    ".json": "polygraphy",
    ".npy": "npy",
    ".npz": "npz",
    ".raw": "raw",
    ".txt": "text",
    ".y": "raw",
}
"""How a file's name ends, and what is in it."""


def read(path: Path) -> Dump | None:
    """Read one file as a dump of its own."""
    if not path.is_file() or path.suffix not in KINDS:
        return None
    return Dump(str(path), "file", tuple(in_file(path, path.stem, None)))


def in_file(path: Path, name: str, frame: int | None) -> list[Stored]:
    """List the tensors of a file; `name` is for a file that holds one and does not say which.

    Raises:
        InputError: an archive that is broken.
    """
    kind = KINDS[path.suffix]
    if kind == "npz":
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info.filename for info in archive.infolist()]
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
            raise input_error(str(path), f"is no whole .npz: {error}", "copy it again") from error
        return [
            Stored(member.removesuffix(".npy"), path, kind, frame, member, place=str(path))
            for member in members
        ]
    if kind == "polygraphy":
        return _in_polygraphy(path)
    return [Stored(name, path, kind, frame, place=str(path))]


def _in_polygraphy(path: Path) -> list[Stored]:
    return [
        Stored(name, path, "polygraphy", frame, f"{frame}/{name}", place=str(path))
        for frame, name in sorted(polygraphy_arrays(path))
    ]


def polygraphy_arrays(path: Path) -> dict[tuple[int, str], str]:
    """Give (frame, name) -> base64 text of a `.npy`, of the run results or inputs that Polygraphy saves.

    Raises:
        InputError: no such file, or one with the results of more than one runner.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise input_error(str(path), f"is no JSON: {error}") from error
    if isinstance(content, dict) and content.get("polygraphy_class") == "RunResults":
        runners = content.get("lst", [])
        if len(runners) != 1:
            names = ", ".join(str(runner[0]) for runner in runners)
            raise input_error(str(path), f"holds {len(runners)} runners ({names})", "save one of them")
        frames = [iteration.get("outputs", {}) for iteration in runners[0][1]]
    else:
        frames = content if isinstance(content, list) else [content]
    found = {}
    for number, values in enumerate(frames):
        for name, value in values.items() if isinstance(values, dict) else ():
            text = _array_text(value)
            if text is not None:
                found[number, str(name)] = text
    if not found:
        raise input_error(str(path), "holds no arrays as Polygraphy saves them")
    return found


def _array_text(value: Any) -> str | None:
    """Find the base64 text in an array, which may lie in a lazy one."""
    while isinstance(value, dict):
        if isinstance(value.get("array"), str):
            return str(value["array"])
        value = value.get("values", value.get("arr"))
    return None
