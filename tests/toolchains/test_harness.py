"""One harness over all toolchains: what each has to say without being installed, and the real thing with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import WEIGHT_BITS, Scheme
from deploykit.core.errors import DeploykitError
from deploykit.stages.compile.smoke import smoke_test
from deploykit.toolchains import TOOLCHAINS, load_toolchain
from deploykit.toolchains.environments import environment_of, installed, toolchain_root

ALL = pytest.mark.parametrize("name", TOOLCHAINS)


def segment(op: str, shape: tuple[int | str, ...], domain: str = "") -> Segment:
    """Give a segment of one node."""
    tensors = (TensorInfo("x", "float", shape), TensorInfo("y", "float", shape))
    nodes = (NodeInfo("n", op, domain, ("x",), ("y",), name="the_node"),)
    return Segment("part", (), GraphInfo("g", 17, ("x",), ("y",), tensors, nodes), "npu", "")


def first(name: str) -> tuple[str, Scheme]:
    chip, schemes = next(iter(load_toolchain(name).capabilities().chips.items()))
    return chip, schemes[0]


@ALL
def test_capabilities_name_chips_schemes_and_operators_once(name: str) -> None:
    found = load_toolchain(name).capabilities()
    assert found.chips
    for chip, schemes in found.chips.items():
        assert schemes, chip
        assert set(schemes) <= WEIGHT_BITS.keys()
        assert set(found.per_layer.get(chip, ())) <= WEIGHT_BITS.keys()
    operators = [operator.op for operator in found.operators]
    assert len(operators) == len(set(operators))
    assert found.source


@ALL
def test_a_recipe_is_pinned_and_has_terms(name: str) -> None:
    recipe = load_toolchain(name).recipe
    if recipe is None:
        return
    assert recipe.licence.url.startswith("https://")
    assert recipe.licence.summary
    assert recipe.python
    assert recipe.size_bytes > 10_000_000
    for requirement in (*(item for step in recipe.steps for item in step), *recipe.bare):
        assert requirement.startswith("--") or "==" in requirement or "<" in requirement, requirement


@ALL
def test_a_relu_is_taken(name: str) -> None:
    chip, scheme = first(name)
    assert not load_toolchain(name).check(segment("Relu", (1, 8, 16, 16)), chip=chip, schemes={"n": scheme})


@ALL
def test_what_is_refused_names_the_node_and_what_to_do(name: str) -> None:
    toolchain = load_toolchain(name)
    if not toolchain.capabilities().operators:
        return  # it lists none, and so refuses none before it is started
    chip, scheme = first(name)
    faults = toolchain.check(segment("Conjure", (1, 8, 16, 16), "my.own"), chip=chip, schemes={"n": scheme})
    assert len(faults) == 1
    assert "the_node" in str(faults[0])
    assert "Conjure" in str(faults[0])
    assert faults[0].fix


@ALL
def test_free_sizes_are_refused(name: str) -> None:
    toolchain = load_toolchain(name)
    if name == "reference":
        return
    chip, scheme = first(name)
    faults = toolchain.check(segment("Relu", ("N", 8, 16, 16)), chip=chip, schemes={"n": scheme})
    assert faults
    assert "export.shapes" in " ".join(map(str, faults))


@ALL
def test_an_empty_log_gives_an_empty_report(name: str) -> None:
    report = load_toolchain(name).parse_report("")
    assert (report.layers, report.cycles, report.time_s) == ((), None, None)


@pytest.mark.toolchain
@ALL
def test_the_real_thing_compiles_and_simulates_a_convolution(name: str, tmp_path: Path) -> None:
    toolchain, root = load_toolchain(name), toolchain_root()
    if toolchain.recipe is not None and installed(name, root) is None:
        pytest.skip(f"not installed: deploykit toolchain install {name}")
    try:
        toolchain.version(environment_of(name, root))
    except DeploykitError as error:
        pytest.skip(str(error))
    smoke_test(toolchain, tmp_path, root)  # raises where the results are wrong
