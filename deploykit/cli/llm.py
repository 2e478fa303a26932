"""`deploykit llm`: a language model on a chip, from its `config.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deploykit.cli.options import format_option
from deploykit.core.profile import load_profile


class FiniteRange(click.FloatRange):
    """A number in a range; "nan" is none, though it compares as if it were in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value, or fail."""
        number = super().convert(value, param, ctx)
        return (
            number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number.", param, ctx)
        )


BITS = FiniteRange(min=1, max=32)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each field of `LlmParams`."""
    options = (
        click.option("--prompt", type=click.IntRange(1, 2**24), default=2048, help="Tokens of the prompt."),
        click.option("--generate", type=click.IntRange(2, 2**24), default=128, help="Tokens that come out."),
        click.option("--batch", type=click.IntRange(1, 2**16), default=1, help="Sequences at a time."),
        click.option(
            "--weight-bits", type=BITS, default=16, help="Bits of a weight, scales included (4.125)."
        ),
        click.option("--activation-bits", type=BITS, default=16, help="Bits of an activation."),
        click.option("--kv-bits", type=BITS, default=16, help="Bits of a value in the key-value cache."),
        click.option("--flash", is_flag=True, help="Keep the scores of the attention on chip."),
        click.option(
            "--tensor-parallel", type=click.IntRange(1, 4096), default=1, help="Chips that share a layer."
        ),
        click.option(
            "--link-bytes-per-s",
            type=FiniteRange(min=1e6),
            show_default="their exchange takes no time",
            help="Bandwidth between those chips.",
        ),
        click.option(
            "--sparsity",
            type=FiniteRange(min=0, max=1, max_open=True),
            default=0,
            help="Share of the layers' weights that are zero and not stored.",
        ),
        click.option(
            "--index-bits",
            type=FiniteRange(min=0, max=32),
            default=0,
            help="Bits that say where a stored weight stands: 2 for 2:4.",
        ),
        click.option("--skips-zeros", is_flag=True, help="The hardware computes the stored weights only."),
        click.option(
            "--low-rank",
            type=FiniteRange(min=0, max=1, min_open=True),
            default=1,
            help="Share of the layers' weights that two factors of lower rank keep.",
        ),
        click.option(
            "--accounting",
            type=click.Choice(["clean", "published"]),
            default="clean",
            help="`published`: as the printed table of LLM-Viewer counts.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("llm", context_settings={"show_default": True})
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--chip", required=True, help="A chip profile: its name, or a YAML file.")
@_options
@click.option("--draft", type=click.Path(path_type=Path, dir_okay=False), help="A draft model's config.json.")
@click.option("--draft-tokens", type=click.IntRange(1, 64), default=4, help="Tokens that it drafts a round.")
@click.option(
    "--acceptance",
    type=FiniteRange(min=0, max=1, max_open=True),
    default=0.7,
    help="Probability that a drafted token is kept: measure it.",
)
@click.option(
    "--curve",
    "curves",
    multiple=True,
    metavar="NAME=V,V,...",
    help="Cost each of these values instead (batch=1,4,16); repeat it for a grid.",
)
@format_option
def command(
    config: Path,
    chip: str,
    draft: Path | None,
    draft_tokens: int,
    acceptance: float,
    curves: tuple[str, ...],
    form: str,
    **options: Any,
) -> None:
    """Cost the language model of CONFIG (its config.json) on a chip: prompt, decode, memory, speed."""
    from deploykit.analysis.llm.config import read_config
    from deploykit.analysis.llm.costs import cost_llm
    from deploykit.analysis.llm.curves import cost_curves
    from deploykit.analysis.llm.params import LlmParams
    from deploykit.analysis.llm.speculative import cost_speculative
    from deploykit.cli.llm_text import lines, plain, print_curves, speculative_lines
    from deploykit.core.codec import to_plain

    model = read_config(config)
    profile, _ = load_profile(chip, beside=Path.cwd())
    params = LlmParams(**options)
    if curves:
        axes = _axes(curves)
        points = cost_curves(model, profile, params, axes=axes, where=str(config))
        print_curves(points, tuple(axes), form)
        return
    cost = cost_llm(model, profile, params, where=str(config))
    speculative = None
    if draft is not None:
        speculative = cost_speculative(
            cost,
            read_config(draft),
            profile,
            draft_tokens=draft_tokens,
            acceptance=acceptance,
            where=str(draft),
        )
    if form == "json":
        print(json.dumps(plain(cost) | {"speculative": to_plain(speculative)}, indent=2))
        return
    for line in (*lines(cost, profile.engines[0].count), *speculative_lines(speculative)):
        print(line)


def _axes(curves: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """Read `batch=1,4` options.

    Raises:
        InputError: every one that cannot be read.
    """
    from deploykit.analysis.llm.curves import AXES
    from deploykit.core.errors import Fault, InputError
    from deploykit.core.names import did_you_mean

    axes: dict[str, tuple[float, ...]] = {}
    faults = []
    for curve in curves:
        name, _, text = curve.partition("=")
        key = name.strip().replace("-", "_")
        where = f"--curve {curve}"
        if key not in AXES:
            faults.append(
                Fault(where, f"no axis {name!r}{did_you_mean(key, AXES)}", f"known: {', '.join(AXES)}")
            )
        elif key in axes:
            faults.append(Fault(where, f"{name} is given twice", "list all its values in one --curve"))
        else:
            try:
                axes[key] = tuple(_value(key, part) for part in text.split(","))
            except ValueError as error:
                faults.append(Fault(where, str(error), "values are numbers with commas between them"))
    if faults:
        raise InputError(*faults)
    return axes


def _value(key: str, text: str) -> float:
    """Read one value of an axis; allowed is what the option of the same name allows."""
    option = next(option for option in command.params if option.name == key)
    try:
        value: float = option.type.convert(text.strip(), option, None)
    except click.BadParameter as error:
        raise ValueError(error.message) from error
    return value
