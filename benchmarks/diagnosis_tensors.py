"""Tensors for the diagnosis measurement: activations of the BEV and OCR networks, dumped by this tool.

Thresholds are chosen on the development half: the frames and pages of seed 0. The held-out half is the same
networks on the frames, pages and cuts of another seed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from deploykit.artifacts.dumps import DumpSet
from deploykit.core.store import Store
from deploykit.pipeline.records import Records

Array = numpy.ndarray[Any, numpy.dtype[Any]]

PIPELINES = Path(__file__).parents[1] / "pipelines"
NETWORKS = (("bev", "bev"), ("ocr", "cls"), ("ocr", "det"), ("ocr", "rec"))
MOST = 200_000
"""Elements: larger activations are cut."""


def tensors(seed: int, count: int) -> list[tuple[str, Array]]:
    """Give `count` tensors of varied shapes, all of at least two different values."""
    found = [pair for pipeline, network in NETWORKS for pair in _varied(pipeline, network, seed)]
    step = max(1, len(found) // count)
    return (found[::step] + found[1::step])[:count]


def _varied(pipeline: str, network: str, seed: int) -> Iterator[tuple[str, Array]]:
    """Give one tensor a shape, and of some of them a cut, a sparse, a one-channel and a 1 x 1 version."""
    random = numpy.random.default_rng([seed, zlib.crc32(network.encode())])
    seen: set[tuple[int, ...]] = set()
    for name, array in _dumped(pipeline, network, seed):
        if array.shape in seen or array.size < 32 or array.std() == 0:
            continue
        seen.add(array.shape)
        array = _cut(array)
        yield f"{network}:{name}", array
        place = (len(seen) + seed) % 4
        if array.ndim == 4 and min(array.shape[2:]) > 8:
            if place == 0:
                yield f"{network}:{name} odd", array[..., :-1, :-3].copy()
            elif place == 1:
                yield f"{network}:{name} one channel", array[:, :1].copy()
            elif place == 2:
                high = numpy.quantile(array, random.uniform(0.7, 0.95))
                yield f"{network}:{name} sparse", numpy.maximum(array - high, 0)
            else:
                yield f"{network}:{name} 1x1", array[:, :, :1, 5:6].copy()


def _cut(array: Array) -> Array:
    while array.size > MOST:
        axis = int(numpy.argmax(array.shape))
        array = numpy.take(array, range(array.shape[axis] // 2 + array.shape[axis] % 2), axis=axis)
    return numpy.ascontiguousarray(array)


def _dumped(pipeline: str, network: str, seed: int) -> Iterator[tuple[str, Array]]:
    folder = Path(tempfile.gettempdir()) / "deploykit-diagnosis" / f"{pipeline}-{seed}"
    store = Store(folder)
    records = Records(store)
    if records.latest(pipeline, f"{network}.dump") is None:
        sets = [f"task.seed={seed}", f"networks.{network}.clips.dump=3", f"networks.{network}.dump.frames=3"]
        command = [sys.executable, "-m", "deploykit", "dump", str(PIPELINES / f"{pipeline}.yaml")]
        command += ["--network", network, "--workspace", str(folder), "--workers", "1"]
        command += [part for one in sets for part in ("--set", one)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for _, record in records.all():
        if record.key.get("step") == f"{network}.dump":
            dump: DumpSet = records.artifact(record, DumpSet)
            for tensor in dump.tensors:
                array = numpy.load(store.path(tensor.file), mmap_mode="r")
                frames = array.shape[0] if array.ndim == 5 and array.shape[1] == 1 else 0
                if array.dtype != numpy.float32:
                    continue
                if frames > 1 and len(tensor.name) % 2:
                    yield f"{tensor.name} of {frames} frames", numpy.asarray(array[:, 0])
                else:
                    yield tensor.name, numpy.asarray(array[0])
            return
