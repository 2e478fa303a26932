"""The multi-camera bird's-eye detector as a torch module, and its export to ONNX.

Per camera: inverted-residual backbone with HardSwish and squeeze-excite, and a neck, to stride 8. View
transform: a depth softmax weighs the features on a fixed voxel grid (Lift-Splat's meaning, by sampling
instead of scatter). Time: a memory, warped by the ego's motion, is gated with the new view. Head: two heat
maps and nine regressions in metric units.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from deploykit.tasks.bev import geometry as g

STRIDE = 8
FEATURE_ROWS = g.IMAGE_HEIGHT // STRIDE
FEATURE_COLUMNS = g.IMAGE_WIDTH // STRIDE
DEPTH_BINS = 24
DEPTH_NEAREST_M = 2.0
DEPTH_FARTHEST_M = 24.0
VOXEL_HEIGHTS_M = (0.1, 0.6, 1.1, 1.6)
NECK_CHANNELS = 64
LIFT_CHANNELS = 32
BEV_CHANNELS = 48
REGRESSIONS = 9
"""offset x, y (m); length, width, height (m); sine, cosine of yaw; velocity x, y (m/s)."""
MEAN_LOG_SIZE = (0.5, -0.05, 0.47)


class Module(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A torch module, as the type checker sees it that doesn't read torch."""


