"""Run frames through a bmodel, or through the lowered MLIR; for the toolchain's own Python alone.

    python driver.py REQUEST ANSWER

The request has `model` (a .bmodel, which Sophgo's cmodel of the chip runs, or the lowered .mlir, whose
interpreter computes every tensor), `frames`, `results` (folders of .npz, keys as the compiler names tensors)
and `tensors` ("outputs" or "all"). The vendor's own model_runner starts anew for each frame.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

Frame = dict[str, Any]


def main() -> None:
    """Read the request, run it, and write the answer last."""
    asked, answered = (Path(argument).absolute() for argument in sys.argv[1:3])
    request = json.loads(asked.read_text("utf-8"))
    package = Path(os.environ["TPUC_ROOT"])
    sys.path += [str(package), str(package / "python")]
    model = Path(request["model"])
    outputs, run = _bmodel(model) if model.suffix == ".bmodel" else _lowered(model, request["tensors"])
    results = Path(request["results"])
    results.mkdir(parents=True, exist_ok=True)
    for frame in sorted(Path(request["frames"]).glob("*.npz")):
        with numpy.load(frame) as values:
            found = run({name: values[name] for name in values.files})
        _save(results / frame.name, found)
        print("done", frame.name, flush=True)
    answered.write_text(json.dumps({"outputs": outputs}), "utf-8")
    sys.stdout.flush()
    os._exit(0)  # the cmodel's threads can outlive the interpreter


def _save(file: Path, values: Frame) -> None:
    """Write one frame; `numpy.savez` would take no tensor named "file"."""
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        for name, value in values.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, numpy.ascontiguousarray(value), allow_pickle=False)


def _bmodel(path: Path) -> tuple[list[str], Callable[[Frame], Frame]]:
    from filelock import FileLock
    from tpu_mlir.python.tools import model_runner  # type: ignore[import-not-found]  # the same
    from tpu_mlir.python.utils.lowering import bf16_to_fp32, lowering  # type: ignore[import-not-found]  # same

    chip = model_runner.get_chip_from_model(str(path))
    riscv = model_runner.get_kernel_mode_from_model(str(path)) == "1"
    # which cmodel is loaded hangs on links inside the installation; the vendor's runner switches them under
    # this lock, and so must we
    with FileLock("/tmp/cmodel_so.lock"):
        model_runner.link_cmodel_so(chip, riscv)
        model_runner.link_custom_so(chip)
        model_runner.link_bmlib_so(chip)
        runtime = importlib.import_module("pyruntime_bm")
        model_runner.bind_cmodel_so(chip, riscv)
    model = runtime.Model(str(path), 0, "")
    net = model.Net(model.networks[0])

    def run(frame: Frame) -> Frame:
        for item in net.inputs:
            value = frame[item.name]
            codes = lowering(
                value,
                pdtype=item.dtype,
                pshape=value.shape,
                pzero_point=item.qzero_point,
                pscale=item.qscale,
            )
            item.data.reshape(-1)[: value.size] = codes.reshape(-1)
        net.forward_dynamic([list(frame[item.name].shape) for item in net.inputs])
        return {item.name: _real(item, bf16_to_fp32) for item in net.outputs}

    run.model = model  # type: ignore[attr-defined]  # the net lives no longer than its model
    return [item.name for item in net.outputs], run


def _real(item: Any, from_bfloat16: Callable[[Any], Any]) -> Any:
    if item.dtype in ("i8", "u8") and item.qscale:
        return (item.data.astype(numpy.float32) - item.qzero_point) * numpy.float32(item.qscale)
    if item.dtype == "bf16":
        return from_bfloat16(item.data)
    return item.data.astype(numpy.float32)


def _lowered(path: Path, tensors: str) -> tuple[list[str], Callable[[Frame], Frame]]:
    os.chdir(path.parent)  # the MLIR names its weight file without a folder
    pymlir = importlib.import_module("pymlir")
    pymlir.set_mem_mode("value_mem")  # keep every tensor

    def loaded() -> Any:
        module = pymlir.module()
        module.load(path.name)
        return module

    outputs = list(loaded().output_names)

    def run(frame: Frame) -> Frame:
        module = loaded()  # anew for each frame: with zero points, a second run of one module crashes
        for name in module.input_names:
            module.set_tensor(name, frame[name].astype(numpy.float32), frame[name].shape)
        module.invoke(True)  # integers come out as real numbers
        found = module.get_all_tensor()
        return dict(found) if tensors == "all" else {name: found[name] for name in outputs}

    return outputs, run


if __name__ == "__main__":
    main()
