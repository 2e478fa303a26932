"""What a maker may touch: the store, a scratch folder, and a way to show progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from deploykit.core.blob import Blob
from deploykit.core.store import Store

Item = TypeVar("Item")


class Progress(Protocol):
    """Shows how far long work is; the default shows nothing."""

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Pass the items on, one by one."""


class Quiet:
    """No progress shown."""

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Pass the items on."""
        del label, total
        yield from items


class Workspace:
    """The place where a maker writes. It is a `Reader` too."""

    def __init__(self, store: Store, progress: Progress | None = None, workers: int = 1) -> None:
        self._store = store
        self._progress = progress or Quiet()
        self.workers = workers

    def path(self, blob: Blob) -> Path:
        """Give a file with this content."""
        return self._store.path(blob)

    def folder(self, blobs: Sequence[Blob]) -> Path:
        """Give a folder in which these blobs lie side by side under their names."""
        return self._store.folder(blobs)

    def scratch(self) -> contextlib.AbstractContextManager[Path]:
        """Give an empty folder for the time of a `with` block."""
        return self._store.scratch()

    def keep(self, file: Path, name: str | None = None) -> Blob:
        """Move a finished file from the scratch folder into the store."""
        return self._store.keep(file, name or file.name)

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Pass the items on and show how far they are."""
        return self._progress.track(items, label, total)
