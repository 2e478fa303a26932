"""What runs networks beside the chip: onnxruntime, and the vendors' own compilers and simulators.

This module stays light: a toolchain's module is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from deploykit.core.errors import input_error
from deploykit.core.names import did_you_mean

if TYPE_CHECKING:
    from deploykit.toolchains.protocol import Toolchain

TOOLCHAINS: dict[str, str] = {
    "reference": "deploykit.toolchains.onnxruntime_host",
    "rknn": "deploykit.toolchains.rknn",
    "tpu-mlir": "deploykit.toolchains.tpu_mlir",
    "vela": "deploykit.toolchains.vela",
}
"""Every toolchain's module by the name that users write."""


def load_toolchain(name: str, where: str = "toolchain") -> Toolchain:
    """Import a toolchain. Raises InputError for an unknown name."""
    if name not in TOOLCHAINS:
        raise input_error(where, f"no toolchain {name!r}{did_you_mean(name, TOOLCHAINS)}")
    return cast("Toolchain", importlib.import_module(TOOLCHAINS[name]))
