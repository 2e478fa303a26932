"""Manifests: a table that says of every dumped file which tensor it holds and how.

deploykit_dump.tsv, deploykit_dump.json    ours (written by `deploykit_dump.h`)
manifest_NNNNNN.tsv                        MNN-QNN's, one an execution: shapes are as stored, channels last
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from deploykit.align.contract import Contract
from deploykit.align.dump import Dump, Stored
from deploykit.align.readers.single import KINDS
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

OURS = ("deploykit_dump.json", "deploykit_dump.tsv")
MNN = re.compile(r"manifest_(\d+)\.tsv")
ABOUT = ("index", "name", "file", "frame", "model", "data", "quant_encoding")
"""What a row says beside the fields of the contract."""

SAME = {
    "data_type": "dtype",
    "dims": "shape",
    "dimensions": "shape",
    "offset": "zero_point",
    "row_pitch": "row_pitch_bytes",
    "channel_pitch": "channel_pitch_bytes",
    "model_hash": "model",
}
"""Other names of columns that are read too."""

FIELDS = {field.name: field.default for field in fields(Contract)}
LISTS = ("shape", "tile", "stored_shape", "crop", "zero_point", "scale")
QNN_TYPES = {
    "FLOAT_32": "float", "FLOAT_16": "float16", "UFIXED_POINT_8": "uint8", "SFIXED_POINT_8": "int8",
    "UFIXED_POINT_16": "uint16", "SFIXED_POINT_16": "int16", "UFIXED_POINT_32": "uint32",
    "SFIXED_POINT_32": "int32", "BOOL_8": "bool", "INT_8": "int8", "INT_16": "int16", "INT_32": "int32",
    "INT_64": "int64", "UINT_8": "uint8", "UINT_16": "uint16", "UINT_32": "uint32", "UINT_64": "uint64",
}  # fmt: skip


def read(path: Path) -> Dump | None:
    """Read a manifest, or the folder that holds one or (of MNN-QNN) several.

    Raises:
        InputError: every row that is wrong, with its line.
    """
    folder = path if path.is_dir() else path.parent
    names = [path.name] if path.is_file() else sorted(item.name for item in path.iterdir())
    ours = [name for name in names if name in OURS]
    theirs = [name for name in names if MNN.fullmatch(name)]
    if path.is_file() and path.suffix == ".tsv" and not theirs:
        ours = [path.name]
    if len(ours) > 1:
        raise input_error(str(folder), f"holds {' and '.join(ours)}", "name one of them")
    faults: list[Fault] = []
    stored: list[Stored] = []
    about: dict[str, str] = {}
    for name in ours or theirs:
        match = MNN.fullmatch(name)
        frame = int(match[1]) if match else None
        for place, row in _rows(folder / name, faults):
            item = _stored(folder, place, row, frame, faults)
            stored += [item] if item is not None else []
            about.update({key: str(row[key]) for key in ("model", "data") if row.get(key)})
    if faults:
        raise InputError(*faults)
    if not ours and not theirs:
        return None
    order = tuple(dict.fromkeys(item.name for item in stored))
    return Dump(
        str(path), "manifest", tuple(stored), order, model=about.get("model", ""), data=about.get("data", "")
    )


def _rows(manifest: Path, faults: list[Fault]) -> Iterable[tuple[str, dict[str, Any]]]:
    try:
        text = manifest.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(str(manifest), f"cannot be read: {error}"))
        return
    if manifest.suffix == ".json":
        yield from _json_rows(manifest, text, faults)
        return
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        faults.append(Fault(str(manifest), "is empty"))
        return
    head = [SAME.get(name.strip(), name.strip()) for name in lines[0][1].lstrip("# ").split("\t")]
    for name in head:
        if name not in FIELDS and name not in ABOUT:
            faults.append(
                Fault(f"{manifest}:1", f"no column {name!r}{did_you_mean(name, (*FIELDS, *ABOUT, *SAME))}")
            )
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(head):
            faults.append(Fault(f"{manifest}:{number}", f"{len(cells)} cells, the header has {len(head)}"))
            continue
        yield (
            f"{manifest}:{number}",
            {name: cell for name, cell in zip(head, cells, strict=True) if cell not in ("", "-")},
        )


def _json_rows(manifest: Path, text: str, faults: list[Fault]) -> Iterable[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        faults.append(Fault(str(manifest), f"is no JSON: {error}"))
        return
    rows = content.get("tensors") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        faults.append(Fault(str(manifest), 'has no list "tensors"'))
        return
    shared = {key: content[key] for key in ("model", "data") if key in content}
    for number, row in enumerate(rows):
        yield (
            f"{manifest}: tensors.{number}",
            {**shared, **{SAME.get(key, key): value for key, value in row.items()}},
        )


def _stored(
    folder: Path, place: str, row: Mapping[str, Any], frame: int | None, faults: list[Fault]
) -> Stored | None:
    before = len(faults)
    for key in ("name", "file"):
        if not row.get(key):
            faults.append(Fault(place, f"has no {key}"))
    for key in row:
        if key not in FIELDS and key not in ABOUT:
            faults.append(Fault(place, f"no field {key!r}{did_you_mean(key, (*FIELDS, *ABOUT))}"))
    if len(faults) > before:
        return None
    file = folder / str(row["file"])
    if not file.resolve().is_relative_to(folder.resolve()):
        faults.append(Fault(place, f"the file {row['file']!r} lies outside of {folder}"))
        return None
    fields_given = {key: value for key, value in row.items() if key in FIELDS}
    if frame is not None:
        fields_given = _as_stored(fields_given)
    try:
        given = parse_fields(fields_given, place)
        number = int(row["frame"]) if "frame" in row else frame
    except (InputError, ValueError) as error:
        faults += error.faults if isinstance(error, InputError) else [Fault(place, f"frame: {error}")]
        return None
    return Stored(str(row["name"]), file, KINDS.get(file.suffix, "raw"), number, fields=given, place=place)


def _as_stored(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn MNN-QNN's shape, which is the stored one with channels last, into the network's."""
    shape = [int(word) for word in re.findall(r"\d+", str(given.get("shape", "")))]
    if "layout" in given or len(shape) != 4:
        return dict(given)
    return {**given, "shape": [shape[0], shape[3], *shape[1:3]], "layout": "NHWC"}


def parse_fields(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Turn texts into the fields of a contract; lists are written `1,3,8,8`, `1x3x8x8` or `[1, 3, 8, 8]`.

    Raises:
        InputError: every field that is none or does not read as what it is.
    """
    found: dict[str, Any] = {}
    faults = []
    for key, value in given.items():
        name = SAME.get(key, key)
        if name not in FIELDS:
            faults.append(Fault(place, f"no field {key!r}{did_you_mean(key, FIELDS)}"))
            continue
        try:
            found[name] = _parsed(name, value)
        except (ValueError, TypeError):
            faults.append(
                Fault(
                    place, f"{key}: {value!r} is no {'list of numbers' if name in LISTS else 'whole number'}"
                )
            )
    if faults:
        raise InputError(*faults)
    return found


def _parsed(name: str, value: Any) -> Any:
    if name in LISTS:
        words = (
            [word for word in re.split(r"[,x\s;]+", value.strip("[]() ")) if word]
            if isinstance(value, str)
            else value
        )
        words = words if isinstance(words, (list, tuple)) else [words]
        return tuple(float(word) if name == "scale" else int(word) for word in words)
    if name in ("dtype", "endian", "layout"):
        text = str(value).strip()
        return QNN_TYPES.get(text.removeprefix("QNN_DATATYPE_"), text) if name == "dtype" else text
    return int(value)
