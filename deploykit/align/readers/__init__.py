"""Readers: from a path to a `Dump`. The first of `READERS` that knows a path reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from deploykit.align.dump import Dump, Stored
from deploykit.align.readers import conventions, dump_set, manifest, single
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

Reader: TypeAlias = Callable[[Path], "Dump | None"]

READERS: dict[str, Reader] = {
    "manifest": manifest.read,
    "dump-set": dump_set.read,
    "rknn": conventions.read_rknn,
    "snpe": conventions.read_snpe,
    "tidl": conventions.read_tidl,
    "horizon": conventions.read_horizon,
    "ascend": conventions.read_ascend,
    "files": conventions.read_files,
    "file": single.read,
}
"""Each gives None for what it does not know; in the order in which they are asked."""


def read_dump(path: Path, kind: str = "") -> Dump:
    """List what a folder or file holds.

    Raises:
        InputError: nothing there, nothing that can be read, or two files for one tensor.
    """
    if kind and kind not in READERS:
        raise input_error("--read-as", f"no kind {kind!r}{did_you_mean(kind, READERS)}")
    if not path.exists():
        near = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        raise input_error(str(path), f"does not exist{did_you_mean(path.name, near[:200])}")
    try:
        found = _first(path, kind)
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror or error}") from error
    _refuse_doubles(found)
    return found


def _first(path: Path, kind: str) -> Dump:
    for name, reader in READERS.items():
        if kind in ("", name):
            found = reader(path)
            if found is not None and (found.stored or found.kind == "manifest"):
                return found
    what = f"is no dump of kind {kind!r}" if kind else "holds no file that can be read as a dump"
    raise input_error(str(path), what, ".npy, .npz, .bin, .raw, .txt, .json or a manifest are")


def _refuse_doubles(dump: Dump) -> None:
    seen: dict[tuple[str, int | None], Stored] = {}
    faults = []
    for item in dump.stored:
        first = seen.setdefault((item.name, item.frame), item)
        if first is not item:
            frame = "" if item.frame is None else f" of frame {item.frame}"
            faults.append(
                Fault(
                    item.place or item.where,
                    f"a second file for {item.name!r}{frame}",
                    f"the first is {first.where}",
                )
            )
    if faults:
        raise InputError(*faults)
