"""Weights above 2 GiB: loaded, split and proved without passing through a protobuf or through memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from onnx import TensorProto, parser

ROWS = (2 << 30) // (256 * 4) + 4096  # 2 GiB and a little, 256 floats a row


def write_model(folder: Path, rows: int) -> Path:
    """Make y = W[ids] V with W in a sparse file of which only row 5 is filled, and V beside it in the same file."""
    row = numpy.arange(256, dtype=numpy.float32)
    small = numpy.eye(256, dtype=numpy.float32) * 2
    with (folder / "w.bin").open("wb") as stream:
        stream.seek(5 * 1024)
        stream.write(row.tobytes())
        stream.seek(rows * 1024)
        stream.write(small.tobytes())
    proto = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (int64[1,3] ids) => (float[1,3,256] y) { e = Gather(W, ids) h = Relu(e) m = MatMul(h, V) y = Neg(m) }"""
    )
    for name, shape, offset in (("W", (rows, 256), 0), ("V", (256, 256), rows * 1024)):
        tensor = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL
        )
        tensor.external_data.add(key="location", value="w.bin")
        tensor.external_data.add(key="offset", value=str(offset))
        proto.graph.initializer.append(tensor)
    file = folder / "m.onnx"
    file.write_bytes(proto.SerializeToString())
    return file


@contextlib.contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Note the anonymous memory (in KiB) of this process again and again."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            status = Path("/proc/self/status").read_text().splitlines()
            seen.append(int(next(line for line in status if line.startswith("RssAnon")).split()[1]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def check(bench: Any, rows: int, *, simplify: bool) -> None:
    folder = bench.folder / "model"
    folder.mkdir()
    model = bench.model(write_model(folder, rows), simplify=simplify)
    assert model.equality.bit_equal
    assert [blob.name for blob in model.files] == ["net.onnx", "net.data"]
    assert model.files[0].size_bytes < 2000
    partition = bench.split(model, at=("h",))
    assert partition.equality.bit_equal
    sizes = [[blob.size_bytes for blob in segment.files] for segment in partition.segments]
    assert sizes[0][1] == rows * 1024
    assert sizes[1][1] == 256 * 1024
    first = bench.open(partition, "npu0")
    assert first.array(first.proto.graph.initializer[0])[5].tolist() == list(range(256))


def test_external_weights_are_split_by_byte_range(bench: Any) -> None:
    check(bench, 2048, simplify=False)


@pytest.mark.slow
def test_a_model_above_two_gibibytes_takes_little_memory(bench: Any) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the memory so")
    probe = bench.folder / "probe"
    with probe.open("wb") as stream:
        stream.truncate(1 << 30)
    if probe.stat().st_blocks > 2048:
        pytest.skip("the file system does not keep holes")
    with peak_memory() as peak_kib:
        check(bench, ROWS, simplify=True)
    assert max(peak_kib) - min(peak_kib) < 300_000, "pages of the mapped file do not count, copies would"
