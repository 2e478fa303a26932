"""The memory of all networks together: shared features, copies, and the table for the application."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from deploykit.analysis.block_checks import block_faults
from deploykit.analysis.block_replay import replay_feature
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_blocks import MemoryBlocks
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.schedule import Schedule
from deploykit.core.blob import Blob
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.profile import ChipProfile
from deploykit.core.workspace import Workspace
from deploykit.stages.call import StageCall
from deploykit.stages.memory_blocks.features import NetworkMemory, shared_features
from deploykit.stages.memory_blocks.files import c_header, json_table
from deploykit.stages.memory_blocks.params import MemoryBlocksParams, SharedFeature

__all__ = [
    "GIVES",
    "PARAMS",
    "MemoryBlocksParams",
    "NetworkMemory",
    "SharedFeature",
    "network_memory",
    "plan_blocks",
    "run",
]

PARAMS = MemoryBlocksParams
GIVES = MemoryBlocks


def plan_blocks(
    networks: Sequence[NetworkMemory],
    schedule: Schedule | None,
    *,
    profile: ChipProfile,
    params: MemoryBlocksParams,
) -> MemoryBlocks:
    """Lay out the memory of a pipeline; features that several networks read are stored once.

    The numbers of copies follow from the overlaps of the schedule, or are two where there is none.

    Raises:
        InputError: a shared feature that isn't there, or whose sides differ; all faults at once.
    """
    from deploykit.stages.memory_blocks.table import block_table  # the solver: only when the step runs

    if params.frame_copies < 0:
        raise input_error("memory_blocks.frame_copies", f"{params.frame_copies} copies", "give 0 or more")
    by_name = {memory.partition.network: memory for memory in networks}
    alignments = [arena.alignment_bytes for memory in networks for arena in memory.plan.arenas]
    alignment = max(alignments, default=profile.on_chip.alignment_bytes)
    features = shared_features(by_name, params, alignment)
    blocks = block_table(
        by_name, features, schedule, profile=profile, params=params, alignment_bytes=alignment
    )
    _check_copies(blocks, schedule)
    faults = block_faults(blocks)
    if faults:  # ours: a table that breaks the rules never gets further
        raise AssertionError("; ".join(faults))
    return blocks


def _check_copies(blocks: MemoryBlocks, schedule: Schedule | None) -> None:
    """Run the schedule on the copies of each shared feature.

    Raises:
        InputError: a number of copies that the user gave is too small.
    """
    faults = []
    for block in blocks.blocks if schedule else ():
        seen = replay_feature(block, schedule) if block.kind == "feature" and schedule else ()
        if seen:
            where = f"memory_blocks.shared.{block.name}.copies"
            faults.append(Fault(where, f"{block.copies} is too few: {seen[0]}", "leave it out, or give more"))
    if faults:
        raise InputError(*faults)


def network_memory(
    partition: Partition,
    precision: PrecisionPlan,
    plan: MemoryPlan,
    encodings: Mapping[str, Encoding] | None = None,
) -> NetworkMemory:
    """Gather what the table needs of one network."""
    stored, _ = stored_tensors(partition, precision)
    return NetworkMemory(partition, stored, plan, encodings or {})


def run(call: StageCall) -> MemoryBlocks:
    """Plan the blocks of the pipeline, and write both files."""
    read = [call.inputs[name] for name in ("split", "precision", "memory", "quantize")]
    parts = zip(*read, strict=True)
    networks = [
        network_memory(partition, precision, plan, _encodings(partition, quantized, call.workspace))
        for partition, precision, plan, quantized in parts
    ]
    blocks = plan_blocks(networks, call.inputs["schedule"], profile=call.profile, params=call.params)
    return _with_files(blocks, call.workspace)


def _encodings(partition: Partition, quantized: Partition, workspace: Workspace) -> dict[str, Encoding]:
    from deploykit.toolchains.plan_files.encodings import read_encodings  # pulls onnx in

    found: dict[str, Encoding] = {}
    for segment in quantized.segments:
        for encoding in read_encodings(segment, partition.tensor, workspace):
            if encoding.kind == "activation":
                found.setdefault(encoding.tensor, encoding)
    return found


def _with_files(blocks: MemoryBlocks, workspace: Workspace) -> MemoryBlocks:
    made: list[Blob] = []
    with workspace.scratch() as folder:
        for name, text in (("memory_blocks.h", c_header(blocks)), ("memory_blocks.json", json_table(blocks))):
            (folder / name).write_text(text)
            made.append(workspace.keep(folder / name))
    return dataclasses.replace(blocks, files=tuple(made))
