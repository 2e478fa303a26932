"""The guide names every key of a profile."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deploykit.core.profile import OnChipProfile, Quantity
from deploykit.core.profile_form import DramEntry, EngineEntry, Interface, OperatorSet, ProfileFile

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "profiles.md"


@pytest.mark.parametrize(
    "entry", [ProfileFile, EngineEntry, DramEntry, Interface, OnChipProfile, OperatorSet, Quantity]
)
def test_every_key_stands_in_the_guide(entry: type) -> None:
    text = GUIDE.read_text()
    missing = [field.name for field in dataclasses.fields(entry) if field.name not in text]
    assert missing == []
