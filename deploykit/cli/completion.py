"""`deploykit completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL; for bash: `eval "$(deploykit completion bash)"`."""
    from click.shell_completion import get_completion_class

    from deploykit.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    print(found(cli, {}, "deploykit", "_DEPLOYKIT_COMPLETE").source())
