"""Train the bird's-eye detector from nothing but seeds, and export it: see docs/bev_model.md.

    python -m tools.train_bev --cache /tmp/bev-cache --out pipelines/models

Two processes of one thread each take half of every batch and average their gradients, so the result depends
on the seed and not on timing. A run that was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from deploykit.tasks.bev import metric
from deploykit.tasks.bev.decode import decode
from deploykit.tasks.bev.scene import generate_clip
from deploykit.tasks.bev.task import network_inputs
from tools.bev_data import Batch, generate_cache, make_batch
from tools.bev_export import export_detector
from tools.bev_network import BEV_CHANNELS, BevDetector

REGRESSION_WEIGHTS = (1.0, 1.0, 0.3, 0.3, 0.3, 0.5, 0.5, 0.2, 0.2)
DEPTH_WEIGHT = 0.5
EMA_DECAY = 0.998
WORKERS = 2


@dataclass(frozen=True)
class Recipe:
    """What the result depends on."""

    clips: int
    clip_frames: int
    frames: int
    clips_per_worker: int
    updates: int
    peak_rate: float
    weight_decay: float
    seed: int


def main() -> None:
    """Generate the data, train in two processes, export, and write what was reached on the dev split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for generated clips and checkpoints"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for bev.onnx and bev.json")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--clip-frames", type=int, default=5)
    parser.add_argument("--frames", type=int, default=4, help="frames that gradients flow through")
    parser.add_argument("--clips-per-worker", type=int, default=1)
    parser.add_argument("--updates", type=int, default=2400)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dev-clips", type=int, default=16)
    parser.add_argument("--run", default="run", help="name of the checkpoint inside the cache folder")
    options = parser.parse_args()
    recipe = Recipe(**{name: getattr(options, name) for name in Recipe.__dataclass_fields__})
    started = time.monotonic()
    generate_cache(options.cache / "clips", recipe.clips, recipe.clip_frames, workers=WORKERS)
    print(f"data ready after {time.monotonic() - started:.0f} s", flush=True)
    # Large pages for the workers' tensors save about a tenth of the time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    meeting = options.cache / f"{options.run}.meeting"
    meeting.unlink(missing_ok=True)
    torch.multiprocessing.spawn(_worker, (recipe, options.cache, options.run, str(meeting)), nprocs=WORKERS)
    torch.set_num_threads(2)
    checkpoint = torch.load(_checkpoint(options.cache, options.run), weights_only=True)
    model = BevDetector()
    model.load_state_dict(checkpoint["ema"])
    options.out.mkdir(parents=True, exist_ok=True)
    difference = export_detector(model, options.out / "bev.onnx")
    dev = evaluate(model, options.dev_clips)
    seconds = sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    facts = {
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "torch": torch.__version__.split("+")[0],
        "largest_difference_to_torch": difference,
        "dev_clips": options.dev_clips,
        "dev": {name: round(value, 4) for name, value in dev.items()},
    }
    (options.out / "bev.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(json.dumps(facts["dev"]))
    print(f"{seconds:.0f} CPU-s in all, {time.monotonic() - started:.0f} s by the clock")


def losses(model: BevDetector, batch: Batch) -> dict[str, Tensor]:
    """Return the weighted loss terms of one batch."""
    images = torch.from_numpy(batch.images)
    logits, regressions, depth_logits = model.clips(images, torch.from_numpy(batch.ego_motion))
    heat, weight = torch.from_numpy(batch.heat), torch.from_numpy(batch.weight)
    peak = heat == 1.0
    score = logits.sigmoid()
    # Penalty-reduced focal loss (Zhou et al., Objects as Points, 2019, eq. 1).
    hit = (1 - score) ** 2 * functional.logsigmoid(logits) * peak
    miss = (1 - heat) ** 4 * score**2 * functional.logsigmoid(-logits) * ~peak
    heat_loss = -(weight * (hit + miss)).sum() / peak.sum().clamp(min=1)
    clip, step, row, column = torch.from_numpy(batch.cells).unbind(1)
    got = regressions[clip, step, :, row, column]
    off = functional.smooth_l1_loss(got, torch.from_numpy(batch.regressions), beta=0.1, reduction="none")
    cell_weight = torch.from_numpy(batch.cell_weight)
    importance = cell_weight[:, None] * torch.tensor(REGRESSION_WEIGHTS)
    regression_loss = (off * importance).sum() / cell_weight.sum().clamp(min=1)
    depth_loss = functional.cross_entropy(depth_logits, torch.from_numpy(batch.depth)) * DEPTH_WEIGHT
    return {"heat": heat_loss, "regression": regression_loss, "depth": depth_loss}


def evaluate(model: BevDetector, clips: int, frames: int = 6) -> dict[str, float]:
    """Return the task's metrics on the dev split, which nothing is trained on."""
    model.eval()
    records = []
    for index in range(clips):
        memory = torch.zeros(1, BEV_CHANNELS, 64, 64)
        outcome = []
        for frame in generate_clip("dev", index, frames):
            inputs = network_inputs(frame)
            with torch.no_grad():
                heat, values, memory = model(
                    torch.from_numpy(inputs["images"]), memory, torch.from_numpy(inputs["ego_motion"])
                )
            outcome.append((frame.labels, decode(heat.numpy(), values.numpy())))
        records.append(metric.match_clip(outcome))
    return metric.summarise(records)


def _worker(rank: int, recipe: Recipe, cache: Path, run: str, meeting: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORKERS)
    model = BevDetector().to(memory_format=torch.channels_last)
    ema = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(_parameter_groups(model, recipe.weight_decay), lr=recipe.peak_rate)
    first = 0
    if _checkpoint(cache, run).exists():
        saved = torch.load(_checkpoint(cache, run), weights_only=True)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["updates"]
    dist.barrier()
    model.train()
    means: dict[str, float] = {}
    started = time.monotonic()
    for update in range(first, recipe.updates):
        for group in optimizer.param_groups:
            group["lr"] = rate(update, recipe)
        rng = np.random.default_rng((recipe.seed, 7, rank, update))
        indices = batch_indices(update, rank, recipe)
        batch = make_batch(cache / "clips", indices, recipe.frames, rng, augment=True)
        optimizer.zero_grad(set_to_none=False)
        terms = losses(model, batch)
        sum(terms.values(), torch.zeros(())).backward()
        _average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        _update_ema(ema, model, min(EMA_DECAY, (1 + update) / (10 + update)))
        for name, value in terms.items():
            means[name] = 0.98 * means.get(name, value.item()) + 0.02 * value.item()
        if rank == 0 and (update + 1) % 20 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            print(
                f"{update + 1} {shown} {time.monotonic() - started:.0f} s, CPU {time.process_time():.0f} s",
                flush=True,
            )
        if rank == 0 and ((update + 1) % 100 == 0 or update + 1 == recipe.updates):
            state: dict[str, Any] = {"model": model.state_dict(), "ema": ema.state_dict()}
            _save(
                _checkpoint(cache, run), {**state, "optimizer": optimizer.state_dict(), "updates": update + 1}
            )
    dist.barrier()
    dist.destroy_process_group()


def rate(update: int, recipe: Recipe) -> float:
    """Return the learning rate: a linear rise over the first 8 %, then a cosine to 1 % of the peak."""
    rise = max(1, int(0.08 * recipe.updates))
    if update < rise:
        return recipe.peak_rate * (update + 1) / rise
    share = (update - rise) / max(1, recipe.updates - rise)
    return recipe.peak_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def batch_indices(update: int, rank: int, recipe: Recipe) -> list[int]:
    """Return a worker's clips: every epoch goes once through all clips in an order of its own."""
    whole = WORKERS * recipe.clips_per_worker
    per_epoch = recipe.clips // whole
    order = np.random.default_rng((recipe.seed, 5, update // per_epoch)).permutation(recipe.clips)
    start = (update % per_epoch) * whole + rank * recipe.clips_per_worker
    return [int(i) for i in order[start : start + recipe.clips_per_worker]]


def _parameter_groups(model: BevDetector, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _average_gradients(model: BevDetector) -> None:
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= WORKERS
    for gradient, part in zip(
        gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def _update_ema(ema: BevDetector, model: BevDetector, decay: float) -> None:
    with torch.no_grad():
        for kept, new in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)


def _checkpoint(cache: Path, run: str) -> Path:
    return cache / f"{run}.pt"


def _save(path: Path, state: dict[str, Any]) -> None:
    # Beside, then renamed: a run stopped in the middle of writing keeps its last whole checkpoint.
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    os.replace(beside, path)


if __name__ == "__main__":
    main()
