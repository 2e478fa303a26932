"""External data: found beside the model, never outside its folder, copied without reading it whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from deploykit.core.errors import InputError
from deploykit.core.graph.external import ByteRange, key_of
from deploykit.core.graph.model import load_model
from deploykit.core.graph.save import save_model
from deploykit.core.runtime import open_session, run_session

SHAPE = (64, 64)


def external_model(location: str, *, offset: int = 0, length: int | None = None) -> ModelProto:
    """Make y = x W with W (16 KB) at a place outside."""
    weight = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=SHAPE)
    weight.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": str(offset)}
    if length is not None:
        entries["length"] = str(length)
    for key, value in entries.items():
        weight.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write(folder: Path, location: str = "w.bin", *, offset: int = 0, length: int | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "m.onnx"
    file.write_bytes(external_model(location, offset=offset, length=length).SerializeToString())
    return file


def weights(
    folder: Path, name: str = "w.bin", *, skip: int = 0
) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]:
    values = numpy.arange(64 * 64, dtype=numpy.float32).reshape(SHAPE)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"\xff" * skip + values.tobytes())
    return values


def loaded_weight(file: Path) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]:
    model = load_model(file)
    return model.array(model.proto.graph.initializer[0])


@pytest.mark.parametrize("skip", [0, 4096, 12])
def test_data_is_read_from_its_byte_range(tmp_path: Path, skip: int) -> None:
    expected = weights(tmp_path, skip=skip)
    assert (loaded_weight(write(tmp_path, offset=skip)) == expected).all()


def test_the_working_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "models")
    expected = weights(tmp_path / "models")
    decoy = tmp_path / "elsewhere"
    weights(decoy)
    (decoy / "w.bin").write_bytes(b"\0" * 4 * 64 * 64)
    monkeypatch.chdir(decoy)
    assert (loaded_weight(file) == expected).all()
    monkeypatch.chdir(tmp_path)
    assert (loaded_weight(Path("models/m.onnx")) == expected).all()


def test_a_linked_model_finds_data_beside_the_real_file_or_beside_the_link(tmp_path: Path) -> None:
    real = write(tmp_path / "real")
    expected = weights(tmp_path / "real")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "m.onnx"
    link.symlink_to(real)
    assert (loaded_weight(link) == expected).all()
    (tmp_path / "real" / "w.bin").rename(tmp_path / "links" / "w.bin")
    assert (loaded_weight(link) == expected).all()


def test_a_cache_of_linked_files_works(tmp_path: Path) -> None:
    real = write(tmp_path / "blobs")
    expected = weights(tmp_path / "blobs", "d1")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "m.onnx").symlink_to(real)
    (tmp_path / "snapshot" / "w.bin").symlink_to(tmp_path / "blobs" / "d1")
    assert (loaded_weight(tmp_path / "snapshot" / "m.onnx") == expected).all()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("{folder}/w.bin", "absolute path"),
        ("C:\\models\\w.bin", "absolute path"),
        ("../w.bin", "leaves the model's folder"),
        ("sub/../../w.bin", "leaves the model's folder"),
        ("..\\w.bin", "leaves the model's folder"),
        ("link.bin", "link that leaves the model's folder"),
        ("linked/w.bin", "link that leaves the model's folder"),
        ("sub", "no regular file"),
        ("", "no location"),
        ("none.bin", "'none.bin' is not in .*put it beside the model"),
    ],
)
def test_data_outside_the_folder_is_refused(tmp_path: Path, location: str, message: str) -> None:
    folder = tmp_path / "model"
    weights(tmp_path)
    (folder / "sub").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    (folder / "linked").symlink_to(tmp_path)
    file = write(folder, location.format(folder=tmp_path))
    with pytest.raises(InputError, match=f"(?s)tensor 'W'.*{message}"):
        load_model(file)


@pytest.mark.parametrize(
    ("place", "size", "message"),
    [
        ({}, 100, "cut off: 100 bytes are there, 16384 are needed"),
        ({"offset": 4096}, 16384, "cut off: 16384 bytes are there, 20480 are needed"),
        ({"length": 100}, 16384, "gives 100 bytes from 0, its shape needs 16384"),
        ({"offset": -4}, 16384, "gives 16384 bytes from -4"),
    ],
)
def test_a_range_that_does_not_fit_is_refused(
    tmp_path: Path, place: dict[str, int], size: int, message: str
) -> None:
    file = write(tmp_path, offset=place.get("offset", 0), length=place.get("length"))
    (tmp_path / "w.bin").write_bytes(b"\0" * size)
    with pytest.raises(InputError, match=f"tensor 'W'.*{message}"):
        load_model(file)


def test_small_data_comes_into_the_protobuf_and_large_data_goes_beside_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a")
    expected = weights(tmp_path / "a")
    model = load_model(file)
    model.proto.graph.initializer.append(onnx.numpy_helper.from_array(numpy.ones(4, numpy.float32), "small"))
    out = tmp_path / "b"
    out.mkdir()
    files = save_model(model, out, "net")
    assert [written.name for written in files] == ["net.onnx", "net.data"]
    again = load_model(files[0])
    assert again.array(again.proto.graph.initializer[0]).tolist() == expected.tolist()
    assert not again.proto.graph.initializer[1].external_data
    x = numpy.ones((1, 64), numpy.float32)
    assert (run_session(open_session(files[0]), {"x": x})[0] == x @ expected).all()


def test_two_names_of_one_range_are_written_once(tmp_path: Path) -> None:
    proto = external_model("w.bin")
    proto.graph.initializer.append(proto.graph.initializer[0])
    proto.graph.initializer[1].name = "V"
    proto.graph.node.append(helper.make_node("MatMul", ["x", "V"], ["z"]))
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    weights(tmp_path)
    model = load_model(tmp_path / "m.onnx")
    assert len(model.data) == 1
    (tmp_path / "out").mkdir()
    assert save_model(model, tmp_path / "out", "net")[1].stat().st_size == 16384


def test_a_copied_range_is_exact_and_keeps_its_holes(tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    size = 64 << 20
    with source.open("wb") as stream:
        stream.truncate(size)
        stream.seek(1 << 20)
        stream.write(b"abc" * 1000)
    with (tmp_path / "copy").open("w+b") as target:
        target.write(b"head")
        ByteRange(source, 5, size - 5).copy_to(target)
    copy = (tmp_path / "copy").read_bytes()
    assert copy[:4] == b"head"
    assert copy[4:] == source.read_bytes()[5:]
    if source.stat().st_blocks * 512 < size // 2:  # the file system knows holes
        assert (tmp_path / "copy").stat().st_blocks * 512 < size // 2


def test_the_key_names_place_and_size() -> None:
    tensor = external_model("w.bin", offset=8).graph.initializer[0]
    assert key_of(tensor) == "w.bin\n8\n16384"


def test_a_pipe_in_place_of_data_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.bin")
    with pytest.raises(InputError, match="no regular file"):
        load_model(write(tmp_path))
