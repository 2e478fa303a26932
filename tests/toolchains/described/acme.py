"""A made-up vendor's compiler and emulator, as the guide describes it: the binary is the ONNX file."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path


def main(verb: str, *words: str) -> None:
    if verb == "version":
        print("acme tools 7.1.2 (build 5)")
    elif verb == "build":
        build(*words)
    else:
        emulate(Path(words[0]), Path(words[1]), Path(words[2]))


def build(model: str, target: str, *options: str) -> None:
    import onnx

    graph = onnx.load(model).graph
    if any(node.op_type == "Sigmoid" for node in graph.node) and "no_sigmoid" in sys.argv[0]:
        print("ERROR: Sigmoid is not supported")
        return
    frames = sorted(Path(options[options.index("--data") + 1]).iterdir())
    print(f"calibrating with {len(frames)} frames of {len(list(frames[0].iterdir()))} tensors")
    for at, node in enumerate(graph.node):
        if "Linear" not in node.op_type:
            engine = "arm" if node.op_type == "Sigmoid" else "npu"
            print(f"layer {node.name} op={node.op_type} on={engine} cycles={100 * at} ddr=1.5KB")
    print("buffer image at 0x40 size 0x100")
    print("weights 48\ntotal 0.25 ms")
    shutil.copyfile(model, target)


def emulate(binary: Path, inputs: Path, dump: Path) -> None:
    import numpy
    import onnxruntime  # type: ignore[import-untyped]  # it ships no types

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(binary), options)
    fed = {value.name: numpy.load(inputs / f"{value.name}.npy") for value in session.get_inputs()}
    for value, result in zip(session.get_outputs(), session.run(None, fed), strict=True):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", value.name)
        numpy.ascontiguousarray(result.transpose(0, 2, 3, 1)).tofile(dump / f"{name}.raw")


if __name__ == "__main__":
    main(*sys.argv[1:])
