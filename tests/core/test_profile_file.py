"""Chip profiles: the shipped ones, and what a faulty one is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import onnx
import pytest

from deploykit.core.chip_classes import CHIP_CLASSES
from deploykit.core.codec import decode, encode
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, Quantity, load_profile, profile_names
from deploykit.core.profile_facts import Status, VendorFigure

PROFILE = """\
name: mine
title: My chip
fallback: cpu
engines:
  - name: npu
    kind: npu
    count: 2
    operators: [few]
    peak_ops_per_s:
      w8a8: {value: 2.0e12, source: manual}
  - name: cpu
    kind: cpu
    count: 1
    operators: ["*"]
    peak_ops_per_s:
      float32: {value: 1.0e11, source: manual, status: derived}
dram:
  bandwidth_bytes_per_s: {value: 20.0e9, source: manual}
operator_sets:
  few: {source: manual, operators: [Conv, Relu]}
sources:
  manual: the manual
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_profile(str(written(folder, text)))
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


@pytest.mark.parametrize("name", [*profile_names(), "template"])
def test_shipped_profiles_are_valid(name: str) -> None:
    profile, path = load_profile(name)
    assert (profile.name, profile.file) == (name, path.name)
    assert decode(ChipProfile, encode(profile), name) == profile
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""} | {"*"}
    for engine in profile.engines:
        assert {*engine.operators, *engine.fuses} <= known
    for source, status in facts_of(profile):
        assert source
        assert status in get_args(Status)
    assert profile.chip_class in CHIP_CLASSES or name == "hailo-8"  # a roofline does not describe dataflow
    for engine in profile.engines:
        assert not engine.fuses or f"engines.{engine.name}.fuses" in profile.recalled or name == "template"


def facts_of(profile: ChipProfile) -> Iterator[tuple[str, str]]:
    """Give (source, status) of every number that is not blank, and of everything else that has a source."""
    dram, on_chip = profile.dram, profile.on_chip
    numbers = [dram.bandwidth_bytes_per_s, dram.nominal_bytes_per_s, dram.size_bytes, on_chip.size_bytes]
    for engine in profile.engines:
        numbers += [*engine.peak_ops_per_s.values(), engine.node_overhead_s, *engine.energy_per_op_j.values()]
        yield from ((offer.source, offer.status) for offer in engine.schemes)
    yield from ((number.source, number.status) for number in numbers if number.value is not None)
    yield from ((figure.source, figure.status) for figure in profile.vendor_figures)
    yield from ((other.source, other.status) for other in profile.other_engines)
    yield from ((mode.source, mode.status) for mode in profile.power)
    yield from ((price.source, price.status) for price in profile.prices)


def test_there_are_enough_profiles_and_enough_of_them_need_no_blank() -> None:
    profiles = [load_profile(name)[0] for name in profile_names()]
    assert len(profiles) >= 20
    assert sum(not profile.missing for profile in profiles) >= 8
    assert load_profile("template")[0].missing == (
        "engines.npu.peak_ops_per_s",
        "dram.bandwidth_bytes_per_s",
    )


def test_what_a_vendor_sums_up_is_no_peak_of_an_engine() -> None:
    """AGX Orin: 275 is 171 of the GPU and 105 of two DLAs, sparse; dense is half, of one engine."""
    agx, _ = load_profile("orin-agx")
    peaks = {engine.name: engine.peak_ops_per_s["w8a8"].value for engine in agx.engines}
    figures = {figure.ops_per_s: figure for figure in agx.vendor_figures}
    assert (figures[275e12].sums, figures[275e12].sparsity) == (("gpu", "2 x dla"), "2:4 sparse")
    assert peaks["gpu"] == figures[171e12].ops_per_s / 2
    assert peaks["dla"] == figures[105e12].ops_per_s / 2 / 2
    assert {other.name for other in agx.other_engines} >= {"pva", "isp"}


@pytest.mark.parametrize(
    ("chip", "scheme", "at"), [("rk3576", "w4a16", "float16"), ("qcs8550", "w4a16", "w8a16")]
)
def test_weight_only_schemes_have_a_peak(chip: str, scheme: str, at: str) -> None:
    main = load_profile(chip)[0].engines[0]
    assert main.peak_of(scheme) == main.peak_ops_per_s[at]
    assert main.peak_of(scheme).value


