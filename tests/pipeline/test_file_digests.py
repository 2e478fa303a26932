"""The stat cache: unchanged files aren't read again, changed ones always are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploykit.core.errors import InputError
from deploykit.core.store import Store, digest_bytes
from deploykit.pipeline import file_digests
from deploykit.pipeline.file_digests import FileDigests


def old_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_file(tmp_path / "model.onnx", b"one")
    first = FileDigests.load(Store(tmp_path / "store"))
    assert first.digest(path) == digest_bytes(b"one")
    first.save()
    monkeypatch.setattr(file_digests, "digest_file", lambda path: pytest.fail(f"{path} was read again"))
    assert FileDigests.load(Store(tmp_path / "store")).digest(path) == digest_bytes(b"one")


def test_another_time_size_or_file_is_seen(tmp_path: Path) -> None:
    path = old_file(tmp_path / "model.onnx", b"one")
    digests = FileDigests.load(Store(tmp_path / "store"))
    digests.digest(path)
    path.write_bytes(b"two")
    assert digests.digest(path) == digest_bytes(b"two")
    other = old_file(tmp_path / "other.onnx", b"six")
    os.replace(other, path)
    assert digests.digest(path) == digest_bytes(b"six")


def test_a_file_written_a_moment_ago_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"one")
    stamp = path.stat()
    digests = FileDigests.load(Store(tmp_path / "store"))
    digests.digest(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert digests.digest(path) == digest_bytes(b"two")


def test_a_damaged_cache_is_an_empty_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "stat.json").write_bytes(b"{broken")
    assert FileDigests.load(store).entries == {}


def test_derived_names_are_kept_with_the_content(tmp_path: Path) -> None:
    path = old_file(tmp_path / "model.onnx", b"one")
    digests = FileDigests.load(Store(tmp_path / "store"))
    assert digests.names(path, "external", lambda found: ("w.bin",)) == ("w.bin",)
    assert digests.names(path, "external", lambda found: pytest.fail("asked again")) == ("w.bin",)
    path.write_bytes(b"two")
    assert digests.names(path, "external", lambda found: ()) == ()


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    digests = FileDigests.load(Store(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        digests.digest(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="is a folder"):
        digests.digest(tmp_path)
