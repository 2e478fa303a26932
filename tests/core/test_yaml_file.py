"""The user's YAML: safe reading, and every fault with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from deploykit.core.errors import InputError
from deploykit.core.yaml_file import load_document, parse


@dataclass(frozen=True)
class Engine:
    name: str
    kind: Literal["npu", "cpu"] = "npu"
    count: int = 1


@dataclass(frozen=True)
class Chip:
    title: str
    engines: tuple[Engine, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)


def written(folder: Path, text: str) -> Path:
    path = folder / "chip.yaml"
    path.write_text(text)
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(load_document(path), Chip)
    return [str(fault).replace(str(path), "chip.yaml") for fault in caught.value.faults]


def test_plain_values_become_the_dataclass(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        title: A chip
        engines:
          - {name: npu, count: 3}
          - name: cpu
            kind: cpu
        prices: {"1": 9.5, "1000": 6}
        """,
    )
    assert parse(load_document(path), Chip) == Chip(
        "A chip", (Engine("npu", "npu", 3), Engine("cpu", "cpu", 1)), {"1": 9.5, "1000": 6.0}
    )


def test_every_fault_is_told_at_once_with_its_place_and_the_nearest_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "titel: A chip\nengines:\n  - name: npu\n    kind: ncu\n    count: many\n  - {nam: cpu}\n",
    )
    found = faults(path)
    assert "chip.yaml:1:1: title: this key is missing" in found
    assert "chip.yaml:1:1: titel: unknown key, did you mean 'title'?" in found
    assert "chip.yaml:4:5: engines.0.kind: 'ncu' is not allowed: input should be 'npu' or 'cpu'" in found
    assert any(
        fault.startswith("chip.yaml:5:5: engines.0.count: input should be a valid integer") for fault in found
    )
    assert "chip.yaml:6:6: engines.1.nam: unknown key, did you mean 'name'?" in found
    assert len(found) == 6  # and engines.1.name is missing


def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path) -> None:
    assert faults(written(tmp_path, "title: a\ntitle: b\n")) == [
        "chip.yaml:2:1: title: this key stands twice"
    ]


@pytest.mark.parametrize(
    "text",
    ["title: !!python/object/apply:os.system [ls]\n", "title: !secret x\n", "!!python/tuple [1]\n"],
)
def test_tags_are_refused(tmp_path: Path, text: str) -> None:
    (fault,) = faults(written(tmp_path, text))
    assert "is not allowed here" in fault


def test_a_billion_laughs_are_refused_quickly(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{two}: &{two} [{', '.join(['*' + one] * 10)}]")
    (fault,) = faults(written(tmp_path, "\n".join(lines)))
    assert "values once its aliases are expanded" in fault


def test_an_alias_inside_itself_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(written(tmp_path, "title: &a [*a]\n"))
    assert "an alias that contains itself" in fault


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "title: t\nengines:\n  - &npu {name: npu, count: 3}\n  - {<<: *npu, name: npu2}\n",
    )
    assert parse(load_document(path), Chip).engines[1] == Engine("npu2", "npu", 3)


def test_yaml_1_2_words_stay_text(tmp_path: Path) -> None:
    assert load_document(written(tmp_path, "a: no\nb: 2020-01-01\nc: 1e9\nd: 0x10\n")).data == {
        "a": "no",
        "b": "2020-01-01",
        "c": 1e9,
        "d": 16,
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1, 2\n", "not valid YAML"),
        (b"a: \xff\xfe\n", "not UTF-8 text"),
        (b"a: 1\n  b: 2\n", "not valid YAML"),
        (b"\t- a\n", "not valid YAML"),
        (b"a: *missing\n", "not valid YAML"),
        (b"[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_no_yaml_gets_one_message(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        load_document(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_document(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="is a folder"):
        load_document(tmp_path)