def test_the_default_chip() -> None:
    profile, _ = load_profile("rk3588")
    npu = profile.engines[0]
    assert (npu.name, npu.count, npu.peak_ops_per_s["w8a8"].value) == (
        "npu",
        3,
        2 * 1024 * 1e9,
    )  # MACs, 1 GHz
    assert profile.engine_for("Conv").name == "npu"
    assert {profile.engine_for(op).name for op in ("GridSample", "ScatterND", "NonZero", "Loop")} == {"cpu"}
    assert "template" not in profile_names()


@pytest.mark.parametrize(
    ("interface", "bytes_per_s"),
    [
        (
            "{transfers_per_s: 2.666e9, bus_bytes: 8, channels: 6, source: manual}",
            127.968e9,
        ),  # DDR4-2666: "128"
        ("{transfers_per_s: 14.0e9, bus_bytes: 48, source: manual}", 672e9),  # GDDR6 at 14 Gbps, 384 bits
    ],
)
def test_bandwidth_may_be_given_as_rate_times_bus_times_channels(
    tmp_path: Path, interface: str, bytes_per_s: float
) -> None:
    text = PROFILE.replace(
        "  bandwidth_bytes_per_s: {value: 20.0e9, source: manual}", f"  interface: {interface}"
    )
    profile, _ = load_profile(str(written(tmp_path, text)))
    assert profile.dram.bandwidth_bytes_per_s.value == pytest.approx(bytes_per_s)
    assert profile.dram.bandwidth_bytes_per_s.status == "derived"


def test_a_measured_bandwidth_goes_before_the_interface(tmp_path: Path) -> None:
    interface = "  interface: {transfers_per_s: 4.0e9, bus_bytes: 8, source: manual}\noperator_sets:"
    profile, _ = load_profile(str(written(tmp_path, PROFILE.replace("operator_sets:", interface))))
    assert profile.dram.bandwidth_bytes_per_s == Quantity(20e9, "the manual")
    assert profile.dram.nominal_bytes_per_s.value == 32e9


def test_every_fault_comes_at_once_with_its_place(tmp_path: Path) -> None:
    text = (
        PROFILE.replace("20.0e9", "20")  # GB where bytes are meant
        .replace("2.0e12, source: manual", "-6.0e12, source: manul")
        .replace("fallback: cpu", "fallback: cpuu")
        .replace("operators: [few]", "operators: [fewer]")
        .replace("{value: 1.0e11, source: manual, status: derived}", "{value: 1.0e11}")
        .replace("count: 2", "count: 0")
    )
    assert faults(tmp_path, text) == [
        "mine.yaml:3:1: fallback: no engine 'cpuu', did you mean 'cpu'?",
        "mine.yaml:7:5: engines.0.count: a count is at least 1, not 0",
        "mine.yaml:8:17: engines.0.operators.0: no operator set 'fewer', did you mean 'few'?",
        "mine.yaml:10:30: engines.0.peak_ops_per_s.w8a8.source: no source 'manul', did you mean 'manual'?",
        "mine.yaml:10:14: engines.0.peak_ops_per_s.w8a8.value: must be more than zero, not -6e+12;"
        " leave it blank if unknown",
        "mine.yaml:16:7: engines.1.peak_ops_per_s.float32: a number or list without a source;"
        " add `source: KEY` and that key under `sources`",
        "mine.yaml:18:27: dram.bandwidth_bytes_per_s.value: 20 is impossible; such chips have 1e+08 to 4e+12;"
        " the unit is in the key: bandwidth_bytes_per_s",
    ]


def test_faults_of_form_do_not_hide_those_of_the_numbers(tmp_path: Path) -> None:
    text = (
        PROFILE.replace("fallback: cpu", "fallbck: cpu\nfallback: cpu")
        .replace("{value: 2.0e12, source: manual}", "{value: -2.0e12, source: manual, unit: TOPS}")
        .replace("kind: npu", "kind: tpu")
        .replace("20.0e9", "20")
    )
    assert lines_of(faults(tmp_path, text)) == [3, 7, 11]  # an engine without its kind is nothing
    said = faults(tmp_path, text.replace("kind: tpu", "kind: npu"))
    assert lines_of(said) == [3, 11, 11, 19]
    assert any(
        fault.startswith("mine.yaml:3:1: fallbck: unknown key, did you mean 'fallback'?") for fault in said
    )


