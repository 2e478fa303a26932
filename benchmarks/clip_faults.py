"""Plant faults over time into real clips, and count which are named.

    python -m benchmarks.clip_faults [--split validation] [--cases 6] [--workspace FOLDER]

The bird's-eye detector runs over generated driving clips in float (the reference) and, as the board, in float
and in int8 from the pipeline's own quantize step. Faults are planted into the board's run where they belong:
into the frames that it is given, into its state, or into the buffers that it dumps. Each is looked for twice:
with inputs and state among the dumped tensors, and in the outputs alone; there the reference's runs without
reset and without state are at hand, and a third look has not even those (`symptoms`, reported apart).
Thresholds were set on `--split train`. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deploykit.align.clips.find import find_faults
from deploykit.align.clips.track import Track, places_in
from deploykit.align.compare import NOISE
from deploykit.artifacts.model import Partition
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.pipeline.records import Records
from deploykit.tasks.bev.scene import generate_clip
from deploykit.tasks.bev.task import network_inputs
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped

PIPELINE = Path(__file__).resolve().parents[1] / "pipelines" / "bev.yaml"
READ, WRITTEN = "prev_bev", "bev_memory"
INNER = "/backbone/stage2/Relu_output_0"
LENGTHS = ((10, 10, 10, 10), (12, 12, 12), (8, 8, 8, 8, 8), (9, 12, 10), (12, 9, 12))
"""Frames a clip, one line a case. The network was trained on 6: from about 14 on its memory grows beyond
the range that int8 was calibrated for, and a clean int8 run truly parts from the float one."""

Array: TypeAlias = NDArray[Any]
Run: TypeAlias = dict[str, Array]
"""Samples of every tensor, (frames, places)."""

NAMES = {"clean": "none", "stale_input": "stale"}
"""Planted -> found, where the names differ."""

STATE_FAULTS = ("state_not_reset", "state_never_updated", "state_late")


RIGHT = {
    ("outputs", "stale_input"): ("stale", "one_off"),
    ("outputs", "state_late"): ("state_differs",),
    ("symptoms", "state_late"): ("state_differs",),
    ("symptoms", "state_never_updated"): ("state_differs",),
}
"""What is right where the fault itself cannot be told: a network with a memory that is given an old picture
computes what no frame of the reference holds; of a state that is not dumped only the effect is seen."""


@dataclass(frozen=True)
class Board:
    """A network that runs clips with faults planted; gives samples of what it dumps."""

    network: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    names: tuple[str, ...]

    def run(
        self,
        clips: Sequence[Sequence[Mapping[str, Array]]],
        *,
        state: Callable[[int, int, list[Array]], Array | None] = lambda clip, frame, written: None,
    ) -> Run:
        """Run clips frame by frame. `state` may give another state than the one written last: it sees the
        clip, the frame, and all that was written since the run began."""
        found: dict[str, list[Array]] = defaultdict(list)
        written: list[Array] = []
        for number, clip in enumerate(clips):
            zero = np.zeros((1, 48, 64, 64), np.float32)
            for at, inputs in enumerate(clip):
                given = state(number, at, written)
                read = given if given is not None else (written[-1] if at else zero)
                outputs = self.network({**inputs, READ: read})
                written.append(outputs[WRITTEN])
                for name, value in {**inputs, READ: read, **outputs}.items():
                    if name in self.names:
                        found[name].append(value[places_in(value.shape)])
        return {name: np.stack(rows).astype(np.float64) for name, rows in found.items()}


@dataclass(frozen=True)
class Case:
    """One planted fault: what the board dumped, and which findings are right."""

    kind: str
    run: Run


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", choices=("train", "validation"), default="validation")
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--first", type=int, default=500, help="the first clip of the split")
    parser.add_argument("--workspace", type=Path, help="a folder to keep the quantized network in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        partitions, workspace = _networks(given.workspace or Path(scratch, "cache"))
        boards = [_board(item, workspace, Path(scratch, f"taps{at}")) for at, item in enumerate(partitions)]
        results: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for case in range(given.cases):
            print(f"case {case}", file=sys.stderr)
            for view, kind, found in look(
                boards, given.split, case, LENGTHS[case % len(LENGTHS)], given.first
            ):
                results[view][kind][found] += 1
    _print(results)


def _networks(root: Path) -> tuple[list[Partition], Workspace]:
    """Take the float and the quantized network from the pipeline's cache; run what is missing."""
    command = [sys.executable, "-m", "deploykit", "run", str(PIPELINE), "--to", "bev.quantize"]
    subprocess.run([*command, "--workspace", str(root)], check=True, stdout=sys.stderr)
    store = Store(root)
    records = Records(store)
    found = []
    for step in ("bev.split", "bev.quantize"):
        key = records.latest("bev", step)
        record = next(record for _, record in records.all() if record.key == key)
        found.append(records.artifact(record, Partition))
    return found, Workspace(store)


