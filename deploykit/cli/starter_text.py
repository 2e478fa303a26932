"""The YAML of a first pipeline: what is known filled in, what only the owner knows asked for in comments."""

from __future__ import annotations

import json
from collections.abc import Iterator

from deploykit.pipeline.starter import Starter, dims_text


def starter_text(starter: Starter) -> str:
    """Write the pipeline's YAML."""
    return "\n".join([*_head(starter), *_io(starter), *_stages(starter), ""])


def _head(starter: Starter) -> Iterator[str]:
    yield "# yaml-language-server: $schema=deploykit.schema.json"
    yield "# For your editor: deploykit schema > deploykit.schema.json"
    yield f"name: {starter.name}"
    yield f"chip: {starter.chip}  # `deploykit profile list` shows the others"
    yield ""
    if starter.data_kind == "random":
        yield "# Random data lets all run, but its ranges are not those of real frames: a network that was"
        yield "# quantized on it is not to be trusted. Before you judge accuracy, put real frames here:"
        yield "# {kind: images, path: FOLDER}, or {kind: arrays, path: FOLDER} with .npy or .npz files."
        yield "task: {kind: random}"
    else:
        yield f"task: {{kind: {starter.data_kind}, path: {json.dumps(starter.data)}}}"
    yield ""
    yield "networks:"
    yield f"  {starter.name}:"
    yield f"    source: {json.dumps(starter.source)}"


def _io(starter: Starter) -> Iterator[str]:
    yield "    # What each input means; calibration, dumps and the board's own preprocessing follow it."
    yield "    # value = (raw - mean) * scale, one number or one a channel. State inputs need no entry."
    state_inputs = {name for _, name in starter.state}
    yield "    io:" if len(starter.inputs) > len(state_inputs) else "    io: {}"
    for item in starter.inputs:
        if item.name in state_inputs:
            continue
        yield f"      {json.dumps(item.name)}:"
        yield f"        shape: {json.dumps(item.shape)}"
        if item.layout == "flat":
            yield f"        dtype: {item.dtype}"
            continue
        channels = item.shape[1] if item.layout == "NCHW" else item.shape[3]
        yield f"        layout: {item.layout}"
        yield f"        dtype: {item.dtype}"
        yield "        raw_dtype: uint8"
        colour = "rgb" if channels == 3 else "gray"
        yield f"        colour: {colour}  # rgb, bgr, gray or nv12: as the network was trained"
        yield "        mean: [0]  # such as [123.675, 116.28, 103.53]"
        yield "        scale: [0.00392156862745098]  # 1 / 255; such as [0.01712, 0.01751, 0.01743]"
        yield "        resize: letterbox  # stretch, letterbox, crop, or none to refuse other sizes"


def _stages(starter: Starter) -> Iterator[str]:
    free = [item for item in starter.inputs if item.is_guessed]
    yield "    clips: {proof: 1, calibration: 8, dump: 1}  # how many clips the steps read"
    yield "    export:"
    if free:
        yield "      # The model leaves these sizes free; a chip's compiler wants them fixed. Put yours."
        yield "      shapes:"
        for item in free:
            free_dims = dims_text(item.dims)
            yield f"        {json.dumps(item.name)}: {json.dumps(item.shape)}  # in the file: {free_dims}"
    if starter.state:
        yield "      # These look like state: what leaves in one frame enters in the next."
        yield "      state:"
        for output, name in starter.state:
            yield f"        - {{output: {json.dumps(output)}, input: {json.dumps(name)}}}"
    else:
        yield "      state: []  # temporal networks: [{output: memory, input: previous_memory}]"
    yield "    split:"
    yield "      auto: true  # operators that the chip lacks go to a segment of its fallback engine"
    yield "    precision:"
    yield "      scheme: w8a8"
    yield "      exceptions: []  # such as [{match: 'head*', scheme: float}]: segments, or node patterns"
    yield ""
    yield "schedule:"
    yield "  rates:"
    yield f"    {starter.name}: {{rate_hz: 1}}  # how often the network has to run"
