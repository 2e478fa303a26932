"""Run random networks inside their planned memory, and see whether planted faults are caught.

    python -m benchmarks.memory_replay [--graphs 2000] [--faults 500] [--first-seed 0]

Each network has views, results in place, state, bodies and several segments, as chance will; it is planned,
run for four frames node by node inside the planned blocks, and must give the bits of a run without a plan;
stored in its own types, also those of onnxruntime's run of whole segments; plans for parallel nodes are run
in another order as well. Beside each stands a shared block: a feature that a writer hands to readers under
a random timetable. Faults are overlaps, blocks that end too early, states with one slot, views at the wrong
place, and shared blocks of too few copies. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.memory_cases import Case, random_case
from benchmarks.memory_faults import planted
from deploykit.analysis.block_copies import copies_needed, feature_uses
from deploykit.analysis.block_replay import replay_feature
from deploykit.analysis.node_order import predecessors, steps_of
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_blocks import BlockUser, MemoryBlock
from deploykit.artifacts.schedule import Schedule, ScheduledRun
from deploykit.core.bounds import SolveBound
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.memory import plan_memory
from deploykit.stages.memory_replay.arena_run import ArenaRun, run_in_arena
from deploykit.toolchains.node_runner import NodeRunner
from deploykit.toolchains.reference import ReferenceNetwork


def planned(case: Case) -> MemoryPlan:
    """Plan a case's memory."""
    return plan_memory(case.partition, case.precision, profile=case.profile, params=case.params)


def executed(case: Case, plan: MemoryPlan, workspace: Workspace) -> ArenaRun:
    """Run a case inside a plan's blocks."""
    stored, _ = stored_tensors(case.partition, case.precision)
    return run_in_arena(case.partition, plan, stored, case.frames, NodeRunner(case.partition, workspace))


def same_as_segments(case: Case, run: ArenaRun, workspace: Workspace) -> bool:
    """Say whether the outputs are those of onnxruntime's run of whole segments, for plans in its types."""
    if {item.dtype for item in case.precision.tensors} != {"float"}:
        return True
    network = ReferenceNetwork(case.partition, workspace, exact=True)
    return all(
        value.tobytes() == outputs[name].tobytes()
        for frame, outputs in zip(case.frames, run.outputs, strict=True)
        for name, value in network(frame).items()
    )


def holds_in_any_order(case: Case, plan: MemoryPlan, seed: int, workspace: Workspace) -> bool:
    """Run a plan for parallel nodes in another order that the tensors allow; nothing is freed meanwhile."""
    if not case.params.parallel_nodes:
        return True
    orders = tuple(
        (segment.name, _random_order(segment.graph, random.Random(seed)))
        for segment in case.partition.segments
    )
    never = tuple(
        dataclasses.replace(
            arena, buffers=tuple(dataclasses.replace(item, end_step=1 << 30) for item in arena.buffers)
        )
        for arena in plan.arenas
    )
    run = executed(case, dataclasses.replace(plan, orders=orders, arenas=never), workspace)
    return run.bit_equal and not run.faults


def _random_order(graph: GraphInfo, pick: random.Random) -> tuple[str, ...]:
    waits = [set(steps_of(mask)) for mask in predecessors(graph)]
    left, order = set(range(len(waits))), []
    while left:
        step = pick.choice(sorted(item for item in left if not waits[item] & left))
        left.remove(step)
        order.append(graph.nodes[step].id)
    return tuple(order)


def random_timetable(seed: int) -> Schedule:
    """Make runs of a writer and one or two readers at rates of their own, each one after the other."""
    pick = random.Random(seed)
    runs = []
    for name in ("writer", "left", "right")[: pick.randint(2, 3)]:
        now, length, period = pick.randint(0, 20), pick.randint(2, 30), pick.randint(5, 40)
        for frame in range(8):
            end = now + length
            runs.append(ScheduledRun(name, "whole", frame, "npu", 0, now, now, end, end))
            now = max(now + period, end)
    return Schedule("chip", 1000, tuple(runs), (), SolveBound("feasible", 0, 0, "chance"), True)


