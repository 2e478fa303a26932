"""Folders as the tools of the chips write them: file names say tensor and frame."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from deploykit.align.dump import Dump, Stored
from deploykit.align.readers.single import KINDS, in_file
from deploykit.core.errors import InputError, input_error

FRAME_FOLDER = re.compile(r"(?:frame|Result|result|iter|step)?[_-]?(\d+)")
HORIZON = re.compile(r"model_infer_output_(?P<index>\d+)_(?P<name>.+)\.(?:bin|txt)")
ASCEND = re.compile(r"(?P<name>.+)\.(?P<index>\d+)\.\d{10,}\.npy")
TIDL = re.compile(
    r"tidl_trace_.*?_?(?P<layer>\d{4})_(?P<batch>\d{4,5})_(?P<dim1>\d{4,5})_(?P<dim2>\d{4,5})_"
    r"(?P<channels>\d{5})_(?P<columns>\d{5,6})x(?P<rows>\d{5,6})(?P<end>_float\.bin|\.y)"
)
NOT_DATA = ("error_analysis.txt", "map_name_to_file.txt", "README.txt", "input_list.txt")


def read_files(path: Path) -> Dump | None:
    """Read any folder: a tensor's name is its file's path without the ending; frames lie in folders of
    their own (`frame_12/`, `12/`)."""
    if not path.is_dir():
        return None
    stored: list[Stored] = []
    left_out = []
    for file, relative in files_of(path):
        frame, inside = frame_of(relative)
        if file.suffix not in KINDS or file.name in NOT_DATA or file.name.endswith(".layer_info.txt"):
            left_out.append(str(relative))
            continue
        try:
            stored.extend(in_file(file, str(inside.with_suffix("")), frame))
        except InputError:
            if file.suffix != ".json":
                raise
            left_out.append(str(relative))  # the tools write other JSON beside the tensors
    return Dump(str(path), "files", tuple(stored), left_out=tuple(left_out))


def read_rknn(path: Path) -> Dump | None:
    """Read a part of RKNN's `snapshot`: `golden`, `simulator` or `runtime`, with the layers' names from
    `map_name_to_file.txt` beside it. `.npy` goes before `.txt`, which has six decimals only."""
    table = next(
        (
            folder / "map_name_to_file.txt"
            for folder in (path, path.parent)
            if (folder / "map_name_to_file.txt").is_file()
        ),
        None,
    )
    if table is None or not path.is_dir():
        return None
    parts = [part for part in ("golden", "simulator", "runtime") if (path / part).is_dir()]
    if parts:
        raise input_error(str(path), f"holds {', '.join(parts)}", "name one of them")
    names = _rknn_names(table)
    stored, lossy = [], 0
    for name, stem in names.items():
        array, text = path / "npy" / f"{stem}.npy", path / f"{stem}.txt"
        if array.is_file():
            stored.append(Stored(name, array, "npy", place=str(table)))
        elif text.is_file():
            stored.append(Stored(name, text, "text", place=str(table)))
            lossy += 1
    known = {item.path for item in stored} | {path / f"{stem}.txt" for stem in names.values()}
    left_out = [
        str(relative) for file, relative in files_of(path) if file not in known and file.parent.name == "npy"
    ]
    notes = (f"{lossy} tensors are text with six decimals: smaller differences are lost",) if lossy else ()
    return Dump(str(path), "rknn", tuple(stored), order=tuple(names), left_out=tuple(left_out), notes=notes)


def _rknn_names(table: Path) -> dict[str, str]:
    rows = [line.split() for line in table.read_text(errors="replace").splitlines()[2:]]
    return {row[0]: row[-1].removesuffix(".txt") for row in rows if len(row) >= 2}


def read_snpe(path: Path) -> Dump | None:
    """Read `Result_<i>/<tensor>.raw` of SNPE and QNN. Where a tensor has its native type too
    (`<tensor>_native.raw`), the float one is taken."""
    folders = sorted(path.glob("Result_*")) if path.is_dir() else []
    if not folders:
        return None
    files = [(file, relative) for file, relative in files_of(path) if relative.parts[0].startswith("Result_")]
    there = {relative for _, relative in files}
    stored, left_out, native = [], [], 0
    for file, relative in files:
        inside = str(Path(*relative.parts[1:]).with_suffix(""))
        name = inside.removesuffix("_native")
        if file.suffix != ".raw":
            left_out.append(str(relative))
        elif name != inside and relative.with_name(f"{Path(name).name}.raw") in there:
            native += 1
        else:
            frame, _ = frame_of(relative)
            stored.append(Stored(name, file, "raw", frame, place=str(file)))
    notes = (f"{native} files *_native.raw stand beside the float ones and were not read",) if native else ()
    return Dump(str(path), "snpe", tuple(stored), left_out=tuple(left_out), notes=notes)


def read_horizon(path: Path) -> Dump | None:
    """Read `model_infer_output_<i>_<name>.bin` of hrt_model_exec; frames in folders."""
    return _by_pattern(path, "horizon", HORIZON, lambda match: match["name"])


def read_ascend(path: Path) -> Dump | None:
    """Read `<operator>.<output>.<time>.npy`; the first output has the operator's name, others `name:1`."""
    return _by_pattern(
        path,
        "ascend",
        ASCEND,
        lambda match: match["name"] + (f":{match['index']}" if int(match["index"]) else ""),
    )


