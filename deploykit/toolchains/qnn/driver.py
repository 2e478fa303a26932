"""Runs in the environment of onnxruntime-qnn: compile a network for an HTP, emulate frames.

Called as `python -I driver.py REQUEST ANSWER`, both JSON. Standard library, numpy, onnxruntime and its QNN
execution provider only.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from typing import Any

import numpy

PROVIDER = "QNNExecutionProvider"


class Failed(Exception):
    """Something did not work."""


def main(request: str, answer: str) -> None:
    """Do what the request asks for."""
    with open(request, encoding="utf-8") as stream:
        asked = json.load(stream)
    try:
        result = ACTIONS[asked["action"]](asked)
    except Exception as error:  # onnxruntime has an exception class for each of its codes
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        result = {"failed": lines[-1].strip()[:400]}
    with open(answer, "w", encoding="utf-8") as stream:
        json.dump(result, stream)
    sys.stdout.flush()
    os._exit(1 if "failed" in result else 0)  # the vendor's libraries have clean-up of their own


def version(asked: dict[str, Any]) -> dict[str, Any]:
    """Give the provider's version."""
    from importlib.metadata import version as version_of

    import onnxruntime  # type: ignore[import-untyped]  # it ships no types
    import onnxruntime_qnn

    del asked, onnxruntime, onnxruntime_qnn  # imported to see that they can be
    return {"version": version_of("onnxruntime-qnn")}


def session(asked: dict[str, Any], context: str = "") -> Any:
    """Open a model on the emulated HTP; `context` is where the compiled one is written."""
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    if not devices:
        raise Failed("onnxruntime finds no device of the QNN execution provider")
    options = onnxruntime.SessionOptions()
    if context:
        if os.path.exists(context):
            os.remove(context)  # onnxruntime fails where one is there already
        options.add_session_config_entry("ep.context_enable", "1")
        options.add_session_config_entry("ep.context_file_path", context)
        options.add_session_config_entry("ep.context_embed_mode", "1")
    provided = {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        "htp_arch": asked["arch"],
        **asked["options"],
    }
    options.add_provider_for_devices(devices[:1], provided)
    return onnxruntime.InferenceSession(asked["model"], options)


def compile_network(asked: dict[str, Any]) -> dict[str, Any]:
    """Compile, and write the context binary inside an ONNX file."""
    session(asked, asked["context"])
    if not os.path.exists(asked["context"]):
        raise Failed("nothing was compiled: no node is for the HTP")
    return {"context": asked["context"]}


def simulate(asked: dict[str, Any]) -> dict[str, Any]:
    """Run every frame; writes one archive a frame."""
    opened = session(asked)
    names = [value.name for value in opened.get_outputs()]
    wanted = [value.name for value in opened.get_inputs()]
    os.makedirs(asked["results"], exist_ok=True)
    frames = sorted(name for name in os.listdir(asked["frames"]) if name.endswith(".npz"))
    for frame in frames:
        with numpy.load(os.path.join(asked["frames"], frame)) as values:
            found = opened.run(names, {name: values[name] for name in wanted})
        write_archive(os.path.join(asked["results"], frame), dict(zip(names, found, strict=True)))
    return {"frames": len(frames)}


def write_archive(path: str, arrays: dict[str, Any]) -> None:
    """Write an `.npz`; unlike numpy.savez it takes any name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, numpy.asarray(value), allow_pickle=False)


ACTIONS = {"version": version, "compile": compile_network, "simulate": simulate}

if __name__ == "__main__":
    main(*sys.argv[1:])
