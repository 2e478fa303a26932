"""Finished steps in the store: found by key, read back as artifacts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploykit.core.blob import Blob
from deploykit.core.codec import decode, encode, to_plain
from deploykit.core.store import Store
from deploykit.pipeline.keys import StepKey


@dataclass(frozen=True)
class StepRecord:
    """A finished step: its key, its artifact's JSON as a blob, and all blobs that the artifact refers to."""

    key: dict[str, Any]
    artifact: Blob
    blobs: tuple[Blob, ...]
    seconds: float


class Records:
    """The finished steps of one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, key: StepKey) -> StepRecord | None:
        """Give the record of a key whose files are all there; a step that fails is never recorded."""
        record = self._read(self._path(key.digest()))
        if record is None or not all(self.store.holds(blob) for blob in (record.artifact, *record.blobs)):
            return None
        return record

    def add(self, key: StepKey, artifact: object, seconds: float) -> StepRecord:
        """Write a finished step; the record appears last, when all that it refers to is there."""
        with self.store.scratch() as folder:
            file = folder / "artifact.json"
            file.write_bytes(encode(artifact))
            blob = self.store.keep(file, "artifact.json")
        record = StepRecord(to_plain(key), blob, tuple(dict.fromkeys(blobs_of(artifact))), seconds)
        self.store.write(self._path(key.digest()), encode(record))
        return record

    def artifact(self, record: StepRecord, value_type: type[Any]) -> Any:
        """Read a record's artifact."""
        path = self.store.path(record.artifact)
        return decode(value_type, path.read_bytes(), str(path))

    def remember_latest(self, pipeline: str, key: StepKey) -> None:
        """Keep a step's newest key, so that the next plan can say what changed since."""
        self.store.write(self._latest_path(pipeline, key.step), encode(key))

    def latest(self, pipeline: str, step: str) -> dict[str, Any] | None:
        """Give the key that a step had when it was last run or taken from the cache."""
        try:
            found = json.loads(self._latest_path(pipeline, step).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def key(self, digest: str) -> dict[str, Any] | None:
        """Give the key of a recorded step by the key's digest."""
        record = self._read(self._path(digest))
        return record.key if record else None

    def all(self) -> Iterator[tuple[Path, StepRecord]]:
        """Give every record with its file."""
        for path in sorted((self.store.root / "steps").glob("*.json")):
            record = self._read(path)
            if record is not None:
                yield path, record

    def _read(self, path: Path) -> StepRecord | None:
        if not path.exists():
            return None
        return decode(StepRecord, path.read_bytes(), str(path))

    def _path(self, digest: str) -> Path:
        return self.store.root / "steps" / f"{digest}.json"

    def _latest_path(self, pipeline: str, step: str) -> Path:
        return self.store.root / "latest" / f"{pipeline}.{step}.json"


def blobs_of(value: object) -> Iterator[Blob]:
    """Give all blobs that an artifact refers to, at any depth."""
    if isinstance(value, Blob):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from blobs_of(getattr(value, field.name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from blobs_of(item)
    elif isinstance(value, tuple) and value and not isinstance(value[0], int | float | str):
        for item in value:
            yield from blobs_of(item)
