"""What runs networks beside the chip: onnxruntime, and the vendors' own compilers and simulators.

This module stays light: a toolchain's module is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from deploykit.core.errors import input_error
from deploykit.core.names import did_you_mean

if TYPE_CHECKING:
    from deploykit.toolchains.protocol import Toolchain

TOOLCHAINS: dict[str, str] = {
    "nncase": "deploykit.toolchains.nncase",
    "qnn": "deploykit.toolchains.qnn",
    "reference": "deploykit.toolchains.onnxruntime_host",
    "rknn": "deploykit.toolchains.rknn",
    "tpu-mlir": "deploykit.toolchains.tpu_mlir",
    "trtexec": "trtexec.yaml",
    "vela": "deploykit.toolchains.vela",
}
"""Every toolchain by the name that users write: its module, or the YAML beside this file about it."""

DESCRIBED = (".yaml", ".yml")


def load_toolchain(name: str, where: str = "toolchain", *, folder: Path = Path()) -> Toolchain:
    """Import a toolchain; a name that ends with .yaml is the file that describes one, relative to `folder`.

    Raises:
        InputError: an unknown name; everything that is wrong with the description.
    """
    if name.endswith(DESCRIBED):
        return _described(folder / name)
    if name not in TOOLCHAINS:
        raise input_error(where, f"no toolchain {name!r}{did_you_mean(name, TOOLCHAINS)}")
    if TOOLCHAINS[name].endswith(DESCRIBED):
        return _described(Path(__file__).with_name(TOOLCHAINS[name]))
    return cast("Toolchain", importlib.import_module(TOOLCHAINS[name]))


def choose_chip(toolchain: Toolchain, given: str, where: str) -> str:
    """Give the chip that is named, or a toolchain's only one.

    Raises:
        InputError: it has no such chip, or several and none is named.
    """
    chips = tuple(toolchain.capabilities().chips)
    if not given and len(chips) == 1:
        return chips[0]
    if not given:
        raise input_error(where, f"{toolchain.name} needs one", f"one of: {', '.join(chips)}")
    if given not in chips:
        raise input_error(where, f"{toolchain.name} has no chip {given!r}{did_you_mean(given, chips)}")
    return given


def _described(file: Path) -> Toolchain:
    from deploykit.toolchains.described import DescribedToolchain, read_description

    return DescribedToolchain(read_description(file), file.parent.absolute())
