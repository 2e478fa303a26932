"""Runs in Vela's own environment: write the flatbuffer, compile it, simulate frames with LiteRT.

Called as `python -I driver.py REQUEST ANSWER`, both JSON. Standard library, numpy, ethos-u-vela and
ai-edge-litert only.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from typing import Any

import numpy


class Failed(Exception):
    """Something did not work."""


def main(request: str, answer: str) -> None:
    """Do what the request asks for."""
    with open(request, encoding="utf-8") as stream:
        asked = json.load(stream)
    try:
        result = ACTIONS[asked["action"]](asked)
    except (Exception, SystemExit) as error:  # Vela ends the interpreter where it refuses a file
        result = {"failed": f"{type(error).__name__}: {error}"[:400]}
    with open(answer, "w", encoding="utf-8") as stream:
        json.dump(result, stream)
    sys.stdout.flush()
    sys.exit(1 if "failed" in result else 0)


def version(asked: dict[str, Any]) -> dict[str, Any]:
    """Give Vela's version."""
    from importlib.metadata import version as version_of

    import ai_edge_litert.interpreter
    import ethosu.vela.vela

    del asked, ai_edge_litert, ethosu  # imported to see that they can be
    return {"version": version_of("ethos-u-vela")}


def compile_program(asked: dict[str, Any]) -> dict[str, Any]:
    """Write NAME.tflite from the program, and compile it; gives the compiler's files."""
    from ethosu.vela import vela

    source = asked["tflite"]
    with open(source, "wb") as stream:
        stream.write(flatbuffer(asked["program"]))
    os.makedirs(asked["output"], exist_ok=True)
    code = vela.main([source, *asked["arguments"], "--output-dir", asked["output"]])
    if code:
        raise Failed(f"vela gave {code}")
    stem = os.path.splitext(os.path.basename(source))[0]
    found = sorted(os.listdir(asked["output"]))
    binary = f"{stem}_vela.tflite"
    if binary not in found:
        raise Failed(f"vela wrote no {binary}")
    layers = [name for name in found if name.endswith("per-layer.csv")]
    summary = [name for name in found if "_summary_" in name and name.endswith(".csv")]
    return {"binary": binary, "layers": layers, "summary": summary}


def flatbuffer(folder: str) -> bytes:
    """Pack `program.json` and `constants.npz` as TensorFlow Lite's schema has it, version 3."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    with open(os.path.join(folder, "program.json"), encoding="utf-8") as stream:
        program = json.load(stream)
    model = schema.ModelT()
    model.version, model.description = 3, "deploykit"
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.name, graph.inputs, graph.outputs = "main", program["inputs"], program["outputs"]
    with numpy.load(os.path.join(folder, "constants.npz")) as constants:
        graph.tensors = [
            tensor(schema, model, row, constants.get(f"t{index}"))
            for index, row in enumerate(program["tensors"])
        ]
    codes = list(dict.fromkeys(row["code"] for row in program["operators"]))
    model.operatorCodes = [operator_code(schema, code) for code in codes]
    graph.operators = [operator(schema, row, codes) for row in program["operators"]]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(schema: Any, model: Any, row: dict[str, Any], data: Any) -> Any:
    """Make one tensor, with its buffer."""
    made = schema.TensorT()
    made.name, made.shape = row["name"], row["shape"]
    made.type = getattr(schema.TensorType, row["dtype"].upper())
    if row["scales"]:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = numpy.array(row["scales"], numpy.float32)
        made.quantization.zeroPoint = numpy.array(row["zero_points"], numpy.int64)
        made.quantization.quantizedDimension = row["axis"]
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = numpy.frombuffer(numpy.ascontiguousarray(data).tobytes(), numpy.uint8)
        model.buffers.append(buffer)
        made.buffer = len(model.buffers) - 1
    return made


def operator_code(schema: Any, code: str) -> Any:
    """Make an entry of the table of operators."""
    made = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, code)
    made.builtinCode, made.deprecatedBuiltinCode = number, min(number, 127)
    made.version = 1
    return made


def operator(schema: Any, row: dict[str, Any], codes: list[str]) -> Any:
    """Make one operator with its options."""
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = codes.index(row["code"]), row["inputs"], row["outputs"]
    if row["options"]:
        options = getattr(schema, row["options"] + "T")()
        for name, value in row["values"].items():
            if not hasattr(options, name):
                raise Failed(f"{row['options']} has no field {name}")
            setattr(options, name, value)
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, row["options"])
    return made


def simulate(asked: dict[str, Any]) -> dict[str, Any]:
    """Run every frame; writes one archive a frame with real values in ONNX's layout."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        asked["tflite"],
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=bool(asked["inner"]),
        num_threads=1,
    )
    interpreter.allocate_tensors()
    details = {row["name"]: row for row in interpreter.get_tensor_details() if row["name"]}
    os.makedirs(asked["results"], exist_ok=True)
    frames = sorted(name for name in os.listdir(asked["frames"]) if name.endswith(".npz"))
    for frame in frames:
        with numpy.load(os.path.join(asked["frames"], frame)) as values:
            fed = {name: numpy.asarray(values[name]) for name in asked["inputs"]}
        images = [
            run(
                interpreter,
                details,
                asked,
                {name: image_of(value, index, asked) for name, value in fed.items()},
            )
            for index in range(asked["batch"])
        ]
        found = {name: numpy.concatenate([image[name] for image in images]) for name in images[0]}
        write_archive(os.path.join(asked["results"], frame), found if len(images) > 1 else images[0])
    return {"frames": len(frames)}


def image_of(values: Any, index: int, asked: dict[str, Any]) -> Any:
    """Give one image of a batch that is run apart."""
    return values[index : index + 1] if asked["batch"] > 1 else values


def run(
    interpreter: Any, details: dict[str, Any], asked: dict[str, Any], fed: dict[str, Any]
) -> dict[str, Any]:
    """Run once."""
    for name, view in asked["inputs"].items():
        row = details[view["tensor"]]
        interpreter.set_tensor(row["index"], encoded(fed[name], view, row))
    interpreter.invoke()
    found = {}
    for name, view in {**asked["outputs"], **asked["inner"]}.items():
        row = details[view["tensor"]]
        found[name] = decoded(interpreter.get_tensor(row["index"]), view, row)
    return found


def encoded(values: Any, view: dict[str, str], row: dict[str, Any]) -> Any:
    """Give a frame's input as the network takes it."""
    values = numpy.asarray(values)
    if view["layout"] == "nhwc":
        values = values.transpose(0, 2, 3, 1)
    scale, zero = row["quantization"]
    if not scale:
        return values.astype(row["dtype"])
    limits = numpy.iinfo(row["dtype"])
    codes = numpy.rint(values.astype(numpy.float32) / numpy.float32(scale)) + zero
    return numpy.clip(codes, limits.min, limits.max).astype(row["dtype"])


def decoded(values: Any, view: dict[str, str], row: dict[str, Any]) -> Any:
    """Give real values in ONNX's layout."""
    scale, zero = row["quantization"]
    if scale:
        values = (values.astype(numpy.int64) - zero).astype(numpy.float32) * numpy.float32(scale)
    return values.transpose(0, 3, 1, 2) if view["layout"] == "nhwc" else values


def write_archive(path: str, arrays: dict[str, Any]) -> None:
    """Write an `.npz`; unlike numpy.savez it takes any name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, numpy.asarray(value), allow_pickle=False)


ACTIONS = {"version": version, "compile": compile_program, "simulate": simulate}

if __name__ == "__main__":
    main(*sys.argv[1:])