def lines_of(said: list[str]) -> list[int]:
    return sorted(int(fault.split(":")[1]) for fault in said)


def test_the_template_is_filled_in_by_its_own_examples(tmp_path: Path) -> None:
    template = load_profile("template")[1].read_text()
    lines = (
        line.replace("# ", "", 1) if line.startswith(OPTIONAL) else line for line in template.splitlines()
    )
    text = "\n".join(lines).replace("name: template", "name: mine", 1).replace("schemes: []", "schemes:")
    text = text.replace("    #  - {scheme", "      - {scheme").replace("  # interface:", "  interface:")
    profile, _ = load_profile(str(written(tmp_path, text)))
    assert profile.missing == ("engines.npu.peak_ops_per_s",)
    assert profile.dram.bandwidth_bytes_per_s.value == pytest.approx(34.128e9)
    assert (len(profile.vendor_figures), len(profile.prices)) == (1, 1)
    assert [offer.scheme for offer in profile.engines[0].offers] == ["w8a8", "float16", "w4a16"]


OPTIONAL = ("# vendor_figures", "# other_engines", "# power", "# prices", "#   -")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title:", "titel:", "mine.yaml:2:1: titel: unknown key, did you mean 'title'?"),
        ("kind: npu", "kind: tpu", "engines.0.kind: 'tpu' is not allowed"),
        ("w8a8:", "w8a9:", "w8a9"),
        ("value: 20.0e9", "value: 20 GB", "dram.bandwidth_bytes_per_s.value"),
        ("value: 20.0e9", "value: .nan", "nan is impossible"),
        ("value: 2.0e12", "value: 2.0e18", "2e+18 is impossible"),
        ("name: mine", "name: yours", "'yours' is not the file's name; use 'mine'"),
        ("- name: cpu", "- name: npu", "'npu' stands twice"),
        (
            "sources:",
            "on_chip: {size_bytes: {value: }, alignment_bytes: 48}\nsources:",
            "a power of two, not 48",
        ),
    ],
)
def test_single_faults(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert any(said in fault for fault in faults(tmp_path, PROFILE.replace(old, new, 1)))


def test_a_profile_beside_the_pipeline_goes_first(tmp_path: Path) -> None:
    own = written(tmp_path, PROFILE.replace("name: mine", "name: rk3588"), "rk3588")
    assert load_profile("rk3588", beside=tmp_path)[1] == own
    (tmp_path / "hw_profiles").mkdir()
    written(tmp_path / "hw_profiles", PROFILE)
    assert load_profile("mine", beside=tmp_path)[0].title == "My chip"
    assert "mine" in profile_names(beside=tmp_path)
    assert load_profile("hw_profiles/mine.yaml", beside=tmp_path)[0].title == "My chip"


def test_operator_lists_may_lie_beside_the_profile_or_be_shipped(tmp_path: Path) -> None:
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators" / "ours.yaml").write_text("source: our manual\noperators: [Conv, Gemm]\n")
    text = PROFILE.replace("operators: [few]", "operators: [few, ours, tidl]")
    npu = load_profile(str(written(tmp_path, text)))[0].engines[0]
    assert {"Relu", "Gemm", "DepthToSpace"} <= set(npu.operators)


def test_an_unknown_chip_is_told_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"no profile for 'rk358', did you mean 'rk3588'\?; known: a100-40gb, a6000"
    ):
        load_profile("rk358")
    with pytest.raises(InputError, match=r"nowhere.yaml: no such file"):
        load_profile("nowhere.yaml")


SCHEMES = """\
      w8a8: {value: 2.0e12, source: manual}
    schemes:
      - {scheme: w4a16, computes_as: w8a8, weights: [channel, 32], source: manual}
"""


def test_a_scheme_of_packed_weights_computes_at_the_peak_that_it_names(tmp_path: Path) -> None:
    text = PROFILE.replace("      w8a8: {value: 2.0e12, source: manual}\n", SCHEMES)
    npu = load_profile(str(written(tmp_path, text)))[0].engines[0]
    assert [(offer.scheme, offer.weights) for offer in npu.offers] == [
        ("w8a8", ()),
        ("w4a16", ("channel", 32)),
    ]
    assert npu.peak_of("w4a16") == npu.peak_of("w8a8") == Quantity(2e12, "the manual")
    assert npu.peak_of("float16").value is None


