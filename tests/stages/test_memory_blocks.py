"""Several networks on one chip: what they share lies once, both sides see the same bytes, nobody is overrun."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.memory_blocks import MemoryBlock, MemoryBlocks
from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import PrecisionPlan, TensorPrecision
from deploykit.artifacts.schedule import Schedule, ScheduledRun
from deploykit.core.bounds import SolveBound
from deploykit.core.errors import InputError
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory
from deploykit.stages.memory_blocks import (
    MemoryBlocksParams,
    NetworkMemory,
    SharedFeature,
    network_memory,
    plan_blocks,
)
from deploykit.stages.memory_blocks.files import c_header, json_table

HEADER = '<ir_version: 8, opset_import: ["": 17]>'


def profile_of(bench: Any, on_chip_bytes: float | None = None) -> Any:
    chip = bench.profile()
    memory = dataclasses.replace(chip.on_chip, size_bytes=Quantity(on_chip_bytes), alignment_bytes=64)
    return dataclasses.replace(chip, on_chip=memory)


def network(
    bench: Any,
    name: str,
    source: str,
    codes: dict[str, tuple[float, int]] | None = None,
    state: tuple[StatePair, ...] = (),
    on_chip_bytes: float | None = None,
) -> NetworkMemory:
    """A network of one segment; `codes` are tensors stored as int8, with scale and zero point."""
    whole: Partition = bench.whole(f"{HEADER} {source}", state=state)
    partition = dataclasses.replace(whole, network=name)
    types = tuple(TensorPrecision(tensor, "int8") for tensor in codes or {})
    precision = PrecisionPlan(name, (), types)
    plan = plan_memory(partition, precision, profile=profile_of(bench, on_chip_bytes), params=MemoryParams())
    encodings = {
        tensor: Encoding(tensor, "activation", "int8", (scale,), (zero,))
        for tensor, (scale, zero) in (codes or {}).items()
    }
    return network_memory(partition, precision, plan, encodings)


def backbone(bench: Any, scale: float = 0.5, batch: int = 1) -> NetworkMemory:
    source = f"net (float[{batch},16,4,4] x) => (float[{batch},16,4,4] f) {{ a = Exp(x) f = Relu(a) }}"
    return network(bench, "backbone", source, {"f": (scale, 3)})


def head(bench: Any, name: str = "head", scale: float = 0.5, shape: str = "1,16,4,4") -> NetworkMemory:
    source = f"net (float[{shape}] g) => (float[{shape}] y) {{ b = Exp(g) y = Softmax(b) }}"
    return network(bench, name, source, {"g": (scale, 3)})


def shared(**options: Any) -> MemoryBlocksParams:
    readers = options.pop("readers", ("head.g",))
    feature = SharedFeature(readers=readers, writer=options.pop("writer", "backbone.f"), **options)
    return MemoryBlocksParams(shared={"features": feature})


def blocks(
    bench: Any, networks: list[NetworkMemory], params: MemoryBlocksParams, schedule: Schedule | None = None
) -> MemoryBlocks:
    return plan_blocks(networks, schedule, profile=profile_of(bench), params=params)


def block(table: MemoryBlocks, name: str) -> MemoryBlock:
    return next(item for item in table.blocks if item.name == name)


def faults(bench: Any, networks: list[NetworkMemory], params: MemoryBlocksParams) -> list[str]:
    with pytest.raises(InputError) as caught:
        blocks(bench, networks, params)
    return [str(fault) for fault in caught.value.faults]


def test_a_feature_of_two_readers_lies_once_in_two_copies(bench: Any) -> None:
    # f is 1 x 16 x 4 x 4 int8: 256 bytes. Without sharing, it would lie in three networks' frames.
    networks = [backbone(bench), head(bench), head(bench, "lanes")]
    table = blocks(bench, networks, shared(readers=("head.g", "lanes.g")))

    feature = block(table, "features")
    assert (feature.kind, feature.stride_bytes, feature.copies, feature.size_bytes) == (
        "feature",
        256,
        2,
        512,
    )
    assert [(user.name, user.role) for user in feature.users] == [
        ("backbone.whole", "writes"),
        ("head.whole", "reads"),
        ("lanes.whole", "reads"),
    ]
    assert [tensor.form.tensor for tensor in feature.tensors] == ["backbone.f", "head.g", "lanes.g"]
    frames = [item for item in table.blocks if item.kind == "frame"]
    assert [tensor.form.tensor for item in frames for tensor in item.tensors] == [
        "backbone.x",
        "head.y",
        "lanes.y",
    ]
    assert table.copies_from == "default"


def test_sides_that_differ_are_both_named_and_a_conversion_is_offered(bench: Any) -> None:
    networks = [backbone(bench, 0.5), head(bench, scale=0.25)]

    assert faults(bench, networks, shared()) == [
        "memory_blocks.shared.features: both sides must see the same bytes, but backbone.f int8[1, 16, 4, 4] "
        "scale 0.5 zero point 3 and head.g int8[1, 16, 4, 4] scale 0.25 zero point 3 differ: scale 0.5 against "
        "0.25; `convert: true` adds a node that does 'requantize int8 (scale 0.5, zero point 3) to int8 "
        "(scale 0.25, zero point 3)' and a block of 256 bytes a copy; or give both the same form"
    ]


def test_a_conversion_has_a_block_of_its_own(bench: Any) -> None:
    networks = [backbone(bench, 0.5), head(bench, scale=0.25), head(bench, "lanes")]
    table = blocks(bench, networks, shared(readers=("head.g", "lanes.g"), convert=True))

    (conversion,) = table.conversions
    assert conversion.steps == (
        "requantize int8 (scale 0.5, zero point 3) to int8 (scale 0.25, zero point 3)",
    )
    assert table.blocks[conversion.source].name == "features"
    target = table.blocks[conversion.target]
    assert (target.kind, target.name, target.stride_bytes) == ("converted", "features.for.head.g", 256)
    assert [user.name for user in block(table, "features").users] == ["backbone.whole", "lanes.whole"]


def test_layouts_are_compared_by_what_is_said_and_by_the_sizes(bench: Any) -> None:
    turned = head(bench, shape="1,4,4,16")
    said = faults(bench, [backbone(bench), turned], shared())
    assert "differ: layout NCHW against NHWC" in said[0]
    assert "'transpose NCHW to NHWC'" in said[0]

    square = network(
        bench,
        "head",
        "net (float[1,16,16,16] g) => (float[1,16,16,16] y) { y = Softmax(g) }",
        {"g": (0.5, 3)},
    )
    source = "net (float[1,16,16,16] x) => (float[1,16,16,16] f) { f = Relu(x) }"
    writer = network(bench, "backbone", source, {"f": (0.5, 3)})
    layouts = {"backbone.f": "NCHW", "head.g": "NHWC"}
    assert "layout NCHW against NHWC" in faults(bench, [writer, square], shared(layouts=layouts))[0]


@pytest.mark.parametrize(
    ("shape", "writer", "reader"),
    [
        ("1,4,4,16", "NCHW", "NCHW"),  # 4 channels against 16
        ("1,4,4,16", "NHWC", "NCHW"),  # 4 channels on both sides, 16 x 4 pixels against 4 x 16
        ("1,16,4,4", "NCHW", "NHWC"),  # 16 channels against 4
    ],
)
def test_sizes_that_contradict_the_layouts_are_named(
    bench: Any, shape: str, writer: str, reader: str
) -> None:
    layouts = {"backbone.f": writer, "head.g": reader}

    (said,) = faults(
        bench, [backbone(bench), head(bench, shape=shape)], shared(layouts=layouts, convert=True)
    )

    assert f"f int8[1, 16, 4, 4] {writer} scale 0.5 zero point 3 and head.g" in said
    assert "are not of the same sizes; sizes after the first must agree" in said


def test_other_sizes_and_types_are_named(bench: Any) -> None:
    plain = network(bench, "head", "net (float[1,16,4,4] g) => (float[1,16,4,4] y) { y = Softmax(g) }")
    assert (
        "differ: type int8 against float, scale 0.5 against none, zero point 3 against none"
        in (faults(bench, [backbone(bench), plain], shared())[0])
    )
    small = head(bench, shape="1,8,4,4")
    assert faults(bench, [backbone(bench), small], shared()) == [
        "memory_blocks.shared.features: backbone.f int8[1, 16, 4, 4] scale 0.5 zero point 3 and head.g "
        "int8[1, 8, 4, 4] scale 0.5 zero point 3 are not of the same sizes; sizes after the first must agree, "
        "and one batch must be a multiple of the other"
    ]


def test_six_cameras_of_batch_1_fill_what_one_reader_of_batch_6_reads(bench: Any) -> None:
    table = blocks(bench, [backbone(bench), head(bench, shape="6,16,4,4")], shared())

    feature = block(table, "features")
    assert feature.stride_bytes == 6 * 256
    assert [(user.name, user.runs, user.step_bytes) for user in feature.users] == [
        ("backbone.whole", 6, 256),
        ("head.whole", 1, 0),
    ]


def test_one_writer_of_batch_6_feeds_readers_of_batch_1_and_of_batch_3(bench: Any) -> None:
    networks = [backbone(bench, batch=6), head(bench), head(bench, "lanes", shape="3,16,4,4")]
    table = blocks(bench, networks, shared(readers=("head.g", "lanes.g")))

    assert [(user.runs, user.step_bytes) for user in block(table, "features").users] == [
        (1, 0),
        (6, 256),
        (2, 768),
    ]


def test_a_run_that_would_start_off_the_alignment_is_refused(bench: Any) -> None:
    writer = network(
        bench, "backbone", "net (float[1,5] x) => (float[1,5] f) { f = Relu(x) }", {"f": (0.5, 3)}
    )
    reader = network(
        bench, "head", "net (float[6,5] g) => (float[6,5] y) { y = Softmax(g) }", {"g": (0.5, 3)}
    )

    said = faults(bench, [writer, reader], shared())

    assert (
        "runs 6 times a frame, each 5 bytes further, which is no multiple of the alignment of 64" in said[0]
    )
    assert "59 bytes are missing a run" in said[0]


def test_names_that_lead_nowhere_are_named_all_at_once(bench: Any) -> None:
    state = network(
        bench,
        "head",
        "net (float[16] g, float[16] p) => (float[16] h) { s = Add(g, p) h = Tanh(s) }",
        state=(StatePair("h", "p"),),
    )
    params = MemoryBlocksParams(
        shared={
            "a": SharedFeature(("heat.g",), "backbone.ff"),
            "b": SharedFeature(("head.p",), "backbone.f"),
            "c": SharedFeature((), "backbone.f"),
        }
    )

    assert faults(bench, [backbone(bench), state], params) == [
        "memory_blocks.shared.c: backbone.f is in 'b' as well; name each tensor in one feature",
        "memory_blocks.shared.a: 'backbone.ff': backbone has no such output, did you mean 'f'?",
        "memory_blocks.shared.a: 'heat.g': the pipeline has no network 'heat', did you mean 'head'?",
        "memory_blocks.shared.b: 'head.p' is a state or a held output, which has memory of its own; share another "
        "output, such as an Identity of it",
        "memory_blocks.shared.c: nobody reads it; name its readers: [NETWORK.TENSOR]",
    ]


def timetable(runs: list[tuple[str, int, int, int]]) -> Schedule:
    """A schedule of (network, frame, start, end); every network has the one segment "whole"."""
    made = tuple(
        ScheduledRun(name, "whole", frame, "npu", 0, start, start, end, end)
        for name, frame, start, end in runs
    )
    return Schedule("chip", 1000, made, (), SolveBound("optimal", 0, 0, "test"), True)


def test_copies_follow_the_overlaps_of_the_schedule(bench: Any) -> None:
    # The head reads frame 0 from 10 to 35 while frames 1 and 2 are written at 10 and 20: three copies.
    slow = timetable(
        [("backbone", 0, 0, 10), ("backbone", 1, 10, 20), ("backbone", 2, 20, 30), ("head", 0, 10, 35)]
    )
    # One after the other: the next frame is written when the head is done. One copy.
    fast = timetable(
        [("backbone", 0, 0, 10), ("head", 0, 10, 20), ("backbone", 1, 20, 30), ("head", 1, 30, 40)]
    )
    networks = [backbone(bench), head(bench)]

    found = [block(blocks(bench, networks, shared(), item), "features").copies for item in (slow, fast)]

    assert found == [3, 1]


def test_a_schedule_too_short_for_two_whole_frames_says_so(bench: Any) -> None:
    # Six runs make a frame, the schedule has four.
    short = timetable([("backbone", frame, 10 * frame, 10 * frame + 5) for frame in range(4)])
    table = blocks(bench, [backbone(bench), head(bench, shape="6,16,4,4")], shared(), short)

    assert block(table, "features").copies == 2
    assert table.notices == (
        "features: the schedule shows 0 whole frames of it (backbone.whole runs 6 times for one): 2 copies are "
        "assumed",
    )


def test_six_runs_that_make_a_frame_are_one_use(bench: Any) -> None:
    # Frame 0 is whole at 55 and read from 60 to 90; frame 1 is written from 60 on: two copies.
    runs = [("backbone", run, 10 * run, 10 * run + 5) for run in range(12)] + [("head", 0, 60, 90)]
    table = blocks(bench, [backbone(bench), head(bench, shape="6,16,4,4")], shared(), timetable(runs))

    assert block(table, "features").copies == 2


def test_too_few_copies_are_refused_with_the_instant(bench: Any) -> None:
    slow = timetable([("backbone", 0, 0, 10), ("backbone", 1, 10, 20), ("head", 0, 10, 35)])
    networks = [backbone(bench), head(bench)]

    with pytest.raises(InputError) as caught:
        blocks(bench, networks, shared(copies=1), slow)

    assert str(caught.value) == (
        "memory_blocks.shared.features.copies: 1 is too few: at 10 ns backbone.whole writes frame 1 over frame 0, "
        "which head.whole still reads; leave it out, or give more"
    )


def test_blocks_of_a_pipeline_lie_apart_and_the_arenas_share_the_chip(bench: Any) -> None:
    # The arenas need 256 or 1024 bytes, the frames of two copies more: 4 kB hold the frames of one network.
    networks = [
        network(
            bench,
            name,
            "net (float[64] x) => (float[64] y) { a = Softmax(x) b = Softmax(a) y = Softmax(b) }",
            on_chip_bytes=4096,
        )
        for name in ("one", "two")
    ]
    table = plan_blocks(networks, None, profile=profile_of(bench, 4096), params=MemoryBlocksParams())

    placed = [(item.name, item.place, item.offset_bytes, item.size_bytes) for item in table.blocks]
    assert placed == [
        ("one.frame", "sram", 0, 1024),
        ("two.frame", "sram", 1024, 1024),
        ("one.whole.arena", "sram", 2048, 512),
        ("two.whole.arena", "sram", 2048, 512),
    ]
    tight = plan_blocks(networks, None, profile=profile_of(bench, 1536), params=MemoryBlocksParams())
    assert [item.place for item in tight.blocks] == ["sram", "dram", "sram", "sram"]
    assert tight.notices == (
        "two.frame: its 1024 bytes do not fit on the chip beside the 1024 bytes that networks keep there "
        "(of 1536): placed in DRAM",
    )


def test_the_header_compiles_and_says_what_the_json_says(bench: Any, tmp_path: Path) -> None:
    table = blocks(bench, [backbone(bench), head(bench)], shared())
    rows = json.loads(json_table(table))["blocks"]
    header = tmp_path / "memory_blocks.h"
    header.write_text(c_header(table))
    program = tmp_path / "main.c"
    program.write_text(
        '#include "memory_blocks.h"\n#include <stdio.h>\nint main(void) {\n'
        "for (int i = 0; i < DEPLOYKIT_BLOCK_COUNT; i++)\n"
        'printf("%s %d %d %d\\n", deploykit_blocks[i].name, (int)deploykit_blocks[i].offset_bytes,'
        " (int)deploykit_blocks[i].stride_bytes, (int)deploykit_blocks[i].copies);\n"
        'printf("%s %g\\n", deploykit_tensors[DEPLOYKIT_BLOCK_FEATURES].type, deploykit_tensors[0].scale);\n'
        "return 0; }\n"
    )
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "main")]
    subprocess.run([compiler, *flags, str(program)], check=True)
    said = subprocess.run(
        [str(tmp_path / "main")], check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert said[:-1] == [
        f"{row['name']} {row['offset_bytes']} {row['stride_bytes']} {row['copies']}" for row in rows
    ]
    assert said[-1] == "int8 0.5"
