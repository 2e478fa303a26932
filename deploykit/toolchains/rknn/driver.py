"""Runs in RKNN-Toolkit2's own environment: build a network, export it, simulate frames.

Called as `python -I driver.py REQUEST ANSWER`, both JSON. Standard library, numpy and rknn only.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy

MEASURED = re.compile(r"^\[[^\]]*\] (.+?)\s+[\d.a-z]+ \|", re.MULTILINE)
"""A row of the toolkit's error table with figures; fused operators have a row without."""


class Failed(Exception):
    """A call of the toolkit did not work."""


def main(request: str, answer: str) -> None:
    """Do what the request asks for."""
    with open(request, encoding="utf-8") as stream:
        asked = json.load(stream)
    # the compiler prints its tables from native code: by lines, so that Python's lines do not cut into them
    native = ctypes.CDLL(None)
    native.setvbuf(ctypes.c_void_p.in_dll(native, "stdout"), None, 1, 0)
    try:
        result: dict[str, Any] = ACTIONS[asked["action"]](asked)
    except (Exception, SystemExit) as error:  # the toolkit raises ValueErrors that hold whole tracebacks
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        result = {"failed": lines[-1].strip()[:300]}
    native.fflush(None)
    with open(answer, "w", encoding="utf-8") as stream:
        json.dump(result, stream)
    sys.stdout.flush()
    os._exit(1 if "failed" in result else 0)  # the toolkit's own clean-up has been seen to crash


def version(asked: dict[str, Any]) -> dict[str, Any]:
    """Give the toolkit's version."""
    from importlib.metadata import version as version_of

    import rknn.api

    del asked, rknn  # imported to see that it can be
    return {"version": version_of("rknn-toolkit2")}


def first_step(asked: dict[str, Any]) -> dict[str, Any]:
    """Calibrate, and write the files of hybrid quantization into the current folder."""
    rknn = loaded(asked)
    good(rknn.hybrid_quantization_step1(dataset=dataset(asked)), "hybrid_quantization_step1")
    return {}


def build(asked: dict[str, Any]) -> dict[str, Any]:
    """Build and export; with frames, simulate them in the same session, which is the only one that can."""
    rknn = built(asked)
    if asked.get("export"):
        good(rknn.export_rknn(asked["export"]), "export_rknn")
    result = {"inputs": asked["inputs"], "outputs": asked["outputs"]}
    if asked.get("frames"):
        result["names"] = simulate(rknn, asked)
    return result


def built(asked: dict[str, Any]) -> Any:
    """Give a network that was built, from the files of the first step where there are some."""
    from rknn.api import RKNN

    if asked.get("step1"):
        rknn = RKNN(verbose=True)
        step1 = asked["step1"]
        ret = rknn.hybrid_quantization_step2(step1["model"], step1["data"], step1["config"])
        good(ret, "hybrid_quantization_step2")
        return rknn
    rknn = loaded(asked)
    quantized = asked["dtype"] is not None
    data = dataset(asked) if quantized else None
    good(rknn.build(do_quantization=quantized, dataset=data, auto_hybrid=bool(asked["auto_hybrid"])), "build")
    return rknn


def loaded(asked: dict[str, Any]) -> Any:
    """Give a network that was configured and loaded."""
    from rknn.api import RKNN

    options = {"target_platform": asked["platform"], **asked["config"]}
    if asked["dtype"] is not None:
        options["quantized_dtype"] = asked["dtype"]
    if asked["auto_hybrid"]:
        options["auto_hybrid_cos_thresh"] = asked["auto_hybrid"]
    rknn = RKNN(verbose=True)
    good(rknn.config(**options), "config")
    good(rknn.load_onnx(asked["model"]), "load_onnx")
    return rknn


def good(code: object, call: str) -> None:
    """Raise where a call gave another code than 0; some raise by themselves, some only give one."""
    if code != 0:
        raise Failed(call + " gave " + repr(code))


def dataset(asked: dict[str, Any]) -> str:
    """Write the calibration frames as the toolkit wants them; gives the list's file.

    Paths are relative: the list is separated by blanks, which the user's folders may hold.
    """
    os.makedirs("calibration", exist_ok=True)
    lines = []
    for frame in frame_files(asked["calibration"]):
        names = []
        with numpy.load(os.path.join(asked["calibration"], frame)) as values:
            for index, name in enumerate(asked["inputs"]):
                names.append(f"calibration/{frame[:-4]}_{index}.npy")
                numpy.save(names[-1], values[name])
        lines.append(" ".join(names))
    with open("dataset.txt", "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return "dataset.txt"


def frame_files(folder: str) -> list[str]:
    """Give a folder's frames in order."""
    return sorted(name for name in os.listdir(folder) if name.endswith(".npz"))


def simulate(rknn: Any, asked: dict[str, Any]) -> dict[str, bool]:
    """Write one archive a frame, with the outputs and, if asked, the layers; gives the toolkit's names."""
    good(rknn.init_runtime(), "init_runtime")
    os.makedirs(asked["results"], exist_ok=True)
    names: dict[str, bool] = {}
    for frame in frame_files(asked["frames"]):
        with numpy.load(os.path.join(asked["frames"], frame)) as values:
            fed = [values[name] for name in asked["inputs"]]
        forms = ["nchw" if value.ndim == 4 else "nhwc" for value in fed]
        results = rknn.inference(fed, data_format=forms)
        if results is None or len(results) != len(asked["outputs"]):
            raise Failed("inference gave no results")
        found = dict(zip(asked["outputs"], results, strict=True))
        golden: dict[str, Any] = {}
        if asked["layers"]:
            names = analysed(rknn, fed, found, golden)
        write_archive(os.path.join(asked["results"], frame), found)
        if golden:
            os.makedirs(asked["golden"], exist_ok=True)
            write_archive(os.path.join(asked["golden"], frame), golden)
    return names


def analysed(rknn: Any, fed: list[Any], found: dict[str, Any], golden: dict[str, Any]) -> dict[str, bool]:
    """Add what the toolkit's own analysis dumps; gives {its name: whether it measured that layer}."""
    shutil.rmtree("snapshot", ignore_errors=True)
    files = []
    for index, value in enumerate(fed):
        files.append(f"analysed_{index}.npy")
        numpy.save(files[-1], value)
    good(rknn.accuracy_analysis(inputs=files, output_dir="snapshot"), "accuracy_analysis")
    with open("snapshot/error_analysis.txt", encoding="utf-8") as stream:
        measured = set(MEASURED.findall(stream.read()))
    names = {}
    with open("snapshot/map_name_to_file.txt", encoding="utf-8") as stream:
        rows = stream.read().splitlines()[2:]
    for row in rows:
        if not row.strip():
            continue
        name, file = row.rsplit(None, 1)
        name = name.strip()
        names[name] = name in measured
        array = file[:-4] + ".npy"
        if name not in found:
            found[name] = numpy.load("snapshot/simulator/npy/" + array)
        golden[name] = numpy.load("snapshot/golden/npy/" + array)
    shutil.rmtree("snapshot")
    return names


def write_archive(path: str, arrays: Mapping[str, Any]) -> None:
    """Write an `.npz`; unlike numpy.savez it takes any name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, numpy.asarray(value), allow_pickle=False)


ACTIONS = {"version": version, "step1": first_step, "build": build}

if __name__ == "__main__":
    main(*sys.argv[1:])