class ConvUnit(Module):
    """Convolution, batch norm where asked, HardSwish where asked."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1,
        act: bool = True, norm: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not norm)
        self.bn: nn.Module = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.act: nn.Module = nn.Hardswish() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        return cast(Tensor, self.act(self.bn(self.conv(x))))


class SqueezeExcite(Module):
    """Weigh channels by a HardSigmoid of their spatial means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, max(8, channels // 4), 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(max(8, channels // 4), channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x * cast(Tensor, self.gate(self.expand(self.relu(self.reduce(self.pool(x))))))


class InvertedResidual(Module):
    """Expand (unless hidden == inputs), depthwise, project, as in MobileNetV3; residual if shapes allow."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, kernel: int = 3, *, stride: int = 1,
        excite: bool = False, norm: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.expand: nn.Module = nn.Identity() if hidden == inputs else ConvUnit(inputs, hidden, norm=norm)
        self.depthwise = ConvUnit(hidden, hidden, kernel, stride=stride, groups=hidden, norm=norm)
        self.excite: nn.Module = SqueezeExcite(hidden) if excite else nn.Identity()
        self.project = ConvUnit(hidden, outputs, act=False, norm=norm)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = cast(Tensor, self.project(self.excite(self.depthwise(self.expand(x)))))
        return x + y if self.residual else y


class Backbone(Module):
    """Images (n, 3, 96, 256) to features at stride 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(3, 32, 7, stride=4)
        self.stage1 = InvertedResidual(32, 64, 32)
        self.stage2 = nn.Sequential(
            InvertedResidual(32, 32, 48, stride=2),
            InvertedResidual(48, 144, 48, excite=True),
            InvertedResidual(48, 144, 48, excite=True),
        )
        self.stage3 = nn.Sequential(
            InvertedResidual(48, 160, 80, 5, stride=2),
            InvertedResidual(80, 240, 80, 5, excite=True),
            InvertedResidual(80, 240, 80, 5, excite=True),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give (n, 48, 12, 32) and (n, 80, 6, 16)."""
        fine = self.stage2(self.stage1(self.stem(images)))
        return fine, self.stage3(fine)


class Neck(Module):
    """Merge both scales at stride 8, (n, 64, 12, 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.lateral = ConvUnit(48, NECK_CHANNELS, act=False)
        self.top = ConvUnit(80, NECK_CHANNELS, act=False)
        self.merge = InvertedResidual(NECK_CHANNELS, 128, NECK_CHANNELS)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Add the coarse map, doubled in size, to the fine one."""
        up = functional.interpolate(self.top(coarse), scale_factor=2.0, mode="nearest")
        return cast(Tensor, self.merge(self.lateral(fine) + up))


class ViewTransform(Module):
    """Lift six feature maps to voxels and flatten them to the ground: (n * 6, 64, 12, 32) to (n, 48, 64, 64).

    The maps lie side by side and are sampled once on a precomputed grid. What a voxel takes is the feature
    times the probability that the surface lies at the voxel's depth; beside it stands the probability that
    the surface is nearer, so that what follows can tell empty from hidden.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depth_logits = nn.Conv2d(NECK_CHANNELS, DEPTH_BINS, 1)
        self.context = ConvUnit(NECK_CHANNELS, LIFT_CHANNELS)
        self.nearer = nn.Conv2d(DEPTH_BINS, DEPTH_BINS, 1, bias=False)
        below = torch.tril(torch.ones(DEPTH_BINS, DEPTH_BINS), -1)
        self.nearer.weight = nn.Parameter(below[:, :, None, None], requires_grad=False)
        self.collapse = ConvUnit((LIFT_CHANNELS + 1) * len(VOXEL_HEIGHTS_M), BEV_CHANNELS)
        grids = voxel_grids()
        for name, value in grids.items():
            self.register_buffer(name, torch.from_numpy(value), persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Give the flattened features (n, 48, 64, 64) and the depth logits (n * 6, 24, 12, 32)."""
        n = features.shape[0] // g.CAMERAS
        logits = self.depth_logits(features)
        depth = logits.softmax(1)
        both = torch.stack([depth, self.nearer(depth)], 1)
        both = both.reshape(n, g.CAMERAS, 2, DEPTH_BINS, FEATURE_ROWS, FEATURE_COLUMNS)
        both = both.permute(0, 2, 3, 4, 1, 5)
        both = both.reshape(n, 2, DEPTH_BINS * FEATURE_ROWS, g.CAMERAS * FEATURE_COLUMNS)
        context = self.context(features).reshape(n, g.CAMERAS, LIFT_CHANNELS, FEATURE_ROWS, FEATURE_COLUMNS)
        context = context.permute(0, 2, 3, 1, 4)
        context = context.reshape(n, LIFT_CHANNELS, FEATURE_ROWS, g.CAMERAS * FEATURE_COLUMNS)
        at_near = _sample(both, self.near_grid) * self.near_weight
        at_far = _sample(both, self.far_grid) * self.far_weight
        chance = at_near + at_far
        lifted = _sample(context, self.context_grid) * chance[:, :1]
        voxels = torch.cat([lifted, chance[:, 1:]], 1)
        voxels = voxels.reshape(n, (LIFT_CHANNELS + 1) * len(VOXEL_HEIGHTS_M), g.BEV_CELLS, g.BEV_CELLS)
        return self.collapse(voxels), logits


class BevEncoder(Module):
    """A small U over the bird's-eye map, (n, 48, 64, 64) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = InvertedResidual(BEV_CHANNELS, BEV_CHANNELS, BEV_CHANNELS, 5)
        self.down = InvertedResidual(BEV_CHANNELS, BEV_CHANNELS, 64, stride=2)
        self.coarse = nn.Sequential(InvertedResidual(64, 128, 64, 5), InvertedResidual(64, 128, 64, 5))
        self.up = ConvUnit(64, BEV_CHANNELS, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        fine = self.fine(x)
        coarse = self.up(self.coarse(self.down(fine)))
        return cast(Tensor, fine + functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))


class TemporalFusion(Module):
    """Carry the memory from the last frame to this one and gate it with the new view, (n, 48, 64, 64).

    No batch norm here: the first frame's memory is all zeros, so its statistics would differ from the running
    ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.predict = InvertedResidual(BEV_CHANNELS, BEV_CHANNELS, BEV_CHANNELS, 5, norm=False)
        self.mix = ConvUnit(2 * BEV_CHANNELS, BEV_CHANNELS, norm=False)
        self.spread = ConvUnit(BEV_CHANNELS, BEV_CHANNELS, 3, groups=BEV_CHANNELS, norm=False)
        self.gate = nn.Conv2d(BEV_CHANNELS, BEV_CHANNELS, 1)
        self.update = nn.Conv2d(BEV_CHANNELS, BEV_CHANNELS, 1)
        nn.init.constant_(cast(Tensor, self.gate.bias), 1.0)
        centres = g.cell_centres()
        x, y = np.meshgrid(centres, centres)
        base = np.stack([x.ravel(), y.ravel(), np.ones(x.size)]).astype(np.float32)
        self.register_buffer("cell_points", torch.from_numpy(base), persistent=False)

    def forward(self, bev: Tensor, previous: Tensor, ego_motion: Tensor) -> Tensor:
        """Give the new memory; ``ego_motion`` (n, 2, 3) takes this frame's metres to the last frame's."""
        n = bev.shape[0]
        points = torch.matmul(ego_motion, self.cell_points)
        grid = (points * (1.0 / g.BEV_HALF_M)).transpose(1, 2).reshape(n, g.BEV_CELLS, g.BEV_CELLS, 2)
        expected = self.predict(_sample(previous, grid))
        joint = self.spread(self.mix(torch.cat([bev, expected], 1)))
        fresh = bev + self.update(joint)
        return cast(Tensor, expected + self.gate(joint).sigmoid() * (fresh - expected))


class Head(Module):
    """Heat maps and regressions per cell from the memory."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(
            InvertedResidual(BEV_CHANNELS, BEV_CHANNELS, BEV_CHANNELS), ConvUnit(BEV_CHANNELS, 64)
        )
        self.heatmap = nn.Conv2d(64, 2, 1)
        self.offset = nn.Conv2d(64, 2, 1)
        self.log_size = nn.Conv2d(64, 3, 1)
        self.heading = nn.Conv2d(64, 2, 1)
        self.velocity = nn.Conv2d(64, 2, 1)
        nn.init.constant_(cast(Tensor, self.heatmap.bias), -4.0)
        with torch.no_grad():
            cast(Tensor, self.log_size.bias).copy_(torch.tensor(MEAN_LOG_SIZE))

    def forward(self, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the heat map (n, 2, 64, 64), regressions (n, 9, 64, 64) and the heat map's logits."""
        shared = self.shared(memory)
        size = self.log_size(shared).exp()
        parts = [self.offset(shared), size, self.heading(shared), self.velocity(shared)]
        logits = self.heatmap(shared)
        return logits.sigmoid(), torch.cat(parts, 1), logits


class BevDetector(Module):
    """The whole network; `forward` is one frame, as exported."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck()
        self.view = ViewTransform()
        self.encoder = BevEncoder()
        self.fusion = TemporalFusion()
        self.head = Head()

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n * 6, 3, 96, 256) to bird's-eye features (n, 48, 64, 64) and depth logits."""
        lifted, logits = self.view(self.neck(*self.backbone(images)))
        return self.encoder(lifted), logits

    def forward(self, images: Tensor, prev_bev: Tensor, ego_motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One frame: heat map (1, 2, 64, 64) in 0..1, regressions (1, 9, 64, 64), memory (1, 48, 64, 64)."""
        bev, _ = self.see(images)
        memory = self.fusion(bev, prev_bev, ego_motion)
        heatmap, regressions, _ = self.head(memory)
        return heatmap, regressions, memory

    def clips(self, images: Tensor, ego_motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Train on clips (b, t, 6, 3, 96, 256): logits, regressions (b, t, ...) and depth logits."""
        b, t = images.shape[:2]
        bev, depth_logits = self.see(images.flatten(0, 2))
        views = bev.unflatten(0, (b, t))
        memory = torch.zeros_like(views[:, 0])
        memories = []
        for step in range(t):
            memory = self.fusion(views[:, step], memory, ego_motion[:, step])
            memories.append(memory)
        _, regressions, logits = self.head(torch.stack(memories, 1).flatten(0, 1))
        return logits.unflatten(0, (b, t)), regressions.unflatten(0, (b, t)), depth_logits


def depth_bin_centres() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the centres of the depth bins, metres; evenly spaced in log depth."""
    return np.geomspace(DEPTH_NEAREST_M, DEPTH_FARTHEST_M, DEPTH_BINS)


def voxel_grids() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Precompute where each voxel falls in the maps laid side by side, and between which depth bins.

    GridSample coordinates (align_corners=False) of shape (1, heights * 64, 64, 2); weights (1, 1, heights *
    64, 64) of the nearer and the farther depth bin, both zero for a voxel that no camera sees.
    """
    centres = g.cell_centres()
    z, y, x = np.meshgrid(np.array(VOXEL_HEIGHTS_M), centres, centres, indexing="ij")
    points = np.stack([x, y, z], -1).reshape(-1, g.BEV_CELLS, 3)
    views = [g.project(points, camera) for camera in range(g.CAMERAS)]
    u, v, depth = (np.stack([view[k] for view in views]) for k in range(3))
    # Where two cameras overlap, the one that has the voxel nearer to its axis is taken.
    off_axis = np.where(depth > 0.3, np.abs(u - g.CENTRE_U_PX), np.inf)
    camera = off_axis.argmin(0)[None]
    u, v, depth = (np.take_along_axis(values, camera, 0)[0] for values in (u, v, depth))
    seen = (depth > 0.3) & (u >= 0) & (u <= g.IMAGE_WIDTH) & (v >= 0) & (v <= g.IMAGE_HEIGHT)
    # Clamped to pixel centres so that sampling never mixes neighbouring cameras or depth bins.
    column = camera[0] * FEATURE_COLUMNS + np.clip(u / STRIDE - 0.5, 0, FEATURE_COLUMNS - 1)
    row = np.clip(v / STRIDE - 0.5, 0, FEATURE_ROWS - 1)
    step = math.log(DEPTH_FARTHEST_M / DEPTH_NEAREST_M) / (DEPTH_BINS - 1)
    position = np.clip(np.log(np.maximum(depth, 1e-3) / DEPTH_NEAREST_M) / step, 0, DEPTH_BINS - 1)
    near = np.minimum(np.floor(position), DEPTH_BINS - 2)
    share = position - near
    width, height = g.CAMERAS * FEATURE_COLUMNS, DEPTH_BINS * FEATURE_ROWS

    def grid(rows: g.Floats, total_rows: int) -> g.Floats:
        return np.stack([(column + 0.5) / width * 2 - 1, (rows + 0.5) / total_rows * 2 - 1], -1)[None]

    values = {
        "context_grid": grid(row, FEATURE_ROWS),
        "near_grid": grid(near * FEATURE_ROWS + row, height),
        "far_grid": grid((near + 1) * FEATURE_ROWS + row, height),
        "near_weight": ((1 - share) * seen)[None, None],
        "far_weight": (share * seen)[None, None],
    }
    return {name: value.astype(np.float32) for name, value in values.items()}


def _sample(maps: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(
        maps,
        grid.expand(maps.shape[0], -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
