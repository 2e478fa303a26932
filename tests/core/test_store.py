"""The store: content addresses, atomic writes, views of files side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.core.blob import Blob
from deploykit.core.errors import EnvironmentFault, InputError
from deploykit.core.store import Store, digest_bytes, digest_file, disk_faults


def kept(store: Store, name: str, content: bytes) -> Blob:
    with store.scratch() as folder:
        (folder / name).write_bytes(content)
        return store.keep(folder / name, name)


def test_blake3_of_nothing_is_the_published_digest() -> None:
    assert digest_bytes(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_the_same_content_is_stored_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = kept(store, "a.bin", b"weights"), kept(store, "b.bin", b"weights")
    assert first.digest == second.digest == digest_bytes(b"weights")
    assert store.path(first) == store.path(second)
    assert store.path(first).read_bytes() == b"weights"
    assert not os.access(store.path(first), os.W_OK) or os.geteuid() == 0
    assert store.path(first).stat().st_mode & 0o222 == 0


def test_a_folder_shows_blobs_under_their_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blobs = (kept(store, "m.onnx", b"graph"), kept(store, "m.bin", b"data"))
    folder = store.folder(blobs)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "m.onnx": b"graph",
        "m.bin": b"data",
    }
    assert store.folder(blobs) == folder


@pytest.mark.parametrize("name", ["../m.onnx", "a/b.onnx", "/m.onnx"])
def test_a_blob_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    blob = kept(store, "m.onnx", b"graph")
    with pytest.raises(ValueError, match="plain, distinct names"):
        store.folder((Blob(blob.digest, name, blob.size_bytes),))


def test_a_missing_or_cut_blob_is_not_held(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = kept(store, "a", b"12345")
    assert store.holds(blob)
    store.path(blob).chmod(0o644)
    store.path(blob).write_bytes(b"123")
    assert not store.holds(blob)
    store.path(blob).unlink()
    assert not store.holds(blob)
    with pytest.raises(InputError, match="the cache lacks a"):
        store.path(blob)


@given(content=st.binary(max_size=2000))
def test_a_file_has_the_digest_of_its_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("digest") / "file"
    path.write_bytes(content)
    assert digest_file(path) == digest_bytes(content)


def test_a_writer_that_is_killed_leaves_the_old_file_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(tmp_path / "steps" / "a.json", b"old")
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from deploykit.core import store
        real = os.replace
        os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL)
        store.Store(Path(sys.argv[1])).write(Path(sys.argv[1]) / "steps" / "a.json", b"new" * 1000)
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, env=os.environ)
    assert done.returncode == -9
    assert (tmp_path / "steps" / "a.json").read_bytes() == b"old"
    assert list((tmp_path / "tmp").iterdir())
    store.clear_scratch()
    assert not (tmp_path / "tmp").exists()


@pytest.mark.parametrize(
    ("number", "expected"), [(28, "no space left"), (30, "read-only"), (13, "may not be written")]
)
def test_what_the_disk_refuses_is_told_in_one_sentence(tmp_path: Path, number: int, expected: str) -> None:
    with pytest.raises(EnvironmentFault, match=expected), disk_faults(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="no space left"), disk_faults(tmp_path):
        Path("/dev/full").write_bytes(b"x")