FACTS = """\
chip_class: camera
vendor_figures:
  - {ops_per_s: 8.0e12, arithmetic: int8, sums: [2 x npu], sparsity: 2:4 sparse, source: manual}
other_engines:
  - {name: isp, what: image signal processing, source: manual}
power:
  - {mode: all on, power_w: 4.5, source: manual, status: measured}
prices:
  - {item: board, quantity: 100, unit_price: 39.0, currency: USD, source: manual}
"""


def test_what_the_vendor_says_is_kept_beside_what_predictions_use(tmp_path: Path) -> None:
    profile, _ = load_profile(str(written(tmp_path, PROFILE + FACTS)))
    assert profile.vendor_figures == (
        VendorFigure(8e12, "int8", ("2 x npu",), "2:4 sparse", "the manual", "read"),
    )
    assert profile.other_engines[0].name == "isp"
    assert (profile.power[0].power_w, profile.prices[0].quantity) == (4.5, 100)
    assert profile.engines[0].peak_ops_per_s["w8a8"].value == 2e12


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chip_class: camera", "chip_class: camra", "no class 'camra', did you mean 'camera'?"),
        ("power_w: 4.5", "power_w: -4.5", "power.0.power_w: must be more than zero, not -4.5"),
        ("power_w: 4.5", "power_w: 450000", "power.0.power_w: 450000 is impossible"),
        ("ops_per_s: 8.0e12", "ops_per_s: 8.0", "vendor_figures.0.ops_per_s: 8 is impossible"),
        ("unit_price: 39.0", "unit_price: 0", "prices.0.unit_price: must be more than zero"),
        (
            "chip_class: camera",
            "recalled: [engines.npu.fuse]",
            "'engines.npu.fuse' is no key without a source",
        ),
        ("currency: USD, source: manual", "currency: USD, source: shop", "prices.0.source: no source 'shop'"),
        ("sparsity: 2:4 sparse", "sparsity: sparse", "vendor_figures.0.sparsity: 'sparse' is not allowed"),
        ("2.0e12", "2.0e9", "2e+09 is impossible; such chips have 5e+11 to 1e+13"),
        ("20.0e9", "30.0e12", "3e+13 is impossible; such chips have 3.2e+09 to 1.71e+10"),
        (
            "{value: 20.0e9, source: manual}",
            "{value: }\n  interface: {bus_bytes: 4, source: manual}",
            "a rate",
        ),
    ],
)
def test_faults_of_facts_name_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (PROFILE + FACTS).replace(old, new, 1)
    (fault,) = faults(tmp_path, text)
    assert said in fault
    assert fault.startswith("mine.yaml:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("scheme: w4a16", "scheme: w3a16", "'w3a16' is not allowed"),
        ("computes_as: w8a8", "computes_as: w8a16", "no peak 'w8a16', did you mean 'w8a8'?"),
        ("[channel, 32]", "[channel, 1]", "a block has at least 2 values, not 1"),
        (", source: manual}\n", "}\n", "a number or list without a source"),
    ],
)
def test_faults_of_schemes_name_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    line = SCHEMES.splitlines(keepends=True)[2]
    text = PROFILE.replace("      w8a8: {value: 2.0e12, source: manual}\n", SCHEMES)
    (fault,) = faults(tmp_path, text.replace(line, line.replace(old, new)))
    assert said in fault
    assert "engines.0.schemes.0" in fault


def test_memory_without_a_rate_bounds_the_bandwidth(tmp_path: Path) -> None:
    """32 bits of LPDDR4X: 3.2 to 4.267 GT/s x 4 bytes; networks see 0.88 of the slow end at least."""
    text = PROFILE.replace(
        "bandwidth_bytes_per_s: {value: 20.0e9, source: manual}",
        "interface: {bus_bytes: 2, channels: 2, memory: lpddr4x, source: manual}",
    )
    dram = load_profile(str(written(tmp_path, text)))[0].dram
    assert dram.bandwidth_bytes_per_s.value is None
    assert dram.bounds is not None
    assert (dram.bounds.low, dram.bounds.high) == pytest.approx((11.264e9, 17.068e9))
