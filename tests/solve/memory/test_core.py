"""The compiled core gives what the Python gives: the same offsets, the same nodes."""

from __future__ import annotations

import ctypes
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.solve.memory import depth_first, greedy
from deploykit.solve.memory.compile_core import compile_core
from deploykit.solve.memory.compiled import load
from deploykit.solve.memory.depth_first import DeadStates
from deploykit.solve.memory.greedy import place_in_order
from deploykit.solve.memory.problem import PackingProblem, Rectangle, lower_bound
from deploykit.solve.memory.sections import ORDERS, sections_of


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("core") / "core.so"
    assert compile_core(path)
    found = load(path)
    assert found is not None
    return found


@st.composite
def problems(draw: st.DrawFn) -> PackingProblem:
    one = st.tuples(st.integers(1, 9), st.integers(0, 14), st.integers(1, 8))
    items = draw(st.lists(one, min_size=1, max_size=24))
    return PackingProblem(tuple(Rectangle(size, first, first + length) for size, first, length in items))


@given(
    problem=problems(),
    order=st.sampled_from(ORDERS),
    slack=st.integers(0, 2),
    limit=st.integers(1, 400),
    words=st.sampled_from([200, 1 << 16]),  # of dead states: some room, or enough
)
@settings(max_examples=150, deadline=None)
def test_both_searches_visit_the_same_nodes(
    library: ctypes.CDLL, problem: PackingProblem, order: str, slack: int, limit: int, words: int
) -> None:
    sections = sections_of(problem, order)
    room = lower_bound(problem) // sections.unit + slack - 1
    answers = []
    for core in (library, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(depth_first, "core", lambda core=core: core)
            patch.setattr(depth_first, "WORDS", words)
            dead = DeadStates()  # the second search meets the states that the first one found dead
            first = depth_first.depth_first(sections, room, node_limit=limit, dead=dead)
            second = depth_first.depth_first(sections, room, node_limit=2 * limit, dead=dead)
        answers.append([(status, nodes, offsets.tolist()) for status, offsets, nodes in (first, second)])

    compiled, python = answers

    assert compiled == python


def full_problem(seed: int) -> PackingProblem:
    """Fill 12 bytes at each of 14 times: some end, and the room that they leave is cut up anew."""
    chance = random.Random(seed)
    live: list[tuple[int, int]] = []
    items: list[Rectangle] = []
    for time in range(15):
        stays = [time < 14 and chance.random() < 0.65 for _, first in live]
        items += [Rectangle(*one, time) for one, stay in zip(live, stays, strict=True) if not stay]
        live = [one for one, stay in zip(live, stays, strict=True) if stay]
        while (left := 12 - sum(size for size, _ in live)) and time < 14:
            live.append((min(left, chance.randint(1, 3)), time))
    return PackingProblem(tuple(items))


@pytest.mark.parametrize("seed", [9, 15, 17, 20, 28])  # another count of nodes if lengths alone are compared
def test_dead_states_that_meet_in_the_table_are_told_apart(library: ctypes.CDLL, seed: int) -> None:
    sections = sections_of(full_problem(seed), ORDERS[0])
    answers = []
    for core in (library, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(depth_first, "core", lambda core=core: core)
            patch.setattr(depth_first, "STATES", 16)  # in a table of 32 places
            found = depth_first.depth_first(sections, 12, node_limit=1000, dead=DeadStates())
        answers.append((found[0], found[2], found[1].tolist()))

    assert answers[0] == answers[1]


@given(problem=problems(), fit=st.sampled_from(["first", "best"]), seed=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_both_place_alike(
    library: ctypes.CDLL, problem: PackingProblem, fit: greedy.Fit, seed: st.DataObject
) -> None:
    order = list(range(len(problem.rectangles)))
    seed.shuffle(order)  # type: ignore[attr-defined]  # hypothesis types st.randoms loosely
    answers = []
    for core in (library, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(greedy, "core", lambda core=core: core)
            answers.append(place_in_order(problem, order, fit=fit))

    assert answers[0] == answers[1]


def test_many_rectangles_are_placed_alike(library: ctypes.CDLL) -> None:
    # Above 4096 the core looks for neighbours by blocks, as Python always does.
    items = tuple(
        Rectangle(1 + index * 7919 % 97, index, index + 1 + index * 104729 % 31) for index in range(5000)
    )
    problem, order = PackingProblem(items), sorted(range(5000), key=lambda index: -items[index].size)
    answers = []
    for core in (library, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(greedy, "core", lambda core=core: core)
            answers.append(place_in_order(problem, order, fit="first"))

    assert answers[0] == answers[1]


def test_what_is_no_core_is_not_loaded(tmp_path: Path) -> None:
    text = tmp_path / "core.so"
    text.write_text("not a library")

    assert load(text) is None
    assert load(tmp_path / "missing.so") is None


def test_without_a_compiler_the_build_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")

    assert not compile_core(tmp_path / "core.so")
    assert "no C compiler (no-such-compiler)" in capsys.readouterr().err


@pytest.mark.usefixtures("library")  # skips where there is no cc
def test_an_empty_name_of_a_compiler_means_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "")

    assert compile_core(tmp_path / "core.so")


def test_a_compiler_that_fails_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "false")

    assert not compile_core(tmp_path / "core.so")
    assert list(tmp_path.iterdir()) == []
    assert "stays in Python" in capsys.readouterr().err
