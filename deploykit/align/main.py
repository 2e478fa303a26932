"""The command line of the comparison, the same in `deploykit diff` and in the one-file build."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from deploykit.core.errors import DeploykitError, InputError, input_error

if TYPE_CHECKING:
    from deploykit.align.network import OpenNetwork
    from deploykit.align.pictures import Picture
    from deploykit.align.result import Diff

Draw: TypeAlias = "Callable[[Diff, Sequence[Picture]], str]"
"""Makes a page, as text, of a result and its pictures."""

DEFAULT_TOLERANCE = "*:sqnr_db>=20"

ABOUT = """Compare a board's dump with a reference, tensor by tensor.

REFERENCE and BOARD are files (.npy .npz .bin .raw .txt, Polygraphy .json) or folders of them,
a folder with a manifest (deploykit_dump.tsv or .json, MNN-QNN's), what the tools of RKNN,
SNPE and QNN, TIDL, Horizon and Ascend dump, or a step of a pipeline
(.deploykit/latest/PIPELINE.NETWORK.dump.json)."""

EXIT_CODES = """Exit codes: 0 all match, 1 a mismatch, 2 bad input, 3 a fault of ours, 4 not everything
was compared. Texts for --tolerance, --contract and --group may stand in a file: @FILE."""


class HelpPage(argparse.RawDescriptionHelpFormatter):
    """A help page that begins as those of the other commands."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Write Usage with a capital."""
        super().add_usage(usage, actions, groups, prefix or "Usage: ")


def parser() -> argparse.ArgumentParser:
    """Give the one list of options."""
    made = argparse.ArgumentParser(
        prog="deploykit diff",
        description=ABOUT,
        epilog=EXIT_CODES,
        formatter_class=HelpPage,
    )
    made.add_argument("reference", nargs="?", type=Path, metavar="REFERENCE")
    made.add_argument("board", nargs="?", type=Path, metavar="BOARD")
    limits = f"'PATTERN:measure>=number,...'; the last that fits decides ({DEFAULT_TOLERANCE})"
    many = (
        ("--tolerance", "P:LIMITS", limits),
        ("--contract", "P:FIELDS", "'PATTERN:field=value,...': how the board's tensors lie in memory"),
        ("--reference-contract", "P:FIELDS", "the same for raw files of the reference"),
        ("--group", "GROUP", "'[PATTERN@]NAME=AXIS:FIRST-LAST,...': measure a part by itself, too"),
        ("--map", "FILE", "two names a line, ours and the board's; or 'REFERENCE=BOARD'"),
        ("--pattern", "P=P", "'REFERENCE=BOARD' with one * each, such as '/head/*=head_*'"),
        ("--exclude", "P", "leave out tensors of the reference whose name fits"),
    )
    for name, kind, text in many:
        made.add_argument(name, action="append", default=[], metavar=kind, help=text)
    made.add_argument(
        "--order", type=Path, help="a file with the tensors' names in the order they are computed in"
    )
    made.add_argument(
        "--reference-as", default="", metavar="KIND", help="read the reference as this kind of dump"
    )
    made.add_argument("--board-as", default="", metavar="KIND", help="read the board's dump as this kind")
    made.add_argument(
        "--clips",
        type=_counts,
        default=(),
        metavar="N,N",
        help="frames of each clip (a pipeline's are known); one .npy may hold all",
    )
    for name, text in (("carried", "never reset"), ("stateless", "with a zero state in each frame")):
        made.add_argument(
            f"--reference-{name}",
            type=Path,
            metavar="DUMP",
            help=f"the reference, run {text}: to tell faults",
        )
    made.add_argument(
        "--between",
        action="append",
        default=[],
        metavar="LABEL=DUMP",
        help="a dump on the way from REFERENCE to BOARD (quantized, simulator), in order: which step broke",
    )
    made.add_argument(
        "--model", type=Path, metavar="ONNX", help="the reference's network: each layer's own error beside"
    )
    made.add_argument("--exact", action="store_true", help="all sums in float64")
    made.add_argument(
        "--details", action="store_true", help="quantiles, steps, top-k, channels and batch items too"
    )
    made.add_argument(
        "--noise", type=_share, default=0.02, help="relative error that counts as rounding (0.02)"
    )
    made.add_argument("--no-diagnosis", action="store_true", help="do not look for the cause of a mismatch")
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the result as JSON, too")
    made.add_argument("--page", type=Path, metavar="FILE", help="write a page with pictures, as HTML")
    made.add_argument("--judge", type=Path, metavar="RESULT", help="judge a result again; no tensor is read")
    made.add_argument("--format", choices=("text", "json"), default="text")
    return made


def main(
    arguments: Sequence[str] | None = None,
    *,
    draw: Draw | None = None,
    open_network: OpenNetwork | None = None,
) -> int:
    """Run the command and give the exit code; `draw` makes the page and `open_network` reads an ONNX file,
    where there is something that can."""
    options = parser()
    try:
        given = options.parse_args(arguments)
        return run(given, draw=draw, open_network=open_network)
    except SystemExit as error:  # argparse has said what is wrong
        return error.code if isinstance(error.code, int) else 2
    except DeploykitError as error:
        faults = error.faults if isinstance(error, InputError) else (error,)
        for fault in faults:
            print(f"error: {fault}", file=sys.stderr)
        if len(faults) > 1:
            print(f"{len(faults)} errors", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader has seen enough (`| head`)
        return 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception:  # the last net: whatever reaches it is our fault, and says so
        traceback.print_exc()
        print("this is a fault of deploykit's: please report it with the lines above", file=sys.stderr)
        return 3


def run(
    given: argparse.Namespace, *, draw: Draw | None = None, open_network: OpenNetwork | None = None
) -> int:
    """Compare or judge, write, print."""
    from deploykit.align.result import from_json, judge, to_json
    from deploykit.align.specs import parse_tolerances
    from deploykit.align.terminal import text_of

    tolerances = parse_tolerances(given.tolerance or [DEFAULT_TOLERANCE])
    pictures: tuple[Picture, ...] = ()
    if given.page is not None and draw is None:
        raise input_error("--page", "this build draws no pages", "write -o RESULT, or install deploykit")
    if given.model is not None and open_network is None:
        raise input_error("--model", "this build runs no networks", "leave it out, or install deploykit")
    if given.judge is not None:
        if given.reference is not None:
            raise input_error("--judge", "judges a result: give no dumps beside it")
        diff = judge(from_json(given.judge), tolerances)
        diff = replace(diff, broken_step=f"{diff.broken_step} (not judged again)" if diff.steps else "")
    elif given.reference is None or given.board is None:
        raise input_error(
            "deploykit diff", "two dumps are compared", "give REFERENCE and BOARD (--help shows more)"
        )
    else:
        from deploykit.align.verdict import compare_and_judge

        network = open_network(given.model) if given.model is not None and open_network is not None else None
        diff, pictures = compare_and_judge(given, tolerances, network)
    if given.output is not None:
        _write(given.output, to_json(diff))
    if given.page is not None and draw is not None:
        _write(given.page, draw(diff, pictures))
    print(to_json(diff) if given.format == "json" else text_of(diff))
    return diff.exit_code


def _share(text: str) -> float:
    """Read a number that is not below zero; NaN is none."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return value


def _counts(text: str) -> tuple[int, ...]:
    """Read numbers of frames."""
    counts = tuple(int(word) for word in text.split(","))
    if min(counts) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a clip has at least one frame")
    return counts


def _write(path: Path, text: str) -> None:
    """Write beside, then replace: who reads meanwhile sees the old result or the new one."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text + "\n")
        os.replace(beside, path)
    except OSError as error:
        raise input_error(str(path), f"cannot be written: {error.strerror or error}") from error
