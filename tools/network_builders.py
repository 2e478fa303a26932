"""Networks behind published latencies, by name: "library:model" with options, weights at random.

    torchvision:resnet50    timm:repvit_m0_9    ultralytics:yolov8s@concat    own:yolov7@raw

After the @ stands what is left of a detector's head, since vendors cut it differently: `decoded` (as the
library exports it), `concat` (the levels' raw boxes and scores, joined per level), `raw` (not joined), `rknn`
(raw, scores through a sigmoid, and their sum clipped to 0..1), `anchors` (classic YOLO: one 1x1 convolution a
level), `yolox` and `yolov6` (their own heads, decoupled, without decoding).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

Tensor = Any
"""A torch.Tensor; torch has no types here."""


ACTIVATIONS = {"relu": "torch.nn.ReLU()"}
"""Endings of a name that stand for another activation: yolov5s-relu."""


def build(spec: str) -> tuple[nn.Module, str]:
    """Build a network in eval mode, and say where it comes from: "timm 1.0.31 repvit_m0_9"."""
    library, _, rest = spec.partition(":")
    name, _, option = rest.partition("@")
    model = BUILDERS[library](name, option).eval()
    origin = "torch" if library == "own" else library
    return model, f"{origin} {version(origin)} {name}" + (f", head {option}" if option else "")


def _torchvision(name: str, option: str) -> nn.Module:
    import torchvision

    torch.backends.mha.set_fastpath_enabled(False)  # the fused encoder has no ONNX form
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **extra)
    for auxiliary in ("aux1", "aux2", "AuxLogits"):
        if hasattr(model, auxiliary):
            setattr(model, auxiliary, None)
    if hasattr(model, "aux_logits"):
        model.aux_logits = False
    return GlobalPooled(model) if option == "pooled" else model


class GlobalPooled(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A VGG whose two hidden fully connected layers are replaced by global pooling."""

    def __init__(self, vgg: nn.Module) -> None:
        super().__init__()
        self.features, self.pool, self.last = vgg.features, nn.AdaptiveAvgPool2d(1), nn.Linear(512, 1000)

    def forward(self, image: Tensor) -> Tensor:
        """Give the class scores."""
        return self.last(self.pool(self.features(image)).flatten(1))


def _timm(name: str, option: str) -> nn.Module:
    import timm
    from timm.utils.model import reparameterize_model

    timm.layers.set_fused_attn(False)
    timm.layers.set_exportable(True)
    del option
    return reparameterize_model(timm.create_model(name, pretrained=False, exportable=True))


def _ultralytics(name: str, option: str) -> nn.Module:
    from ultralytics.nn.tasks import yaml_model_load

    base, _, last = name.rpartition("-")
    if last in ACTIVATIONS:
        return yolo({**yaml_model_load(f"{base}.yaml"), "activation": ACTIVATIONS[last]}, option)
    if base.startswith("yolov5") and last == "seg":  # classic: ultralytics has the detector alone
        config = yaml_model_load(f"{base}.yaml")
        config["head"][-1][2:] = ["Segment", ["nc", 32, 256]]
        return yolo(config, option)
    return yolo(yaml_model_load(f"{name}.yaml"), option)


def yolo(config: dict[str, Any], head: str) -> nn.Module:
    """Build a network from a configuration as ultralytics reads it, with batch norms folded."""
    from ultralytics.nn import tasks

    last = str(config["head"][-1][2])
    kinds = {"Segment": tasks.SegmentationModel, "Pose": tasks.PoseModel, "OBB": tasks.OBBModel}
    kinds |= {"Classify": tasks.ClassificationModel, "Segment26": tasks.SegmentationModel}
    model = kinds.get(last, tasks.DetectionModel)(config, ch=3, verbose=False).eval().fuse(verbose=False)
    for module in model.modules():
        if hasattr(module, "forward_split"):
            module.forward = (
                module.forward_split
            )  # as ultralytics exports it: a chunk would ask for the shape
    final = model.model[-1]
    final.export = True
    if head and head != "decoded":
        cut = _cut(final, head)
        cut.f, cut.i, cut.type = final.f, final.i, head
        model.model[-1] = cut.eval()
    return model


