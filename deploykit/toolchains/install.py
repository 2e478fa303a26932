"""Make a toolchain's environment: a venv of its own, pip with pinned versions, a manifest at the end.

Nothing is repaired: a folder without manifest was left by an installation that was stopped, and is made anew;
what was downloaded comes from pip's own cache then. pip asks the index that this machine is configured for.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploykit.core.errors import EnvironmentFault
from deploykit.core.process import Finished, run_program
from deploykit.core.store import disk_faults
from deploykit.toolchains.environments import Installed, environment_of, installed, lock, write_manifest
from deploykit.toolchains.interpreters import find_python
from deploykit.toolchains.protocol import Environment, Recipe, Toolchain
from deploykit.toolchains.torch_placeholder import write_torch_placeholder

CLEAN = {"PYTHONPATH": "", "PYTHONHOME": "", "VIRTUAL_ENV": "", "PYTHONNOUSERSITE": "1"}
"""Our own environment's variables do not reach another interpreter (an empty one counts as not set)."""

STEP_LIMIT_S = 3600.0
ASIDE = ".set-aside"

PACKAGES = (
    "import importlib.metadata as m, json, sysconfig; "
    "print(json.dumps([sysconfig.get_paths()['purelib'], "
    "{d.name: d.version for d in m.distributions()}]))"
)

UNREACHABLE = "the index cannot be reached: check the network and `pip config list`"

HINTS = {
    "No space left on device": "free some space, or name another folder with --folder",
    "No matching distribution found": "the index that pip is configured for has no such version for this "
    "Python; see the log for those that it has",
    "Temporary failure in name resolution": UNREACHABLE,
    "Max retries exceeded": UNREACHABLE,
    "externally-managed-environment": "the interpreter refuses environments: name another with --python",
}


def install(
    toolchain: Toolchain,
    root: Path,
    *,
    python: Path | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Installed:
    """Install a toolchain, or find that it is there already. `told` hears what is being done.

    Raises:
        InputError: the given Python does not fit.
        EnvironmentFault: no Python, no space, no network, or pip failed.
    """
    recipe = toolchain.recipe
    if recipe is None:
        raise EnvironmentFault(f"toolchain {toolchain.name}: there is nothing to install")
    with lock(toolchain.name, root), disk_faults(root, "--folder"):
        found = installed(toolchain.name, root)
        if found is not None and found.version == recipe.version:
            return found
        return _install(toolchain.name, recipe, root, python, told)


def _install(
    name: str, recipe: Recipe, root: Path, python: Path | None, told: Callable[[str], None]
) -> Installed:
    begun = time.monotonic()
    base = find_python(recipe.python, given=python, toolchain=name)
    environment = environment_of(name, root)
    shutil.rmtree(environment.folder, ignore_errors=True)
    free = shutil.disk_usage(root).free
    if free < recipe.size_bytes:
        raise EnvironmentFault(
            f"toolchain {name}: it takes {recipe.size_bytes / 1e9:.1f} GB, {root} has {free / 1e9:.1f} GB "
            "left; free some space, or name another folder with --folder"
        )
    environment.folder.mkdir(parents=True)
    told(f"making an environment with {base}")
    _run(name, environment, [str(base), "-I", "-m", "venv", str(environment.folder / "venv")])
    for step in recipe.steps:
        told(f"installing {', '.join(step)}")
        _pip(name, environment, step)
    if recipe.bare:
        told(f"installing {', '.join(recipe.bare)}")
        _pip(name, environment, ("--no-deps", *recipe.bare))
    site, packages = packages_of(name, environment)
    if recipe.torch_placeholder:
        write_torch_placeholder(site)
    manifest = Installed(
        name=name,
        version=recipe.version,
        python=str(base),
        packages=packages,
        set_aside=_set_aside(site, recipe.set_aside),
        torch_placeholder=recipe.torch_placeholder,
        size_bytes=folder_bytes(environment.folder),
        install_s=round(time.monotonic() - begun, 1),
    )
    write_manifest(manifest, root)
    return manifest


def packages_of(name: str, environment: Environment) -> tuple[Path, dict[str, str]]:
    """Give an environment's site-packages, and what is installed there by distribution."""
    done = _run(name, environment, [str(environment.python), "-I", "-c", PACKAGES], log="packages.json")
    site, packages = json.loads(done.text())
    return Path(site), dict(sorted(packages.items()))


def folder_bytes(folder: Path) -> int:
    """Give the size of all files below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def _pip(name: str, environment: Environment, arguments: Sequence[str]) -> None:
    pip = ["-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]
    _run(name, environment, [str(environment.python), *pip, *arguments])


def _run(name: str, environment: Environment, arguments: list[str], log: str = "install.log") -> Finished:
    done = run_program(
        arguments,
        environment.folder,
        output=environment.folder / log,
        time_limit_s=STEP_LIMIT_S,
        environment=CLEAN,
    )
    if done.code != 0:
        text = done.text()
        hint = next((hint for mark, hint in HINTS.items() if mark in text), "run the same command again")
        shown = " ".join(arguments[:1] if log != "install.log" else arguments[3:])
        raise EnvironmentFault(f"toolchain {name}: `{shown}` {done.how}; {done.kept}; {hint}")
    return done


def _set_aside(site: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """Rename files that break on this system; gives their paths below site-packages."""
    found = sorted(file for pattern in patterns for file in site.glob(pattern))
    for file in found:
        file.rename(file.with_name(file.name + ASIDE))
    return tuple(str(file.relative_to(site)) for file in found)
