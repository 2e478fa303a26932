"""Environments: the right Python, whole or not there, stopped ones made anew, other versions replaced."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from pathlib import Path
from typing import cast

import pytest

from deploykit.core.errors import EnvironmentFault, InputError
from deploykit.toolchains import TOOLCHAINS, environments, load_toolchain, onnxruntime_host
from deploykit.toolchains.doctor import examine
from deploykit.toolchains.environments import Installed, environment_of, installed, write_manifest
from deploykit.toolchains.install import install
from deploykit.toolchains.interpreters import find_python
from deploykit.toolchains.protocol import Licence, Recipe, Toolchain
from deploykit.toolchains.torch_placeholder import write_torch_placeholder

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
RECIPE = Recipe(
    version="1.0",
    python=(OURS,),
    steps=(),
    licence=Licence("MIT", "https://example.org/licence", "anything goes."),
    size_bytes=1000,
)


def toolchain(recipe: Recipe = RECIPE) -> Toolchain:
    """Give a toolchain whose environment is an empty one."""
    made = types.SimpleNamespace(**vars(onnxruntime_host))
    made.name, made.recipe, made.version = "fake", recipe, lambda environment: "1.0"
    return cast(Toolchain, made)


def manifest(version: str = "1.0") -> Installed:
    return Installed("fake", version, "python", {}, (), False, 1, 1.0, tested=True, test_s=2.0)


def pretend(root: Path, version: str = "1.0") -> None:
    """Leave what an installation leaves, without an interpreter that runs."""
    python = environment_of("fake", root).python
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    write_manifest(manifest(version), root)


@pytest.mark.slow
def test_a_stopped_installation_is_made_anew_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    left_over = tmp_path / "fake" / "venv" / "lib" / "half"
    left_over.mkdir(parents=True)
    made = install(toolchain(), tmp_path)
    assert not left_over.exists()
    assert "pip" in made.packages
    python = environment_of("fake", tmp_path).python
    asked = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    assert Path(asked.stdout.strip()) == tmp_path / "fake" / "venv"
    assert install(toolchain(), tmp_path, told=pytest.fail) == made
    faults = [line for good, line in examine(toolchain(), tmp_path) if not good]
    assert faults == ["its test did not pass or was never run: `deploykit toolchain install fake`"]
    assert environments.remove("fake", tmp_path)
    assert not environments.remove("fake", tmp_path)


def test_without_a_manifest_nothing_is_installed(tmp_path: Path) -> None:
    pretend(tmp_path)
    assert installed("fake", tmp_path) == manifest()
    (tmp_path / "fake" / "toolchain.json").unlink()
    assert installed("fake", tmp_path) is None
    assert [good for good, _ in examine(toolchain(), tmp_path)] == [False]


@pytest.mark.parametrize(
    ("version", "said"), [(None, "it is not installed in"), ("0.9", "version 0.9 is installed in")]
)
def test_missing_and_other_versions_are_refused(tmp_path: Path, version: str | None, said: str) -> None:
    if version:
        pretend(tmp_path, version)
    with pytest.raises(InputError, match=said) as caught:
        environments.ready_environment(toolchain(), tmp_path)
    assert "`deploykit toolchain install fake`" in str(caught.value)


def test_an_environment_that_no_longer_runs_is_named(tmp_path: Path) -> None:
    pretend(tmp_path)
    faults = [line for good, line in examine(toolchain(), tmp_path) if not good]
    assert len(faults) == 1
    assert f"`{environment_of('fake', tmp_path).python}` ended with code 1" in faults[0]


@pytest.mark.slow
def test_a_package_that_no_index_has_is_one_message_with_pips_words(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, steps=(("--no-index", "no-such-package==1.0"),))
    with pytest.raises(EnvironmentFault, match="No matching distribution found for no-such-package==1") as e:
        install(toolchain(recipe), tmp_path)
    assert "install.log" in str(e.value)
    assert installed("fake", tmp_path) is None


def test_too_little_space_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, size_bytes=10**18)
    with pytest.raises(EnvironmentFault, match=r"it takes 1000000000\.0 GB"):
        install(toolchain(recipe), tmp_path)


def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from deploykit.toolchains.environments import lock\n"
        "with lock('fake', pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(EnvironmentFault, match="another process installs or removes it"):
            install(toolchain(), tmp_path)
        other.communicate(b"\n")


def test_a_python_of_another_version_is_refused_and_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"is Python {OURS}; fake needs Python 3.0 or 3.1"):
        find_python(("3.0", "3.1"), given=Path(sys.executable), toolchain="fake")
    with pytest.raises(InputError, match="is no Python"):
        find_python((OURS,), given=tmp_path / "python", toolchain="fake")
    with pytest.raises(EnvironmentFault, match=r"fake: it needs Python 3\.0, and none was found"):
        find_python(("3.0",), given=None, toolchain="fake")


def test_the_placeholder_has_classes_modules_and_says_what_it_is(tmp_path: Path) -> None:
    write_torch_placeholder(tmp_path)
    code = (
        "import torch, torch.nn.functional as F; from torch.utils.data import Dataset\n"
        "assert not isinstance(1, torch.Tensor) and issubclass(Dataset, object)\n"
        "assert torch.nn.Module is torch.nn.Module and not hasattr(torch, '__wrapped__')\n"
        "class Net(torch.nn.Module): pass\n"
        "@torch.no_grad()\ndef f(): return 3\nassert f() == 3\n"
        "F.relu(1)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert ran.stderr.splitlines()[-1] == (
        "RuntimeError: torch.nn.functional.relu was called, but this environment has no PyTorch"
    )


def test_a_toolchain_is_found_by_name_or_guessed_at() -> None:
    assert [load_toolchain(name).name for name in TOOLCHAINS] == list(TOOLCHAINS)
    with pytest.raises(InputError, match="no toolchain 'referense', did you mean 'reference'"):
        load_toolchain("referense")
