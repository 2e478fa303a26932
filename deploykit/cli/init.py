"""`deploykit init`: a pipeline for the user's own model."""

from __future__ import annotations

from pathlib import Path

import click

from deploykit.core.errors import input_error


@click.command("init")
@click.argument("model", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--chip", required=True, help="The chip's name (`deploykit profile list`), or a profile's YAML."
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="A folder of images or arrays."
)
@click.option(
    "--shape",
    "shapes",
    metavar="INPUT=1x3x224x224",
    multiple=True,
    help="The shape of an input whose sizes are free; repeatable.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="[default: MODEL.yaml here]")
@click.option("--overwrite", is_flag=True, help="Write over a file that is there.")
def command(
    model: Path, chip: str, data: Path | None, shapes: tuple[str, ...], output: Path | None, overwrite: bool
) -> None:
    """Write a pipeline for MODEL (ONNX) that runs as it is; its comments say what to fill in."""
    from deploykit.cli.starter_text import starter_text
    from deploykit.core.profile import load_profile
    from deploykit.core.store import disk_faults
    from deploykit.pipeline.starter import read_starter

    target = output or Path(f"{model.stem}.yaml")
    if target.exists() and not overwrite:
        raise input_error(str(target), "is there already", "name another with --output, or give --overwrite")
    load_profile(chip, beside=target.parent)
    starter = read_starter(model, chip, target, shapes=dict(map(_shape, shapes)), data=data)
    with disk_faults(target.parent):
        target.write_text(starter_text(starter))
    print(f"wrote {target}; run it with: deploykit run {target}")


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.rpartition("=")
    parts = sizes.replace(",", "x").split("x")
    if not equals or not name or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise input_error(f"--shape {text}", "not of the form INPUT=1x3x224x224")
    return name, tuple(int(part) for part in parts)
