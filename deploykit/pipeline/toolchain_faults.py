"""What is wrong with the toolchains that a pipeline names: said before any step runs."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.core.errors import Fault, InputError
from deploykit.core.yaml_file import Document, Location, dotted_place
from deploykit.pipeline.config import PipelineConfig
from deploykit.toolchains import choose_chip, load_toolchain


def toolchain_faults(config: PipelineConfig, document: Document) -> Iterator[Fault]:
    """Give the faults of `split.toolchain`, `compile.toolchain` and `compile.chip` of every network."""
    for network, item in config.networks.items():
        compiled = item.options["compile"]
        at: Location = ("networks", network, "compile")
        yield from _faults(document, at, compiled.toolchain, compiled.chip)
        yield from _faults(document, ("networks", network, "split"), item.options["split"].toolchain, None)


def _faults(document: Document, at: Location, name: str, chip: str | None) -> Iterator[Fault]:
    if not name:
        return
    try:
        toolchain = load_toolchain(
            name, dotted_place(document, (*at, "toolchain")), folder=document.path.parent
        )
        if chip is not None:
            choose_chip(toolchain, chip, dotted_place(document, (*at, "chip")))
    except InputError as error:
        yield from error.faults
