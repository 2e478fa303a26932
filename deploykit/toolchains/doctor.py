"""Look at an installed toolchain: does it still run, and is it what was installed?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deploykit.core.errors import DeploykitError
from deploykit.toolchains.environments import Installed, environment_of, installed
from deploykit.toolchains.install import ASIDE, packages_of
from deploykit.toolchains.protocol import Toolchain


def examine(toolchain: Toolchain, root: Path) -> Iterator[tuple[bool, str]]:
    """Give (fine, sentence) for each thing that was looked at."""
    environment = environment_of(toolchain.name, root)
    if toolchain.recipe is None:
        try:
            yield True, f"version {toolchain.version(environment)}, needs nothing"
        except DeploykitError as error:
            yield False, f"not here: {error}"
        return
    install = f"`deploykit toolchain install {toolchain.name}`"
    found = installed(toolchain.name, root)
    if found is None:
        begun = environment.folder.exists()
        state = "an installation was stopped before its end" if begun else "it is not installed"
        yield False, f"{state}: {install}"
        return
    wanted = toolchain.recipe.version
    fits = found.version == wanted
    yield fits, f"version {found.version}" + ("" if fits else f", {wanted} is wanted: {install} replaces it")
    try:
        yield True, f"{environment.python} gives version {toolchain.version(environment)}"
        yield from _packages(toolchain, found, root)
    except DeploykitError as error:
        yield False, str(error)
    for name in found.set_aside:
        yield True, f"{name} breaks on this system and was set aside ({Path(name).name}{ASIDE})"
    if found.torch_placeholder:
        yield True, "torch is a placeholder: what needs the real one does not work"
    yield (
        found.tested,
        (
            f"compiled and simulated a network in {found.test_s:.0f} s"
            if found.tested
            else f"its test did not pass or was never run: {install}"
        ),
    )


def _packages(toolchain: Toolchain, found: Installed, root: Path) -> Iterator[tuple[bool, str]]:
    _, now = packages_of(toolchain.name, environment_of(toolchain.name, root))
    changed = [
        f"{name} {found.packages.get(name, 'was not there')} is now {now.get(name, 'gone')}"
        for name in sorted(now.keys() | found.packages.keys())
        if now.get(name) != found.packages.get(name)
    ]
    if changed:
        yield False, f"packages differ from what was installed: {'; '.join(changed)}; remove and install it"
    else:
        yield True, f"{len(now)} packages as they were installed"