def _board(partition: Partition, workspace: Workspace, folder: Path) -> Board:
    inner = [
        name
        for segment in partition.segments
        for node in segment.graph.nodes
        for name in node.outputs
        if "backbone" in name
    ]
    middle = next((name for name in inner if name == INNER), inner[len(inner) // 2])
    inside, files = tapped(partition, workspace, [middle], folder)
    names = ("images", READ, middle, WRITTEN, "heatmap")
    return Board(ReferenceNetwork(inside, files), names)


def look(
    boards: Sequence[Board],
    split: Literal["train", "validation"],
    case: int,
    lengths: tuple[int, ...],
    first: int,
) -> Iterator[tuple[str, str, str]]:
    """Give (view, planted, found) for each fault of one set of clips; the first board is the reference."""
    rng = np.random.default_rng([case, split == "train"])
    clips = [
        [network_inputs(frame) for frame in generate_clip(split, first + case * 10 + at, length)]
        for at, length in enumerate(lengths)
    ]
    starts = tuple(int(at) for at in np.cumsum([0, *lengths[:-1]]))
    reference = boards[0].run(clips)
    extra = {
        "state_not_reset": boards[0].run(clips, state=_carried),
        "state_never_updated": boards[0].run(clips, state=_zero),
    }
    for label, board in zip(("float", "quantized"), boards, strict=False):
        clean = reference if board is boards[0] else board.run(clips)
        for planted in (Case("clean", clean), *_dumped(clean, starts, rng), *_run(board, clips, rng)):
            for view, names, runs in (
                ("whole", tuple(planted.run), {}),
                ("outputs", (WRITTEN, "heatmap"), extra),
                ("symptoms", (WRITTEN, "heatmap"), {}),
            ):
                if view == "symptoms" and planted.kind not in (*STATE_FAULTS, "clean", "drift", "one_off"):
                    continue
                others = {
                    kind: {name: _track(name, reference, run, starts) for name in names}
                    for kind, run in runs.items()
                }
                found = find_faults(
                    [_track(name, reference, planted.run, starts) for name in names if name in reference],
                    state=((WRITTEN, READ),),
                    runs=others,
                    noise=NOISE,
                )
                yield f"{view} {label}", planted.kind, found[0].kind if found else "none"


def _track(name: str, reference: Run, board: Run, starts: tuple[int, ...]) -> Track:
    rows = len(reference[name])
    return Track(name, reference[name], board[name], np.arange(rows), tuple(range(rows)), starts)


def _carried(clip: int, frame: int, written: list[Array]) -> Array | None:
    return written[-1] if written else None


def _zero(clip: int, frame: int, written: list[Array]) -> Array | None:
    return np.zeros((1, 48, 64, 64), np.float32)


def _late(clip: int, frame: int, written: list[Array]) -> Array | None:
    return written[-2] if frame > 1 else (np.zeros((1, 48, 64, 64), np.float32) if frame else None)


def _grown(clip: int, frame: int, written: list[Array]) -> Array | None:
    """A state that is a little too large each time: what it adds stays in it."""
    return written[-1] * np.float32(1.08) if frame else None


def _dumped(clean: Run, starts: tuple[int, ...], rng: np.random.Generator) -> Iterator[Case]:
    """Faults of the buffers that a board dumps: all tensors of a frame together."""
    frames = len(next(iter(clean.values())))
    whole = np.arange(frames)
    for late in (1, int(rng.integers(2, 4))):
        yield Case("lag", _rows(clean, np.maximum(whole - late, 0)))
    yield Case("ahead", _rows(clean, np.minimum(whole + 1, frames - 1)))
    yield Case("frozen", _rows(clean, whole * 0))
    at, length = int(rng.integers(3, frames - 6)), int(rng.integers(1, 4))
    stale = whole.copy()
    stale[at : at + length] = at - 1
    yield Case("stale", _rows(clean, stale))
    yield Case("dropped", _rows(clean, np.minimum(np.where(whole >= at, whole + length, whole), frames - 1)))
    yield Case("repeated", _rows(clean, np.where(whole >= at, whole - 1, whole)))
    clips = np.split(whole, starts[1:])
    if len(clips) > 1 and len(clips[0]) == len(clips[1]):
        yield Case("clip_order", _rows(clean, np.concatenate([clips[1], clips[0], *clips[2:]])))
    grown = 0.05 * (whole - np.repeat(starts, np.diff([*starts, frames])))
    yield Case("drift", _scaled(clean, 1 + grown))
    swapped = whole.copy()
    swapped[[at, at + 2]] = [at + 2, at]
    yield Case("frame_order", _rows(clean, swapped))


def _scaled(run: Run, factors: Array) -> Run:
    """Scale all but the inputs, frame by frame."""
    return {
        name: values if name in ("images", READ) else values * factors[:, None]
        for name, values in run.items()
    }


def _rows(run: Run, rows: Array) -> Run:
    return {name: values[rows] for name, values in run.items()}


def _run(board: Board, clips: list[list[Any]], rng: np.random.Generator) -> Iterator[Case]:
    """Faults of the run itself: in the frames that the network is given, and in its state."""
    frames = [(number, at) for number, clip in enumerate(clips) for at in range(len(clip))]
    inner = [place for place in frames if 3 <= place[1] < len(clips[place[0]]) - 4]
    where = inner[int(rng.integers(len(inner)))]
    stale = [list(clip) for clip in clips]
    stale[where[0]][where[1]] = {
        **stale[where[0]][where[1]],
        "images": clips[where[0]][where[1] - 1]["images"],
    }
    yield Case("stale_input", board.run(stale))
    # a lost frame: the clip goes on with the next one, its last is filled with the last
    lost = [list(clip) for clip in clips]
    lost[where[0]] = [*clips[where[0]][: where[1]], *clips[where[0]][where[1] + 1 :], clips[where[0]][-1]]
    yield Case("dropped", board.run(lost))
    if len(clips) > 1:
        yield Case("state_not_reset", board.run(clips, state=_carried))
    yield Case("state_never_updated", board.run(clips, state=_zero))
    yield Case("state_late", board.run(clips, state=_late))
    yield Case("drift", board.run(clips, state=_grown))
    noise = rng.standard_normal((1, 48, 64, 64)).astype(np.float32)
    spell = next(
        place for place in inner if place[0] == min(where[0], len(clips) - 2)
    )  # a clip follows: it ends

    def disturbed(clip: int, frame: int, written: list[Array]) -> Array | None:
        return written[-1] + 3 * written[-1].std() * noise if (clip, frame) == spell else None

    yield Case("one_off", board.run(clips, state=disturbed))


def right_names(view: str, kind: str) -> tuple[str, ...]:
    """Give the findings that are right for a planted fault."""
    return RIGHT.get((view.split()[0], kind), (NAMES.get(kind, kind),))


def _print(results: Mapping[str, Mapping[str, Counter[str]]]) -> None:
    figures = {}
    for view, kinds in results.items():
        print(view)
        right = total = 0
        for kind, found in kinds.items():
            want = right_names(view, kind)
            named = sum(found[name] for name in want)
            right, total = right + named, total + found.total()
            wrong = ", ".join(f"{name} {count}" for name, count in found.items() if name not in want)
            print(f"  {kind:<20} {named:>4} of {found.total():<4} {wrong}")
        figures[view] = {"right": right, "of": total, "share": round(right / total, 4)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
