"""The content-addressed folder that holds everything a pipeline made.

    .deploykit/
      blobs/ab/abcd...     files by their blake3 digest, read-only
      views/<id>/          hard links of blobs that must lie side by side (ONNX and its external data)
      steps/<digest>.json  a step's key and its artifact
      latest/<step>.json   each step's newest key, to say what changed since
      runs/<id>.json       one manifest a run
      stat.json            digests of the user's files by (size, mtime, inode): they aren't read again
      tmp/                 what isn't finished; emptied by the next run that holds the lock
      lock

Every file appears by `os.replace` or `os.rename` from `tmp/` on the same file system: a run that is killed at
any moment leaves a whole file or none.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from deploykit.core.blob import Blob
from deploykit.core.errors import EnvironmentFault, input_error


class Reader(Protocol):
    """Read-only access to blobs, for stages that need file contents."""

    def path(self, blob: Blob) -> Path:
        """Give a file with this content; its name is not the blob's."""

    def folder(self, blobs: Sequence[Blob]) -> Path:
        """Give a folder in which these blobs lie side by side under their names."""


class Store:
    """One pipeline folder's `.deploykit/`. Readers are safe at any time; writers hold the lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, blob: Blob) -> Path:
        """Give the file that holds a blob's content."""
        found = self._blob_path(blob.digest)
        if not found.exists():
            raise input_error(str(found), f"the cache lacks {blob.name}", "run again with --force")
        return found

    def holds(self, blob: Blob) -> bool:
        """Say whether a blob's content is here, whole."""
        try:
            return self._blob_path(blob.digest).stat().st_size == blob.size_bytes
        except OSError:
            return False

    def folder(self, blobs: Sequence[Blob]) -> Path:
        """Give a folder in which these blobs lie side by side under their names."""
        names = [blob.name for blob in blobs]
        if len(set(names)) != len(names) or any(Path(name).name != name for name in names):
            raise ValueError(f"blobs need plain, distinct names: {names}")
        view_id = digest_bytes(json.dumps([[blob.name, blob.digest] for blob in blobs]).encode())[:32]
        view = self.root / "views" / view_id
        if not view.exists():
            with self.scratch() as folder:
                for blob in blobs:
                    _link(self.path(blob), folder / blob.name)
                _publish_folder(folder, view)
        return view

    def keep(self, file: Path, name: str) -> Blob:
        """Move a finished file into the store under its content's digest."""
        blob = Blob(digest_file(file), name, file.stat().st_size)
        target = self._blob_path(blob.digest)
        if target.exists():
            file.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.chmod(0o444)
            os.replace(file, target)  # a second writer of the same content replaces it by itself: harmless
        return blob

    def write(self, target: Path, content: bytes) -> None:
        """Write a small file so that readers see the old content or the new, never a part."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.scratch() as folder:
            (folder / "file").write_bytes(content)
            os.replace(folder / "file", target)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder on the store's file system; it is removed at the end."""
        folder = self.root / "tmp" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clear_scratch(self) -> None:
        """Remove what killed runs left behind; only for the holder of the lock."""
        shutil.rmtree(self.root / "tmp", ignore_errors=True)

    def _blob_path(self, digest: str) -> Path:
        return self.root / "blobs" / digest[:2] / digest


def digest_file(path: Path) -> str:
    """Give a file's blake3 digest in hex, reading it once."""
    from blake3 import blake3

    return str(blake3().update_mmap(path).hexdigest())


def digest_bytes(content: bytes) -> str:
    """Give the blake3 digest of bytes in hex."""
    from blake3 import blake3

    return str(blake3(content).hexdigest())


@contextlib.contextmanager
def disk_faults(folder: Path, option: str = "--workspace") -> Iterator[None]:
    """Turn the operating system's refusals to write below `folder` into one clear message each; `option` is
    how the user names another folder."""
    free = "free some space, or see `deploykit cache clean`"
    elsewhere = f"make it writable, or name another folder with {option}"
    reasons = {
        errno.ENOSPC: ("no space left on the disk", free),
        errno.EDQUOT: ("the disk quota is used up", free),
        errno.EFBIG: ("the file would be larger than allowed here", elsewhere),
        errno.EROFS: ("the file system is read-only", elsewhere),
        errno.EACCES: ("this may not be written", elsewhere),
        errno.EPERM: ("this may not be written", elsewhere),
    }
    try:
        yield
    except OSError as error:
        if error.errno not in reasons:
            raise
        what, fix = reasons[error.errno]
        raise EnvironmentFault(f"{error.filename or folder}: {what}; {fix}") from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _publish_folder(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(folder, target)
    except OSError:
        if not target.exists():  # otherwise another reader published the same view first
            raise
