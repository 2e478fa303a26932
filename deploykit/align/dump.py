"""A set of dumped tensors: which file holds which tensor of which frame. Nothing is read yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stored:
    """One tensor in one file.

    `kind` is raw, npy, npz, text or polygraphy; `member` the name inside a file that holds several. `frame`
    is None where nothing says which one it is. `fields` are those of the `Contract` that a manifest gives.
    `place` is where the file was named (file:line), or the file itself. `stacked`: the first axis counts
    frames.
    """

    name: str
    path: Path
    kind: str
    frame: int | None = None
    member: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""
    stacked: bool = False

    @property
    def where(self) -> str:
        """The file, and the member in it."""
        return f"{self.path}[{self.member}]" if self.member else str(self.path)


@dataclass(frozen=True)
class Dump:
    """All that a folder or file holds. `kind` names the convention by which it was read.

    `order` is the order in which the network computes the tensors, where that is known; `inputs` what each is
    computed from; `state` pairs of (output, input) that carry over to the next frame. `left_out` are files
    that no rule reads. `clips` are (name, frames), `model` and `data` identify the network and the input,
    each where the dump says so.
    """

    label: str
    kind: str
    stored: tuple[Stored, ...]
    order: tuple[str, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    state: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    data: str = ""
    clips: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names: in computing order where it is known, else as they were found."""
        found = dict.fromkeys(item.name for item in self.stored)
        known = [name for name in self.order if name in found]
        return tuple(dict.fromkeys([*known, *found]))

    def of(self, name: str) -> tuple[Stored, ...]:
        """Give where a tensor is stored, frame by frame."""
        return tuple(item for item in self.stored if item.name == name)
