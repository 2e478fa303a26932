"""`deploykit diff-input`: what a board did to a raw frame, beside the contract of a pipeline's input."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploykit.cli.options import format_option, pipeline_argument, set_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deploykit.artifacts.contract import InputContract


@click.command("diff-input")
@pipeline_argument
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("board", type=click.Path(path_type=Path))
@click.option("--network", default="", help="The network; default: the only one.")
@click.option("--input", "name", default="", help="The input; default: the only image.")
@click.option(
    "--dtype", default="", help="The board's type, for a file that does not say it; default: by its size."
)
@set_option
@format_option
def command(
    pipeline: Path,
    raw: Path,
    board: Path,
    network: str,
    name: str,
    dtype: str,
    overrides: tuple[str, ...],
    form: str,
) -> int:
    """Say how BOARD (the input that a board's network read: .npy or raw bytes) was made of the frame RAW (an
    image file or .npy), and which line of PIPELINE's `io:` differs. Exit code 1 where one does."""
    from deploykit.pipeline.config import load_config
    from deploykit.stages.input_alignment import align_input

    config, _ = load_config(pipeline, overrides)
    networks = {key: value.core.io for key, value in config.networks.items()}
    contract, place = _contract(networks, network, name)
    found = align_input(_frame(raw), _board(board, contract, dtype), contract)
    if form == "json":
        print(json.dumps({"input": place, **asdict(found)}, indent=1))
        return 1 if found.findings else 0
    for item in found.findings:
        print(f"{place}: {item.explanation}")
        for line in item.line.splitlines():
            print(f"    {line}")
    if not found.findings:
        print(f"{place}: the board's input is what the contract says, {found.max_abs:.3g} apart at most")
    return 1 if found.findings else 0


def _contract(
    networks: dict[str, dict[str, InputContract]], network: str, name: str
) -> tuple[InputContract, str]:
    from deploykit.core.errors import input_error
    from deploykit.core.names import did_you_mean

    if not network and len(networks) > 1:
        raise input_error("--network", f"the pipeline has {', '.join(networks)}", "name one of them")
    network = network or next(iter(networks))
    if network not in networks:
        raise input_error("--network", f"there is no network {network!r}{did_you_mean(network, networks)}")
    inputs = networks[network]
    images = [key for key, contract in inputs.items() if contract.is_image]
    if not name and len(images) != 1:
        raise input_error(
            "--input", f"{network} has {len(images)} image inputs", f"name one: {', '.join(inputs)}"
        )
    name = name or images[0]
    if name not in inputs:
        raise input_error("--input", f"there is no input {name!r}{did_you_mean(name, inputs)}")
    place = f"networks.{network}.io.{name}"
    if not inputs[name].shape:
        raise input_error(place, "its shape is not given", "write `shape:` there")
    return inputs[name], place


def _frame(path: Path) -> NDArray[Any]:
    from deploykit.tasks.images import read_image

    return _load(path) if path.suffix == ".npy" else read_image(path)


def _board(path: Path, contract: InputContract, dtype: str) -> NDArray[Any]:
    """Read the board's values; of raw bytes the size says the type, where it does."""
    import math

    import numpy

    from deploykit.core.dtypes import ELEMENT_TYPES, numpy_dtype
    from deploykit.core.errors import input_error
    from deploykit.core.names import did_you_mean

    if path.suffix == ".npy":
        return _load(path)
    if dtype and dtype not in ELEMENT_TYPES:
        raise input_error("--dtype", f"there is no type {dtype!r}{did_you_mean(dtype, ELEMENT_TYPES)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror or error}") from error
    count = math.prod(contract.shape)
    by_size = {count: "uint8", 2 * count: "float16", 4 * count: "float"}
    kind = dtype or by_size.get(len(data), "")
    if not kind or len(data) != count * numpy_dtype(kind).itemsize:
        what = f"{len(data)} bytes for {count} values of {list(contract.shape)}"
        raise input_error(str(path), what, "dump the whole tensor without gaps, or give --dtype")
    values: NDArray[Any] = numpy.frombuffer(data, numpy_dtype(kind))
    return values


def _load(path: Path) -> NDArray[Any]:
    import numpy

    from deploykit.core.errors import input_error

    try:
        values: NDArray[Any] = numpy.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise input_error(str(path), f"cannot be read as .npy: {error}") from error
    return values
