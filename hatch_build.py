"""Put the packing search's compiled core into wheels and editable installs, where a C compiler is found."""

from __future__ import annotations

import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FOLDER = Path("deploykit/solve/memory")


class CoreHook(BuildHookInterface[Any]):
    """Without a compiler the wheel is pure Python and solves the same."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; on success the wheel is no longer for every machine."""
        compile_core = runpy.run_path(str(ROOT / FOLDER / "compile_core.py"))["compile_core"]
        if not compile_core():
            return
        build_data["artifacts"].append(f"/{FOLDER.as_posix()}/_core.so")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"  # reached by ctypes: any Python will do
