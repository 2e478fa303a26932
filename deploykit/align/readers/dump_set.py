"""Dumps that a pipeline made: named by a step's file in `.deploykit/latest` or `.deploykit/steps`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploykit.align.dump import Dump, Stored
from deploykit.core.errors import input_error


def read(path: Path) -> Dump | None:
    """Read the dump set of a step (`.deploykit/latest/PIPELINE.NETWORK.dump.json`).

    Raises:
        InputError: the step is not in the cache any more, or made something else.
    """
    if path.suffix != ".json" or path.parent.name not in ("latest", "steps"):
        return None
    root = path.parent.parent
    content = json.loads(path.read_bytes())
    record = content if path.parent.name == "steps" else _record(root, content)
    if record is None:
        raise input_error(str(path), "its step is not in the cache", "run the dump step again")
    artifact = json.loads(_blob(root, record["artifact"]).read_bytes())
    if not isinstance(artifact, dict) or "clips" not in artifact or "tensors" not in artifact:
        raise input_error(str(path), "its step made no dumps", "name a dump or dump_quantized step")
    tensors = artifact["tensors"]
    return Dump(
        label=f"{artifact['network']} ({artifact['label']})",
        kind="dump-set",
        stored=tuple(
            Stored(item["name"], _blob(root, item["file"]), "npy", place=str(path), stacked=True)
            for item in tensors
        ),
        order=tuple(item["name"] for item in tensors),
        inputs={item["name"]: tuple(item["inputs"]) for item in tensors},
        state=tuple((output, source) for output, source in artifact["state"]),
        clips=tuple((name, count) for name, count in artifact["clips"]),
    )


def _record(root: Path, key: Any) -> Any:
    for file in sorted((root / "steps").glob("*.json")):
        record = json.loads(file.read_bytes())
        if record["key"] == key:
            return record
    return None


def _blob(root: Path, blob: dict[str, Any]) -> Path:
    return root / "blobs" / str(blob["digest"])[:2] / str(blob["digest"])
