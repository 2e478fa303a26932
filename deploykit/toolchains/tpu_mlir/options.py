"""What a user can ask of tpu-mlir beside the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

ALLOWED: dict[str, tuple[str, ...]] = {
    "ranges": ("plan", "own"),
    "modes": ("plan", "search", "F32", "F16", "BF16", "INT8", "W8F16", "W8BF16", "W4F16", "W4BF16"),
    "asymmetric": ("auto", "true", "false"),
    "check": ("none", "outputs", "layers"),
    "simulator": ("interpreter", "cmodel"),
    "method": ("kl", "mse", "max", "percentile9999"),
}


@dataclass(frozen=True)
class Options:
    """`ranges`: from our quantized network, or tpu-mlir's own calibration. `modes`: our plan's for each
    layer, those that `search_qtable` finds (at most `float_layers` in float), or one for all. `asymmetric`:
    activations have zero points, as ours have; auto: where the chip knows them. `expected_cos` and `method`
    are for search and calibration, `group_size` for weight-only modes. `check` compares the bmodel with the
    lowered network: nothing, its outputs, or every operation. `simulator`: the lowered network's interpreter,
    or the chip's cmodel, which takes a minute where the interpreter takes a second."""

    ranges: str = "plan"
    modes: str = "plan"
    asymmetric: str = "auto"
    expected_cos: str = "0.9999"
    float_layers: str = "5"
    method: str = "kl"
    group_size: str = "64"
    check: str = "outputs"
    simulator: str = "interpreter"


def read_options(given: Mapping[str, str]) -> Options:
    """Read a job's options. Raises InputError with every unknown name and value."""
    known = [field.name for field in fields(Options)]
    faults = [
        Fault(f"compile.options.{name}", f"tpu-mlir has no such option{did_you_mean(name, known)}")
        for name in given
        if name not in known
    ]
    faults += [
        Fault(f"compile.options.{name}", f"{value!r} is not possible", f"one of {', '.join(ALLOWED[name])}")
        for name, value in given.items()
        if name in ALLOWED and value not in ALLOWED[name]
    ]
    faults += list(_numbers(given))
    if faults:
        raise InputError(*faults)
    return Options(**{name: given[name] for name in known if name in given})


def _numbers(given: Mapping[str, str]) -> list[Fault]:
    faults = []
    if not _within(given.get("expected_cos", "0.9"), 0.0, 1.0):
        faults.append(
            Fault("compile.options.expected_cos", f"{given['expected_cos']!r} is no cosine", "0 to 1")
        )
    for name, example in (("group_size", "64"), ("float_layers", "5")):
        value = given.get(name, example)
        if not (value.isdecimal() and int(value) > 0):
            faults.append(Fault(f"compile.options.{name}", f"{value!r} is no count", f"such as {example}"))
    return faults


def _within(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False
