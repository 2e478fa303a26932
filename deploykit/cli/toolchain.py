"""`deploykit toolchain`: vendors' compilers and simulators, each in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploykit.core.errors import input_error
from deploykit.toolchains import TOOLCHAINS, load_toolchain

if TYPE_CHECKING:
    from deploykit.toolchains.environments import Installed
    from deploykit.toolchains.protocol import Toolchain

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where toolchains lie.  [default: $DEPLOYKIT_TOOLCHAIN_FOLDER, else the user's cache]",
)


@click.group("toolchain")
def command() -> None:
    """Install vendors' compilers and simulators, each in an environment of its own."""


@command.command("install")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--accept-licence", is_flag=True, help="Accept the vendors' terms without being asked.")
@click.option("--python", type=click.Path(path_type=Path, dir_okay=False), help="The Python to build on.")
@folder_option
def install_command(
    names: tuple[str, ...], accept_licence: bool, python: Path | None, folder: Path | None
) -> None:
    """Install NAME...: pinned versions from the index that pip is configured for.

    An installation that was stopped is made anew by the same command.
    """
    from deploykit.toolchains.environments import toolchain_root
    from deploykit.toolchains.install import install

    root = toolchain_root(folder)
    found = [load_toolchain(name) for name in dict.fromkeys(names)]
    for toolchain in found:
        if toolchain.recipe is None:
            print(f"{toolchain.name}: nothing to install")
            continue
        _licence(toolchain.name, root, accepted=accept_licence)
        done = install(toolchain, root, python=python, told=lambda line: print(f"  {line}", flush=True))
        if not done.tested:
            print("  compiling and simulating a small network", flush=True)
            done = _tested(toolchain, done, root)
        size, seconds = f"{done.size_bytes / 1e6:.0f} MB", f"installed in {done.install_s:.0f} s"
        print(f"{done.name} {done.version}: {size}, {seconds}, tested in {done.test_s:.0f} s")


@command.command("list")
@folder_option
def list_command(folder: Path | None) -> None:
    """List the toolchains, and which of them are installed."""
    from deploykit.toolchains.environments import installed, toolchain_root

    root = toolchain_root(folder)
    for name in TOOLCHAINS:
        toolchain = load_toolchain(name)
        chips = ", ".join(toolchain.capabilities().chips)
        if toolchain.recipe is None:
            state = "needs nothing"
        elif found := installed(name, root):
            state = f"{found.version}, {found.size_bytes / 1e6:.0f} MB"
        else:
            state = f"not installed ({toolchain.recipe.version}, {toolchain.recipe.size_bytes / 1e6:.0f} MB)"
        print(f"{name:12} {state:36} {chips}")
    print(f"folder: {root}")


@command.command("doctor")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@folder_option
def doctor_command(names: tuple[str, ...], folder: Path | None) -> int:
    """Check installed toolchains (all, or NAME...): interpreter, versions, what was set aside."""
    from deploykit.toolchains.doctor import examine
    from deploykit.toolchains.environments import installed, toolchain_root

    root = toolchain_root(folder)
    for name in names:
        load_toolchain(name)
    healthy = True
    for name in names or TOOLCHAINS:
        toolchain = load_toolchain(name)
        if not names and toolchain.recipe is not None and installed(name, root) is None:
            print(f"  {name}: not installed")
            continue
        for fine, line in examine(toolchain, root):
            good = fine or (not names and toolchain.recipe is None)  # a tool that nobody asked for
            healthy &= good
            print(f"{'  ' if good else '! '}{name}: {line}")
    return 0 if healthy else 1


@command.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@folder_option
def remove_command(names: tuple[str, ...], folder: Path | None) -> None:
    """Remove NAME... with all files of its environment."""
    from deploykit.toolchains.environments import remove, toolchain_root

    root = toolchain_root(folder)
    for name in names:
        load_toolchain(name)
    for name in dict.fromkeys(names):
        print(f"{name}: {'removed' if remove(name, root) else 'was not installed'}")


def _tested(toolchain: Toolchain, done: Installed, root: Path) -> Installed:
    """Try an installed toolchain, and keep in its manifest that it works."""
    import dataclasses
    import tempfile

    from deploykit.stages.compile.smoke import smoke_test
    from deploykit.toolchains.environments import write_manifest

    with tempfile.TemporaryDirectory(dir=root / toolchain.name) as folder:
        seconds = smoke_test(toolchain, Path(folder), root)
    tested = dataclasses.replace(done, tested=True, test_s=seconds)
    write_manifest(tested, root)
    return tested


def _licence(name: str, root: Path, *, accepted: bool) -> None:
    """Show a vendor's terms and ask for them, once. Raises InputError where they are not accepted."""
    from deploykit.toolchains.environments import accept_licence, accepted_licences

    recipe = load_toolchain(name).recipe
    assert recipe is not None
    licence = recipe.licence
    if accepted_licences(root).accepted.get(name) == licence.url:
        return
    print(f"{name} comes under {licence.name} ({licence.url}): {licence.summary}", flush=True)
    if not accepted:
        try:
            accepted = click.confirm("Do you accept these terms?", default=False)
        except click.Abort:  # no terminal to ask on
            accepted = False
    if not accepted:
        fix = "answer yes, or give --accept-licence where nobody can be asked"
        raise input_error(f"toolchain {name}", "its licence was not accepted", fix)
    accept_licence(load_toolchain(name), root)
