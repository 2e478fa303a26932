"""What is wrong with memory options is said all at once: which tensor, how many bytes, and what would help."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.model import StatePair
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import InputError
from deploykit.stages.memory import MemoryParams, plan_memory

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())
CHAIN = f"{HEADER} net (float[16] x) => (float[16] y) {{ a = Exp(x) b = Softmax(a) c = Softmax(b) y = Softmax(c) }}"


def planned(bench: Any, source: str = CHAIN, state: tuple[StatePair, ...] = (), **options: Any) -> MemoryPlan:
    partition = bench.whole(source)
    partition = dataclasses.replace(partition, state=state)
    return plan_memory(partition, OWN_TYPES, profile=bench.profile(), params=MemoryParams(**options))


def faults(bench: Any, source: str = CHAIN, state: tuple[StatePair, ...] = (), **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        planned(bench, source, state, **options)
    return [str(fault) for fault in caught.value.faults]


def test_a_tensor_larger_than_the_arena_names_required_available_and_missing_bytes(bench: Any) -> None:
    said = faults(bench, arena_bytes=60)

    assert said[0] == (
        "net, tensor 'x': it requires 64 bytes, available are 60 (memory.arena_bytes): 4 missing; it is "
        "float[16]: store it in fewer bits, cut the network's input into smaller tiles, or allow a larger arena"
    )
    assert len(said) == 5  # x, a, b, c and y


@pytest.mark.parametrize(("value", "near"), [(48, "32 or 64"), (3, "2 or 4"), (-8, "1 or more")])
def test_an_alignment_must_be_a_power_of_two(bench: Any, value: int, near: str) -> None:
    assert faults(bench, alignment_bytes=value) == [
        f"memory.alignment_bytes: {value} is not a power of two; give {near}"
    ]


def test_an_alignment_of_the_chip_profile_must_be_one_too(bench: Any) -> None:
    chip = bench.profile()
    odd = dataclasses.replace(chip, on_chip=dataclasses.replace(chip.on_chip, alignment_bytes=96))

    with pytest.raises(InputError, match=r"chip chip: on_chip\.alignment_bytes: 96 is not a power of two"):
        plan_memory(bench.whole(CHAIN), OWN_TYPES, profile=odd, params=MemoryParams())


def test_a_state_without_a_partner_is_named(bench: Any) -> None:
    said = faults(bench, state=(StatePair("y", "z"), StatePair("h", "x")))

    assert said == [
        "net, state 'y' -> 'z': it has no partner: the network has no input 'z'; known: x",
        "net, state 'h' -> 'x': it has no partner: the network has no output 'h'; known: y",
    ]


def test_the_two_ends_of_a_state_must_have_the_same_form(bench: Any) -> None:
    source = (
        f"{HEADER} net (float[16] x, float[8] h0) => (float[16] y, float[16] h1) {{ y = Exp(x) h1 = Neg(x) }}"
    )

    assert faults(bench, source, (StatePair("h1", "h0"),)) == [
        "net, state 'h1' -> 'h0': float[16] is written, float[8] is read; both must be of the same type and shape"
    ]


def test_claims_in_a_circle_are_named_with_their_way(bench: Any) -> None:
    said = faults(bench, overwrite={"b": "c", "c": "b"})

    assert said[0].startswith("memory.overwrite.b: the claims go in a circle: b over c over b;")
    assert len(said) == 2


def test_claims_that_would_destroy_something_are_refused(bench: Any) -> None:
    source = f"""{HEADER} net (float[16] x) => (float[16] y, float[1] z) {{
        a = Exp(x) b = Softmax(a) c = Add(a, b) y = Softmax(c) z = ReduceMax<keepdims=1>(c)
    }}"""
    said = faults(bench, source, overwrite={"b": "a", "a": "x", "z": "c", "y": "q", "nobody": "a"})

    assert said == [
        "memory.overwrite.b: 'a' is needed after 'b', by c; leave this claim out, or run the other readers first",
        "memory.overwrite.a: 'x' is an input or output of its segment, which nothing may overwrite; "
        "leave this claim out",
        "memory.overwrite.z: 'z' requires 4 bytes, available in 'c' are 64; both must have the same size: "
        "leave this claim out",
        "memory.overwrite.y: Softmax 'y' writes 'y' and does not read 'q'; it reads c",
        "memory.overwrite.nobody: no operator writes a tensor of this name; known: a, b, c, y, z",
    ]


def test_claims_count_every_name_of_the_bytes(bench: Any) -> None:
    source = f"""{HEADER} net (float[1,16] x) => (float[1,16] y, float[1,16] z, float[1,16] w) {{
        z = Neg(x) a = Exp(x) r = Identity(a) s = Softmax(r) y = Add(a, s) q = Identity(x) w = Softmax(q)
    }}"""

    assert faults(bench, source, overwrite={"s": "r", "w": "q"}) == [
        "memory.overwrite.s: 'a', which has the bytes of 'r', is needed after 's', by y; leave this claim out, or "
        "run the other readers first",
        "memory.overwrite.w: 'q' has the bytes of 'x': 'x' is an input or output of its segment, which nothing may "
        "overwrite; leave this claim out",
    ]


def test_patterns_and_names_that_fit_nothing_are_named(bench: Any) -> None:
    said = faults(
        bench,
        keep=("aa",),
        hold_outputs={"yy": 2, "y": 0},
        history={"h": 3},
        upper_bounds={"a": (4,), "q": (1,)},
    )

    assert said == [
        "memory.keep: no tensor is called 'aa', did you mean 'a'?",
        "memory.hold_outputs.yy: the network has no output that is called so, did you mean 'y'?",
        "memory.hold_outputs.y: 0 frames; give 2 to read one frame while the next is written",
        "memory.history.h: no state has this output; the network has no state; name the output of a pair in "
        "`export.state`",
        "memory.upper_bounds.a: [4] does not fit its shape [16]",
        "memory.upper_bounds.q: no tensor is called so; known: a, b, c, x, y",
    ]


DATA = f"{HEADER} net (float[N,4] x) => (float[N,4] y) {{ a = Exp(x) y = Softmax(a) }}"


def test_data_dependent_sizes_are_an_error_where_the_arena_has_a_limit(bench: Any) -> None:
    said = faults(bench, DATA, arena_bytes=4096)

    assert len(said) == 3
    assert said[1] == (
        "net, tensor 'a': nobody knows how many bytes it requires, available are 4096 (memory.arena_bytes); give "
        "its largest shape in `memory.upper_bounds`, or bind the network's free sizes under `export:`"
    )


def test_a_bound_from_the_user_places_them(bench: Any) -> None:
    plan = planned(bench, DATA, upper_bounds={"x": (8, 4), "a": (8, 4), "y": (8, 4)})

    assert plan.unsized == ()
    assert [arena.size_bytes for arena in plan.arenas] == [128, 256]  # a; x and y


def test_tensors_of_size_0_are_named(bench: Any) -> None:
    plan = planned(bench, f"{HEADER} net (float[0,4] x) => (float[0,4] y) {{ a = Exp(x) y = Softmax(a) }}")

    assert (
        "3 tensors have a size of 0 and need no bytes (x [0, 4], a [0, 4], y [0, 4]): each has 64 bytes "
        "nonetheless; if a free dimension was bound to 0, bind it to what the network sees"
    ) in plan.notices
