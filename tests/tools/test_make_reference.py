"""Every stage, option, task and profile key stands in the docs."""

from __future__ import annotations

import dataclasses

from deploykit.core.profile_form import ProfileFile
from deploykit.pipeline.config import sections
from deploykit.tasks import TASKS
from tools.make_reference import FOLDER, pages


def test_the_pages_are_current() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text() == text, f"python -m tools.make_reference rewrites {name}"


def test_each_option_has_its_row() -> None:
    text = pages()["pipeline.md"]
    for scope in ("network", "pipeline"):
        for section, params in sections(scope).items():
            heading = text.index(f"{section}\n\nOptions of `")
            for field in dataclasses.fields(params):
                assert f"\n| `{field.name}` | " in text[heading:], (section, field.name)
    assert all(f"## task: {{kind: {kind}}}" in text for kind in TASKS)


def test_each_profile_key_has_its_row() -> None:
    text = pages()["profile.md"]
    assert all(f"\n| `{field.name}` | " in text for field in dataclasses.fields(ProfileFile))
