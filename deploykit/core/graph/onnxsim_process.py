"""onnxsim in a process of its own: on some graphs it ends the process that it runs in.

The child runs this file by its path, with SOURCE TARGET SETTINGS (as JSON): it needs onnx and onnxsim only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto


def run_onnxsim(model: ModelProto, settings: Mapping[str, object]) -> ModelProto | str:
    """Simplify a model in a child process; gives the result, or one sentence why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model.SerializeToString())
        command = [sys.executable, "-P", __file__, str(source), str(target), json.dumps(settings)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0 and target.is_file():
            found: ModelProto = ModelProto.FromString(target.read_bytes())
            return found
    return f"onnxsim failed: {_reason(done)}"


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Give the message of the child's exception, or the code with which the child ended."""
    lines = done.stderr.strip().splitlines()
    at = max(
        (at for at, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), default=None
    )
    if at is None:
        return f"it ended with code {done.returncode}"
    return " ".join(" ".join(lines[at:]).split())[:300]


def main(source: str, target: str, settings: str) -> None:
    """Simplify a file; onnxsim's own errors end the process with a traceback."""
    import onnx
    import onnxsim  # its import takes most of a second

    smaller, _ = onnxsim.simplify(onnx.load(source), **json.loads(settings))
    Path(target).write_bytes(smaller.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
