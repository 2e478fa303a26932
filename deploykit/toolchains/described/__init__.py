"""A toolchain that a YAML file describes: any command-line compiler, also one that is under NDA."""

from __future__ import annotations

from deploykit.toolchains.described.description import Description, read_description
from deploykit.toolchains.described.toolchain import DescribedToolchain

__all__ = ["DescribedToolchain", "Description", "read_description"]