def _cut(final: nn.Module, head: str) -> nn.Module:
    if head == "anchors":
        return Anchors(_inputs_of(final), getattr(final, "proto", None))
    if head in ("yolox", "yolov6"):
        return Decoupled(_inputs_of(final), yolox=head == "yolox")
    return RawHead(final, head)


def _inputs_of(head: nn.Module) -> list[int]:
    return [_first_conv(branch).in_channels for branch in head.cv2]


def _first_conv(branch: nn.Module) -> nn.Module:
    return next(module for module in branch.modules() if isinstance(module, nn.Conv2d))


class RawHead(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A detector's head without its decoding."""

    def __init__(self, head: nn.Module, form: str) -> None:
        super().__init__()
        self.head, self.form = head, form

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Give each level's outputs, then the mask prototypes where there are some."""
        head = self.head
        branches = head.one2one if head.end2end else head.one2many
        found: list[Tensor] = []
        for level, feature in enumerate(features):
            outputs = [branch[level](feature) for branch in branches.values()]
            if self.form == "concat":
                outputs = [torch.cat(outputs[:2], 1), *outputs[2:]]
            if self.form == "rknn":
                scores = outputs[1].sigmoid()
                outputs[1:2] = [scores, scores.sum(1, keepdim=True).clamp(0, 1)]
            found += outputs
        return [*found, head.proto(features[0])] if hasattr(head, "proto") else found


class Anchors(nn.Module):  # type: ignore[misc]  # torch has no types here
    """The classic head: three anchors of 85 values a cell; with mask prototypes 32 coefficients more each."""

    def __init__(self, channels: list[int], proto: nn.Module | None) -> None:
        super().__init__()
        self.proto = proto
        self.levels = nn.ModuleList(nn.Conv2d(width, 351 if proto else 255, 1) for width in channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Give each level's scores, then the mask prototypes where there are some."""
        found = [conv(feature) for conv, feature in zip(self.levels, features, strict=True)]
        return [*found, self.proto(features[0])] if self.proto else found


class Decoupled(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Heads of YOLOX (one width, two convolutions a branch, an object score) and YOLOv6 (own widths, one)."""

    def __init__(self, channels: list[int], *, yolox: bool) -> None:
        super().__init__()
        from ultralytics.nn.modules import Conv

        def branch(width: int) -> nn.Module:
            return nn.Sequential(*(Conv(width, width, 3, act=nn.SiLU()) for _ in range(2 if yolox else 1)))

        widths = [channels[0] if yolox else width for width in channels]
        self.stems = nn.ModuleList(
            Conv(given, width, 1, act=nn.SiLU()) for given, width in zip(channels, widths, strict=True)
        )
        self.scores, self.boxes = (nn.ModuleList(branch(width) for width in widths) for _ in range(2))
        self.last_score = nn.ModuleList(nn.Conv2d(width, 80, 1) for width in widths)
        self.last_box = nn.ModuleList(nn.Conv2d(width, 4, 1) for width in widths)
        self.last_object = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths if yolox)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Give each level's boxes and scores; YOLOX joins them with the object score."""
        found: list[Tensor] = []
        for level, feature in enumerate(features):
            stem = self.stems[level](feature)
            score = self.last_score[level](self.scores[level](stem)).sigmoid()
            around = self.boxes[level](stem)
            box = self.last_box[level](around)
            if not self.last_object:
                found += [box, score]
            else:
                found.append(torch.cat([box, self.last_object[level](around).sigmoid(), score], 1))
        return found


def _own(name: str, option: str) -> nn.Module:
    from tools.network_graphs import GRAPHS

    return yolo(GRAPHS[name](), option)


BUILDERS: dict[str, Callable[[str, str], nn.Module]] = {
    "own": _own,
    "timm": _timm,
    "torchvision": _torchvision,
    "ultralytics": _ultralytics,
}
