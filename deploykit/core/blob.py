"""A reference to a file by its content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blob:
    """A file's content (`digest`: blake3, 64 hex digits) under the name that it wants in a folder."""

    digest: str
    name: str
    size_bytes: int
