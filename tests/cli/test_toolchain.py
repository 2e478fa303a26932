"""`deploykit toolchain`: terms are asked for, and what is not there is said."""

from __future__ import annotations

import io
from typing import Any

import pytest

from deploykit.toolchains import TOOLCHAINS


def test_without_an_answer_nothing_is_installed(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    answer = shell.command("toolchain", "install", "rknn", "--folder", shell.folder / "tc")
    assert answer.code == 2
    assert "rknn comes under RKNN SDK License (https://" in answer.out
    assert "toolchain rknn: its licence was not accepted; answer yes, or give --accept-licence" in answer.err
    assert not (shell.folder / "tc" / "rknn").exists()


def test_the_list_names_all_with_their_chips_and_the_folder(shell: Any) -> None:
    answer = shell.command("toolchain", "list", "--folder", shell.folder / "tc")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(TOOLCHAINS)
    assert "not installed (2.5.0, 700 MB)" in answer.out
    assert lines[-1] == f"folder: {shell.folder / 'tc'}"


def test_the_doctor_says_what_is_missing(shell: Any) -> None:
    answer = shell.command("toolchain", "doctor", "rknn", "--folder", shell.folder / "tc")
    assert answer.code == 1
    assert answer.out.strip() == "! rknn: it is not installed: `deploykit toolchain install rknn`"
    (shell.folder / "tc" / "rknn" / "venv").mkdir(parents=True)
    answer = shell.command("toolchain", "doctor", "rknn", "--folder", shell.folder / "tc")
    assert "an installation was stopped before its end" in answer.out
    assert shell.command("toolchain", "doctor", "--folder", shell.folder / "tc").code == 0


def test_removing_what_is_not_there_says_so(shell: Any) -> None:
    answer = shell.command("toolchain", "remove", "rknn", "--folder", shell.folder / "tc")
    assert (answer.code, answer.out) == (0, "rknn: was not installed\n")
    answer = shell.command("toolchain", "remove", "rkn", "--folder", shell.folder / "tc")
    assert answer.code == 2
    assert "no toolchain 'rkn', did you mean 'rknn'?" in answer.err