def shared_block(schedule: Schedule, copies: int) -> MemoryBlock:
    """Give the block of the feature that the writer hands to the readers."""
    names = dict.fromkeys(run.network for run in schedule.runs)
    users = tuple(BlockUser(f"{name}.whole", "writes" if name == "writer" else "reads") for name in names)
    return MemoryBlock(0, "feature", "feature", "dram", 0, 64, copies, users)


def copies_of(schedule: Schedule) -> int:
    """Give the number of copies that the schedule asks for."""
    readers = dict.fromkeys(run.network for run in schedule.runs if run.network != "writer")
    uses = feature_uses(schedule, ("writer.whole", 1), [(f"{name}.whole", 1) for name in readers])
    return copies_needed(uses)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=0)
    chosen = parser.parse_args()
    began = time.process_time()
    equal, shared_well, wrong = 0, 0, []
    features: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    reads = 0
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.graphs):
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(Store(Path(folder)))
            case = random_case(seed, workspace)
            plan = planned(case)
            run = executed(case, plan, workspace)
            good = run.bit_equal and not run.faults and same_as_segments(case, run, workspace)
            good = good and holds_in_any_order(case, plan, seed, workspace)
            equal += good
            reads += run.reads
            wrong += [] if good else [seed]
            _count(features, case, plan)
            if sum(kinds.values()) < chosen.faults:
                _plant(case, plan, run, seed, workspace, kinds, caught)
        schedule = random_timetable(seed)
        copies = copies_of(schedule)
        shared_well += not replay_feature(shared_block(schedule, copies), schedule)
        if copies > 1 and seed % 8 == 0 and sum(kinds.values()) < chosen.faults:
            kinds["too few copies"] += 1
            caught["too few copies"] += bool(replay_feature(shared_block(schedule, copies - 1), schedule))
    print(f"{equal} of {chosen.graphs} networks bit-equal in {reads} compared reads; wrong: {wrong[:10]}")
    print(f"{shared_well} of {chosen.graphs} shared blocks hold under their timetable")
    for kind, count in sorted(kinds.items()):
        print(f"{kind}: {caught[kind]} of {count} caught")
    for feature, count in sorted(features.items()):
        print(f"networks with {feature}: {count}")
    figures = {
        "graphs": chosen.graphs,
        "bit_equal": equal,
        "shared_blocks_hold": shared_well,
        "faults": sum(kinds.values()),
        "caught": sum(caught.values()),
        "caught_by_kind": {kind: [caught[kind], count] for kind, count in sorted(kinds.items())},
        "networks_with": dict(sorted(features.items())),
        "reads": reads,
        "cpu_s": round(time.process_time() - began, 1),
    }
    print(json.dumps(figures))


def _plant(
    case: Case,
    plan: MemoryPlan,
    run: ArenaRun,
    seed: int,
    workspace: Workspace,
    kinds: Counter[str],
    caught: Counter[str],
) -> None:
    fault = planted(case.partition, plan, run.last_frame, random.Random(seed))
    if fault is None:
        return
    broken = executed(case, fault.plan, workspace)
    kinds[fault.kind] += 1
    found = bool(broken.faults) or not broken.bit_equal
    caught[fault.kind] += found
    if not found:
        print(f"seed {seed}: not caught: {fault.kind}, {fault.what}")


def _count(features: Counter[str], case: Case, plan: MemoryPlan) -> None:
    buffers = [buffer for arena in plan.arenas for buffer in arena.buffers]
    has = {
        "several segments": len(case.partition.segments) > 1,
        "blocks of several tensors": any(len(buffer.tensors) > 1 for buffer in buffers),
        "another order": bool(plan.orders),
        "views at an offset": any(any(buffer.inner_offsets_bytes) for buffer in buffers),
        "free transposes": bool(plan.turned),
        "state": bool(case.partition.state),
        "rings of several states": any(ring.delay > 1 for ring in plan.state),
        "held outputs": any(not ring.input for ring in plan.state),
        "kept tensors": bool(plan.kept),
        "bodies": any("::bodies" in buffer.tensors[0] for buffer in buffers),
        "parallel nodes": case.params.parallel_nodes,
        "fewer bits": {item.dtype for item in case.precision.tensors} != {"float"},
    }
    features.update(name for name, yes in has.items() if yes)


if __name__ == "__main__":
    main()
