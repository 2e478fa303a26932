"""What the comparison asks of the network behind the dumps, where it is given. The answers need ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from deploykit.align.compare import Options
from deploykit.align.dump import Dump
from deploykit.align.result import Diff


class Network(Protocol):
    """The reference's network."""

    def in_order(self, reference: Dump) -> Dump:
        """Give the reference with the order of its tensors, and what each is computed from."""

    def with_layers(self, diff: Diff, reference: Dump, board: Dump, options: Options) -> Diff:
        """Give the result with each layer's own error beside the one that it carries on."""


OpenNetwork: TypeAlias = Callable[[Path], Network]
