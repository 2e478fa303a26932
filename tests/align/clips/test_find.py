"""Faults over time, planted into a small network with a memory, are named; what is none is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy
import pytest

from deploykit.align.clips.find import find_faults
from deploykit.align.clips.finding import KINDS, ClipFinding
from deploykit.align.clips.track import Track
from deploykit.align.element_types import Array

CLIPS = (12, 12)
FRAMES = sum(CLIPS)
NOISE = 0.02
STATE = (("memory", "previous"),)


@dataclass(frozen=True)
class Run:
    """What was dumped: a row a frame."""

    values: dict[str, Array]

    def rows(self, rows: object) -> Run:
        """Give other frames' rows in each tensor."""
        return Run({name: values[numpy.asarray(rows)] for name, values in self.values.items()})

    def noisy(self, seed: int = 0) -> Run:
        """Add 5 % noise to what is computed."""
        rng = numpy.random.default_rng(seed)
        return Run(
            {
                name: values + 0.05 * values.std() * rng.standard_normal(values.shape) * (name != "x")
                for name, values in self.values.items()
            }
        )


def scene(seed: int = 0) -> Array:
    """A picture that moves on by one column a frame, (frames, 400)."""
    wide = numpy.random.default_rng(seed).standard_normal((20, FRAMES + 20))
    return numpy.stack([wide[:, at : at + 20].reshape(-1) for at in range(FRAMES)])


def run(x: Array, state: Callable[[int, list[Array]], Array | None] = lambda at, written: None) -> Run:
    """memory = previous / 2 + tanh(x); `state` may give another previous one than the last memory."""
    previous: list[Array] = []
    memory: list[Array] = []
    for frame, at in enumerate(at for count in CLIPS for at in range(count)):
        given = state(frame, memory)
        last = given if given is not None else (memory[-1] if at else numpy.zeros(400))
        previous.append(last)
        memory.append(last / 2 + numpy.tanh(x[frame]))
    return Run({"x": x, "previous": numpy.stack(previous), "memory": numpy.stack(memory)})


def look(
    reference: Run, board: Run, names: tuple[str, ...] = ("x", "previous", "memory"), **runs: Run
) -> ClipFinding | None:
    def track(name: str, other: Run) -> Track:
        rows = numpy.arange(FRAMES)
        return Track(name, reference.values[name], other.values[name], rows, tuple(rows.tolist()), (0, 12))

    found = find_faults(
        [track(name, board) for name in names],
        state=STATE,
        runs={kind: {name: track(name, other) for name in names} for kind, other in runs.items()},
        noise=NOISE,
    )
    assert all(item.kind in KINDS for item in found)
    return found[0] if found else None


CLEAN = run(scene())
ROWS = numpy.arange(FRAMES)


@pytest.mark.parametrize("board", [CLEAN, CLEAN.noisy(1), CLEAN.noisy(2)])
def test_a_clean_run_and_plain_noise_are_no_fault(board: Run) -> None:
    assert look(CLEAN, board) is None


@pytest.mark.parametrize(
    ("kind", "rows", "frames"),
    [
        ("lag", numpy.maximum(ROWS - 2, 0), ()),
        ("ahead", numpy.minimum(ROWS + 1, FRAMES - 1), ()),
        ("frozen", ROWS * 0, (1,)),
        ("stale", numpy.where(ROWS == 7, 6, ROWS), (7,)),
        ("stale", numpy.where(ROWS == 11, 10, ROWS), (11,)),
        ("repeated", numpy.where(ROWS >= 2, ROWS - 1, ROWS), (2,)),
        ("dropped", numpy.minimum(numpy.where(ROWS >= 5, ROWS + 1, ROWS), FRAMES - 1), (5,)),
        ("repeated", numpy.where(ROWS >= 5, ROWS - 1, ROWS), (5,)),
        ("clip_order", numpy.concatenate([ROWS[12:], ROWS[:12]]), (0, 12)),
        ("frame_order", numpy.where(ROWS == 5, 9, numpy.where(ROWS == 9, 5, ROWS)), (5, 9)),
    ],
)  # fmt: skip
def test_the_order_of_frames(kind: str, rows: Array, frames: tuple[int, ...]) -> None:
    for board in (CLEAN.rows(rows), CLEAN.noisy().rows(rows)):
        found = look(CLEAN, board)
        assert found is not None
        assert (found.kind, found.tensor, found.frames) == (kind, "x", frames)


def test_a_scene_that_stands_still_cannot_tell() -> None:
    still = run(numpy.repeat(scene()[:1], FRAMES, axis=0))
    found = look(still, still.noisy(), ("x",))
    assert found is not None
    assert (found.kind, found.confidence) == ("cannot_tell", 0.0)


def carried(at: int, written: list[Array]) -> Array | None:
    return written[-1] if written else None


def stateless(at: int, written: list[Array]) -> Array | None:
    return numpy.zeros(400)


def late(at: int, written: list[Array]) -> Array | None:
    return written[-2] if at % 12 > 1 else numpy.zeros(400)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("state_not_reset", carried), ("state_never_updated", stateless), ("state_late", late)],
)
def test_the_state_that_a_frame_reads(kind: str, state: Callable[[int, list[Array]], Array | None]) -> None:
    found = look(CLEAN, run(scene(), state).noisy())
    assert found is not None
    assert (found.kind, found.tensor) == (kind, "previous")


def test_outputs_alone_tell_by_the_runs_with_the_faults_in_them() -> None:
    runs = {"state_not_reset": run(scene(), carried), "state_never_updated": run(scene(), stateless)}
    for kind, planted in runs.items():
        found = look(CLEAN, planted.noisy(), ("memory",), **runs)
        assert found is not None
        assert (found.kind, found.confidence > 0.8) == (kind, True)
    assert look(CLEAN, CLEAN.noisy(), ("memory",), **runs) is None


def test_the_errors_course_says_that_the_state_differs() -> None:
    found = look(CLEAN, run(scene(), stateless).noisy(), ("memory",))
    assert found is not None
    assert (found.kind, found.frames) == ("state_differs", (1,))
    found = look(CLEAN, run(scene(), carried).noisy(), ("memory",))
    assert found is not None
    assert (found.kind, found.frames) == ("state_not_reset", (12,))


def test_drift_is_told_from_a_spell() -> None:
    """The error doubles every second frame: e(t) = 0.01 * 2^(t / 2), over 12 frames 45 times."""
    rng = numpy.random.default_rng(0)
    noise = rng.standard_normal((FRAMES, 400)) * CLEAN.values["memory"].std()
    grown = noise * (0.01 * 2.0 ** (ROWS % 12 / 2))[:, None]
    found = look(CLEAN, Run({"memory": CLEAN.values["memory"] + grown}), ("memory",))
    assert found is not None
    assert found.kind == "drift"
    assert found.evidence["growth"] == pytest.approx(2**5.5, rel=0.2)

    spell = noise * numpy.where((ROWS >= 6) & (ROWS < 8), 0.5, 0.03)[:, None]
    found = look(CLEAN, Run({"memory": CLEAN.values["memory"] + spell}), ("memory",))
    assert found is not None
    assert (found.kind, found.frames) == ("one_off", (6, 7))
    assert "recovers at frame 8" in found.explanation

    step = noise * numpy.where(ROWS >= 8, 0.5, 0.03)[:, None]
    found = look(CLEAN, Run({"memory": CLEAN.values["memory"] + step}), ("memory",))
    assert found is not None
    assert (found.kind, found.frames[0]) == ("step", 8)