def read_tidl(path: Path) -> Dump | None:
    """Read TIDL's layer traces: `..._float.bin` where there is one, else the fixed point `.y`. Shapes are in
    the file names, layers' names in `*.layer_info.txt` in the folder or the one above."""
    if not path.is_dir():
        return None
    names = _tidl_names(path)
    found: dict[str, Stored] = {}
    left_out = []
    for file, relative in files_of(path):
        match = TIDL.fullmatch(file.name)
        if match is None:
            left_out.append(str(relative))
            continue
        name = names.get(int(match["layer"]), str(int(match["layer"])))
        outer = [int(match[part]) for part in ("batch", "dim1", "dim2") if int(match[part]) > 1] or [1]
        shape = (*outer, int(match["channels"]), int(match["rows"]), int(match["columns"]))
        fields: dict[str, object] = {"shape": shape, "dtype": "float" if match["end"] != ".y" else "fixed"}
        if name not in found or match["end"] != ".y":
            found[name] = Stored(name, file, "raw", fields=fields, place=str(file))
    order = tuple(names[layer] for layer in sorted(names))
    return (
        Dump(str(path), "tidl", tuple(found.values()), order=order, left_out=tuple(left_out))
        if found
        else None
    )


def _tidl_names(path: Path) -> dict[int, str]:
    tables = sorted([*path.glob("*.layer_info.txt"), *path.parent.glob("*.layer_info.txt")])
    rows = (
        [re.split(r"[,\s]+", line.strip(), maxsplit=2) for line in tables[0].read_text().splitlines()]
        if tables
        else []
    )
    return {int(row[1]): row[2].strip() for row in rows if len(row) == 3 and row[1].isdigit()}


def _by_pattern(
    path: Path, kind: str, pattern: re.Pattern[str], name_of: Callable[[re.Match[str]], str]
) -> Dump | None:
    if not path.is_dir():
        return None
    stored, left_out = [], []
    for file, relative in files_of(path):
        match = pattern.fullmatch(file.name)
        if match is None:
            left_out.append(str(relative))
            continue
        frame, _ = frame_of(relative)
        stored.append(Stored(name_of(match), file, KINDS[file.suffix], frame, place=str(file)))
    return Dump(str(path), kind, tuple(stored), left_out=tuple(left_out)) if stored else None


def files_of(path: Path) -> Iterable[tuple[Path, Path]]:
    """Give every file below a folder, in order, with its path inside. Hidden ones are not looked at."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(path, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder, name), Path(folder, name).relative_to(path)


def frame_of(relative: Path) -> tuple[int | None, Path]:
    """Give the frame that the first folder of a path names, and the rest of the path."""
    match = FRAME_FOLDER.fullmatch(relative.parts[0]) if len(relative.parts) > 1 else None
    return (int(match[1]), Path(*relative.parts[1:])) if match else (None, relative)
