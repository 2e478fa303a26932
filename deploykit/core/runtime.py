"""The one place that opens onnxruntime sessions: threads, optimisation level, exactness, errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from deploykit.core.errors import input_error

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]  # it ships no types

Array: TypeAlias = NDArray[Any]

SILENT = 4
"""onnxruntime logs only what is fatal; every failure reaches the user as an exception, once."""

LARGE_MODEL_BYTES = 1 << 29
"""From this size of weights on, prepacked copies of them would double the memory."""


def open_session(
    model: Path | bytes, *, exact: bool = True, threads: int = 1, name: str = ""
) -> onnxruntime.InferenceSession:
    """Open a model in onnxruntime on the CPU.

    `exact`: nothing is fused, one thread, fixed order: cutting a network changes no bit of its results.
    Otherwise all optimisations on `threads` threads. External data is looked up beside the file, so such
    models need a path. `name` is what messages call the model (the file's name where it is empty). Raises
    InputError with onnxruntime's own reason.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1 if exact else threads
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # QDQ graphs run on dequantized values: on hosts without VNNI, onnxruntime's own 8-bit kernels saturate in
    # 16-bit sums, which no chip that we mean does, and its mode that avoids this fails on weights with two
    # readers.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    # Packed weights are summed in another order than the same weights read as an input, and take memory
    # twice.
    if exact or (isinstance(model, Path) and _folder_bytes(model) > LARGE_MODEL_BYTES):
        options.add_session_config_entry("session.disable_prepacking", "1")
    source = model if isinstance(model, bytes) else str(model)
    label = name or (model.name if isinstance(model, Path) else "the model")
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class below Exception
        raise input_error(label, f"onnxruntime cannot load it: {reason_of(error)}") from error


def run_session(
    session: onnxruntime.InferenceSession,
    inputs: Mapping[str, Array],
    names: Sequence[str] | None = None,
    *,
    name: str = "",
) -> list[Array]:
    """Run a session once; gives `names` (all outputs where None) in that order. Raises InputError."""
    try:
        return list(session.run(None if names is None else list(names), dict(inputs)))
    except Exception as error:  # as above
        raise input_error(name or "the model", f"onnxruntime cannot run it: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Give the part of an onnxruntime message that people can use: without codes and source lines."""
    text = " ".join(str(error).split())
    for mark in ("Status Message: ", "Non-zero status code returned while "):
        if mark in text:
            text = text[text.index(mark) + len(mark) :]
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    text = re.sub(r"Load model from .*? failed:", "", text)  # the caller names the model
    text = re.sub(r"/onnxruntime_src/\S+:\d+ .*?\)(?: const)?(?: \[[^\]]*\])? (?=[A-Z])", "", text)
    return text[:500]


def _folder_bytes(model: Path) -> int:
    """Give an upper estimate of a model's size: the files beside it count, as they may be its weights."""
    return (
        sum(file.stat().st_size for file in model.parent.iterdir() if file.is_file())
        if model.is_file()
        else 0
    )
