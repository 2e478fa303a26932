"""Where toolchains are installed, and what is there.

ROOT/licences.json          the terms that the user has accepted
ROOT/NAME.lock              held while NAME is installed or removed
ROOT/NAME/venv/             the environment
ROOT/NAME/install.log       what pip said
ROOT/NAME/toolchain.json    what was installed; written last: without it the folder counts for nothing
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploykit.core.codec import decode, encode
from deploykit.core.errors import EnvironmentFault, input_error
from deploykit.toolchains.protocol import Environment, Toolchain

FOLDER_VARIABLE = "DEPLOYKIT_TOOLCHAIN_FOLDER"
MANIFEST = "toolchain.json"
LICENCES = "licences.json"


@dataclass(frozen=True)
class Installed:
    """An installed toolchain. `packages` are the distributions with their versions as pip left them,
    `set_aside` files that were renamed (below site-packages). `tested` tells that a network was compiled
    and simulated; `test_s` is what that took."""

    name: str
    version: str
    python: str
    packages: dict[str, str]
    set_aside: tuple[str, ...]
    torch_placeholder: bool
    size_bytes: int
    install_s: float
    tested: bool = False
    test_s: float = 0.0


@dataclass(frozen=True)
class Licences:
    """Names of toolchains whose terms were accepted, with the address of these terms."""

    accepted: dict[str, str] = field(default_factory=dict)


def toolchain_root(given: Path | None = None) -> Path:
    """Give the folder of all toolchains: the given one, the variable's, else the user's cache."""
    if given is not None:
        return given.absolute()
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "deploykit" / "toolchains"


def environment_of(name: str, root: Path) -> Environment:
    """Give the place of a toolchain's environment, installed or not."""
    folder = root / name
    scripts = "Scripts" if os.name == "nt" else "bin"
    return Environment(folder, folder / "venv" / scripts / "python")


def installed(name: str, root: Path) -> Installed | None:
    """Say what is installed under a name; None where nothing is, or not to the end."""
    file = root / name / MANIFEST
    if not file.is_file() or not environment_of(name, root).python.exists():
        return None
    return decode(Installed, file.read_bytes(), str(file))


def ready_environment(toolchain: Toolchain, root: Path) -> Environment:
    """Give the environment of a toolchain that can be used.

    Raises:
        InputError: not installed, or installed in another version than this deploykit wants.
    """
    if toolchain.recipe is None:
        return environment_of(toolchain.name, root)
    found = installed(toolchain.name, root)
    install = f"deploykit toolchain install {toolchain.name}"
    if found is None:
        fix = f"`{install}`, or name the folder where it is in {FOLDER_VARIABLE}"
        raise input_error(f"toolchain {toolchain.name}", f"it is not installed in {root}", fix)
    if found.version != toolchain.recipe.version:
        what = f"version {found.version} is installed in {root}, {toolchain.recipe.version} is wanted"
        raise input_error(f"toolchain {toolchain.name}", what, f"`{install}` replaces it")
    return environment_of(toolchain.name, root)


def write_manifest(found: Installed, root: Path) -> None:
    """Write what is installed; it appears whole or not at all."""
    _write(root / found.name / MANIFEST, encode(found))


def accepted_licences(root: Path) -> Licences:
    """Give the terms that were accepted."""
    file = root / LICENCES
    return decode(Licences, file.read_bytes(), str(file)) if file.is_file() else Licences()


def accept_licence(toolchain: Toolchain, root: Path) -> None:
    """Keep that the user accepted a toolchain's terms."""
    assert toolchain.recipe is not None
    root.mkdir(parents=True, exist_ok=True)
    accepted = {**accepted_licences(root).accepted, toolchain.name: toolchain.recipe.licence.url}
    _write(root / LICENCES, encode(Licences(accepted)))


def remove(name: str, root: Path) -> bool:
    """Remove a toolchain, also one that was half installed; says whether there was anything."""
    folder = root / name
    if not folder.exists():
        return False
    with lock(name, root):
        (folder / MANIFEST).unlink(missing_ok=True)  # first: a killed removal leaves nothing that looks whole
        shutil.rmtree(folder)
    return True


@contextlib.contextmanager
def lock(name: str, root: Path) -> Iterator[None]:
    """Hold a toolchain against another process that installs or removes it."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / f"{name}.lock", timeout=0):
            yield
    except Timeout:
        raise EnvironmentFault(
            f"toolchain {name}: another process installs or removes it in {root}; wait for that one"
        ) from None


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(content)
    os.replace(part, file)
