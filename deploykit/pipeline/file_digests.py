"""Digests of the user's files, read again only when they may have changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploykit.core.errors import input_error
from deploykit.core.store import Store, digest_file

RACY_NS = 2_000_000_000
"""A file written this shortly before it was hashed may have changed since without a new time stamp."""


@dataclass
class FileDigests:
    """A stat cache: (size, mtime, inode) -> digest. Load it, ask it, save it; losing it costs time only."""

    store: Store
    entries: dict[str, dict[str, object]] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def load(cls, store: Store) -> FileDigests:
        """Read the cache of a store; a missing or damaged one is empty."""
        try:
            entries = json.loads((store.root / "stat.json").read_bytes())
        except (OSError, ValueError):
            return cls(store)
        return cls(store, entries if isinstance(entries, dict) else {})

    def save(self) -> None:
        """Write the cache back where something new was learnt."""
        if self.changed:
            self.store.write(self.store.root / "stat.json", json.dumps(self.entries, indent=0).encode())
            self.changed = False

    def digest(self, path: Path) -> str:
        """Give a file's blake3 digest.

        Raises:
            InputError: there is no such file, or it cannot be read.
        """
        entry = self._current(path)
        return str(entry["digest"])

    def names(self, path: Path, what: str, find: Callable[[Path], tuple[str, ...]]) -> tuple[str, ...]:
        """Give names that depend on a file's content alone (`find(path)`), remembered with its digest."""
        entry = self._current(path)
        known = entry.get(what)
        if not isinstance(known, list):
            known = entry[what] = list(find(path))
            self.changed = True
        return tuple(str(name) for name in known)

    def _current(self, path: Path) -> dict[str, object]:
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
            entry = self.entries.get(str(path.absolute()))
            if isinstance(entry, dict) and entry.get("stamp") == stamp and "digest" in entry:
                return entry
            now_ns = time.time_ns()
            new: dict[str, object] = {"digest": digest_file(path)}
        except FileNotFoundError:
            raise input_error(str(path), "no such file") from None
        except IsADirectoryError:
            raise input_error(str(path), "is a folder, not a file") from None
        except OSError as error:
            raise input_error(str(path), f"cannot be read: {error.strerror}") from error
        if isinstance(entry, dict) and entry.get("digest") == new["digest"]:
            new = {**entry}
        new["stamp"] = stamp if status.st_mtime_ns < now_ns - RACY_NS else None
        self.entries[str(path.absolute())] = new
        self.changed = True
        return new
