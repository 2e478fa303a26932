"""onnxsim in a process of its own: on some graphs it ends the process that it runs in.

The child runs this file by its path, with SOURCE TARGET REQUEST (as JSON): it needs onnx and onnxsim only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from onnx import ModelProto


def run_onnxsim(
    model: ModelProto, settings: Sequence[Mapping[str, object]], allowed_bytes: int
) -> ModelProto | str:
    """Simplify a model in a child process with the first settings whose result has at most `allowed_bytes`.

    Gives that result, or one sentence why there is none.
    """
    request = json.dumps({"settings": settings, "allowed_bytes": allowed_bytes})
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model.SerializeToString())
        command = [sys.executable, "-P", __file__, str(source), str(target), request]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            found: ModelProto = ModelProto.FromString(target.read_bytes())
            return found
    return _reason(done)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Give the message of the child's last exception, or the code with which the child ended."""
    lines = done.stderr.strip().splitlines()
    at = max(
        (at for at, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), default=None
    )
    if at is None:
        return f"onnxsim failed: it ended with code {done.returncode}"
    text = " ".join(" ".join(lines[at:]).split())[:300]
    return text.removeprefix("OverflowError: ") if "growth cap" in text else f"onnxsim failed: {text}"


def main(source: str, target: str, request: str) -> None:
    """Simplify a file; ends with a traceback where no settings give a result that is small enough."""
    import onnx
    import onnxsim  # its import takes most of a second

    wanted = json.loads(request)
    model = onnx.load(source)
    first: Exception | None = None
    for settings in wanted["settings"]:
        try:
            smaller, _ = onnxsim.simplify(model, **settings)
        except Exception as error:  # onnxsim raises plain RuntimeError and whatever its passes raise
            first = first or error
            continue
        if smaller.ByteSize() <= wanted["allowed_bytes"]:
            Path(target).write_bytes(smaller.SerializeToString())
            return
        sizes = f"from {model.ByteSize()} to {smaller.ByteSize()} bytes"
        first = first or OverflowError(f"it would grow {sizes}, more than the growth cap allows")
    raise first or ValueError("no settings were given")


if __name__ == "__main__":
    main(*sys.argv[1:])
