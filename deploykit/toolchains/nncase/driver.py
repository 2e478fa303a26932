"""Compile with nncase, and run its K230 simulator; for the toolchain's own Python alone.

    python driver.py REQUEST ANSWER

"compile" reads `model`, `target`, `calibration` (a folder of .npz), `activations` and `weights` (nncase's
types), `method` and `folder`, and writes `kmodel`. "simulate" runs `kmodel` over `frames` into `results`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy


def main() -> None:
    """Read the request, do it, and write the answer last."""
    asked, answered = (Path(argument).absolute() for argument in sys.argv[1:3])
    request = json.loads(asked.read_text("utf-8"))
    sys.path.insert(0, request["site"])  # nncase looks its simulator up beside itself
    answer = {"compile": _compile, "simulate": _simulate}[request["action"]](request)
    answered.write_text(json.dumps(answer), "utf-8")


def _compile(request: dict[str, Any]) -> dict[str, Any]:
    import nncase  # type: ignore[import-not-found]  # of the toolchain's environment

    options = nncase.CompileOptions()
    options.target = request["target"]
    options.dump_dir = request["folder"]
    options.dump_ir = False  # together with calibration it fails on a file of its own
    options.dump_asm = False
    compiler = nncase.Compiler(options)
    compiler.import_onnx(Path(request["model"]).read_bytes(), nncase.ImportOptions())
    compiler.use_ptq(_quantization(nncase, request, _frames(request["calibration"], request["inputs"])))
    compiler.compile()
    content = compiler.gencode_tobytes()
    Path(request["kmodel"]).write_bytes(content)
    return {"bytes": len(content)}


def _quantization(nncase: Any, request: dict[str, Any], frames: list[list[Any]]) -> Any:
    options = nncase.PTQTensorOptions()
    options.samples_count = len(frames)
    options.calibrate_method = request["method"]
    options.quant_type = request["activations"]
    options.w_quant_type = request["weights"]
    options.set_tensor_data([list(values) for values in zip(*frames, strict=True)])
    return options


def _frames(folder: str, inputs: list[str]) -> list[list[Any]]:
    found = []
    for file in sorted(Path(folder).glob("*.npz")):
        with numpy.load(file) as values:
            found.append([values[name] for name in inputs])
    return found


def _simulate(request: dict[str, Any]) -> dict[str, Any]:
    import nncase

    simulator = nncase.Simulator()
    simulator.load_model(Path(request["kmodel"]).read_bytes())
    results = Path(request["results"])
    results.mkdir(parents=True, exist_ok=True)
    for file in sorted(Path(request["frames"]).glob("*.npz")):
        with numpy.load(file) as values:
            for at, name in enumerate(request["inputs"]):
                value = numpy.ascontiguousarray(values[name])
                simulator.set_input_tensor(at, nncase.RuntimeTensor.from_numpy(value))
        simulator.run()
        _save(results / file.name, [simulator.get_output_tensor(at) for at in range(simulator.outputs_size)])
        print("done", file.name, flush=True)
    return {"outputs": simulator.outputs_size}


def _save(file: Path, outputs: list[Any]) -> None:
    numpy.savez(file, **{f"output{at}": output.to_numpy() for at, output in enumerate(outputs)})


if __name__ == "__main__":
    main()
