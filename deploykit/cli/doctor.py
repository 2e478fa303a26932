"""`deploykit doctor`: what is installed, found and missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click

import deploykit
from deploykit.cli.options import store_of, workspace_option
from deploykit.core.errors import DeploykitError
from deploykit.core.profile import load_profile, profile_names
from deploykit.solve.memory.compiled import core

EXTRAS = {
    "ortools": "`deploykit pack --cp-sat`: pip install 'deploykit[cp-sat]'",
    "torch": "export from PyTorch (`export.torch`), training: pip install 'deploykit[torch]'",
    "rapidocr_onnxruntime": "pipelines/ocr.yaml: pip install 'deploykit[ocr]'",
}


@click.command("doctor")
@click.argument("pipeline", type=click.Path(path_type=Path, dir_okay=False), required=False)
@workspace_option
def command(pipeline: Path | None, workspace: Path | None) -> int:
    """Say what is installed, found and missing; with PIPELINE, also what that one needs."""
    healthy = True
    for good, line in (*_machine(), *_packages(), *_profiles(pipeline), *_pipeline(pipeline, workspace)):
        healthy &= good
        print(f"{'  ' if good else '! '}{line}")
    return 0 if healthy else 1


def _machine() -> Iterator[tuple[bool, str]]:
    yield (
        True,
        f"deploykit {deploykit.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores",
    )


def _packages() -> Iterator[tuple[bool, str]]:
    try:
        requirements = metadata.requires("deploykit") or ()
    except metadata.PackageNotFoundError:
        yield False, "deploykit runs from its source, without being installed: pip install -e ."
        requirements = ()
    for requirement in requirements:
        name = requirement.split(";")[0].split(">")[0].split("=")[0].split("<")[0].strip()
        if "extra ==" in requirement:
            continue
        try:
            yield True, f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield False, f"{name} is missing: pip install '{requirement}'"
    found_core = "compiled" if core() else "not compiled, the same plans take longer (it needs a C compiler)"
    yield True, f"memory search: {found_core}"
    for module, use in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        yield True, f"{module}: {'found' if found else 'not installed'} ({use})"


def _profiles(pipeline: Path | None) -> Iterator[tuple[bool, str]]:
    beside = pipeline.parent if pipeline else Path.cwd()
    for name in profile_names(beside=beside):
        try:
            _, path = load_profile(name, beside=beside)
            yield True, f"chip {name}: {path}"
        except DeploykitError as error:
            yield False, f"chip {name}: {str(error).splitlines()[0]}"


def _pipeline(pipeline: Path | None, workspace: Path | None) -> Iterator[tuple[bool, str]]:
    if pipeline is None:
        return
    from deploykit.pipeline.run import load_contexts

    store = store_of(pipeline, workspace)
    yield _writable(store.root)
    try:
        for context in load_contexts(pipeline, (), store):
            yield True, f"{context.name}: chip {context.profile.name} from {context.profile_path}"
            for name in context.config.networks:
                source = context.source(name)
                found = source is None or source.exists()
                text = f"{source or 'from PyTorch'}{'' if found else ' is missing'}"
                yield found, f"{context.name}, network {name}: {text}"
    except DeploykitError as error:
        for line in str(error).splitlines():
            yield False, line


def _writable(folder: Path) -> tuple[bool, str]:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True, f"results go to {folder}"
    except OSError as error:
        return False, f"results cannot go to {folder}: {error.strerror}; name another folder with --workspace"
