"""The group of all commands. A command's module is imported when it is called: `--help` stays quick."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

import click

import deploykit
from deploykit.core.errors import DeploykitError, InputError
from deploykit.stages import STAGES

COMMANDS: dict[str, str] = {
    "assess": "Say whether chips can run networks: latency, memory, what falls back, the best chip first.",
    "cache": "Show how large a pipeline's cache is, or clean it.",
    "completion": "Print the completion script of a shell.",
    "diff": "Compare a board's dump with a reference, tensor by tensor.",
    "diff-input": "Say what a board did to a raw frame before the network, and which line of `io:` differs.",
    "diff-steps": "Run two programs that dump their pre- or post-processing, and compare it step by step.",
    "doctor": "Say what is installed, found and missing.",
    "explore": "Write a page of a network's costs: chip, precision and sizes to choose, layer by layer.",
    "init": "Write a pipeline for a model of your own.",
    "llm": "Cost a language model on a chip from its config.json: prompt, decode, memory, tokens per second.",
    "pack": "Give buffers of known lifetimes their offsets in one block of memory.",
    "plan": "Say which steps a run would do, and why.",
    "plan-files": "Write the precision plan in a vendor's format: RKNN, tpu-mlir, TensorRT, Horizon, AIMET.",
    "profile": "Show the chip profiles, or calibrate one on networks that you measured.",
    "report": "Write the HTML page of a pipeline's newest results.",
    "run": "Run a pipeline; steps that are unchanged come from the cache.",
    "runs": "List past runs, or put two of them side by side.",
    "schema": "Print the JSON Schema of the pipeline YAML, for editors.",
    "toolchain": "Install vendors' compilers and simulators, each in an environment of its own.",
}
"""Each command's line of help; its code is `command` in `deploykit/cli/NAME.py` (with `_` for `-`)."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give all names: first the commands, then one a stage."""
        return [*COMMANDS, *STAGES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name.replace("-", "_") in STAGES:
            from deploykit.cli.stage import stage_command

            return stage_command(cmd_name.replace("-", "_"))
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"deploykit.cli.{cmd_name.replace('-', '_')}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two lists of the help page."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Steps (`deploykit STEP PIPELINE`: what it needs, then the step)"):
            formatter.write_dl([(name, stage.doc) for name, stage in STAGES.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown name is answered with the nearest one."""
        name = args[0]
        if name not in COMMANDS and name.replace("-", "_") not in STAGES and not name.startswith("-"):
            from deploykit.core.names import did_you_mean

            ctx.fail(f"no command {name!r}{did_you_mean(name, (*COMMANDS, *STAGES))}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(deploykit.__version__, prog_name="deploykit")
def cli() -> None:
    """Take trained networks to edge AI chips: from ONNX to a package that an application links.

    \b
    deploykit run pipelines/bev.yaml              the whole pipeline
    deploykit init model.onnx --chip rk3588       a pipeline for your own model
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and give the exit code."""
    try:
        code = cli.main(list(arguments), prog_name="deploykit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return 130
    except DeploykitError as error:
        _tell(error)
        return error.exit_code
    except BrokenPipeError:
        return 0  # the reader of our output has seen enough (`| head`)
    except Exception:  # the last net: whatever reaches it is our fault, and says so
        traceback.print_exc()
        _say("this is a fault of deploykit's: please report it with the lines above")
        return 3


def _tell(error: DeploykitError) -> None:
    for note in getattr(error, "__notes__", ()):
        _say(note)
    faults = [str(fault) for fault in error.faults] if isinstance(error, InputError) else [str(error)]
    for fault in faults:
        _say(f"error: {fault}")
    if len(faults) > 1:
        _say(f"{len(faults)} errors")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
