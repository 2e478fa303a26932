"""Export the bird's-eye detector to ONNX: batch norm folded, shapes static, cut tensors named."""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxsim
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from deploykit.core.runtime import open_session
from deploykit.tasks.bev import geometry as g
from tools.bev_network import BEV_CHANNELS, BevDetector, ConvUnit

OPSET = 17
CUT_TENSORS = {
    "/backbone/stage2/stage2.2/Add_output_0": "backbone_fine",
    "/backbone/stage3/stage3.2/Add_output_0": "backbone_coarse",
    "/neck/merge/Add_output_0": "image_features",
    "/view/Softmax_output_0": "depth_probability",
    "/view/collapse/act/HardSwish_output_0": "bev_lifted",
    "/encoder/Add_output_0": "bev_features",
    "/fusion/GridSample_output_0": "warped_memory",
    "/head/shared/shared.1/act/HardSwish_output_0": "head_features",
    "/head/heatmap/Conv_output_0": "heatmap_logits",
}
"""The exporter's tensor names, which follow the modules, and the short ones that pipelines cut by."""


def fold_batch_norm(model: BevDetector) -> BevDetector:
    """Return a copy in eval mode with every batch norm folded into its convolution."""
    folded = copy.deepcopy(model).eval().to(memory_format=torch.contiguous_format)
    for module in folded.modules():
        if isinstance(module, ConvUnit) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return cast(BevDetector, folded)


def export_detector(model: BevDetector, path: Path) -> float:
    """Write the ONNX file; return torch's largest difference to onnxruntime over three frames."""
    folded = fold_batch_norm(model)
    images = torch.randn(
        g.CAMERAS, 3, g.IMAGE_HEIGHT, g.IMAGE_WIDTH, generator=torch.Generator().manual_seed(1)
    )
    memory = torch.zeros(1, BEV_CHANNELS, g.BEV_CELLS, g.BEV_CELLS)
    motion = torch.tensor([[[0.995, -0.0998, 1.5], [0.0998, 0.995, -0.2]]])
    raw = path.with_suffix(".raw.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folded,
            (images, memory, motion),
            str(raw),
            input_names=["images", "prev_bev", "ego_motion"],
            output_names=["heatmap", "reg", "bev_memory"],
            opset_version=OPSET,
            dynamo=False,
        )
    simplified, checked = onnxsim.simplify(onnx.load(raw))
    raw.unlink()
    if not checked:
        raise RuntimeError("onnxsim could not show that the simplified network equals the exported one")
    _rename_tensors(simplified)
    simplified.producer_name, simplified.producer_version = "deploykit", ""
    simplified.graph.name = "bev"
    onnx.checker.check_model(simplified, full_check=True)
    # Beside, then renamed: whoever reads the file meanwhile sees the old one or the new one.
    beside = path.with_suffix(".tmp")
    beside.write_bytes(simplified.SerializeToString(deterministic=True))
    os.replace(beside, path)
    return _largest_difference(folded, path, images, motion)


def _rename_tensors(model: onnx.ModelProto) -> None:
    made = {name for node in model.graph.node for name in node.output}
    missing = sorted(set(CUT_TENSORS) - made)
    if missing:
        raise RuntimeError(f"the exporter named its tensors differently, not found: {', '.join(missing)}")
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = CUT_TENSORS.get(name, name)
    for value in model.graph.value_info:
        value.name = CUT_TENSORS.get(value.name, value.name)


def _largest_difference(folded: BevDetector, path: Path, images: torch.Tensor, motion: torch.Tensor) -> float:
    session = open_session(path, exact=False)
    memory = torch.zeros(1, BEV_CHANNELS, g.BEV_CELLS, g.BEV_CELLS)
    state = memory.numpy()
    worst = 0.0
    for _ in range(3):
        with torch.no_grad():
            expected = folded(images, memory, motion)
        feeds = {"images": images.numpy(), "prev_bev": state, "ego_motion": motion.numpy()}
        got = session.run(["heatmap", "reg", "bev_memory"], feeds)
        worst = max(worst, *(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, got, strict=True)))
        memory, state = expected[2], got[2]
    return worst
