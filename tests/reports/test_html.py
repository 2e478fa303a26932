"""The page: complete, offline, and deaf to what a model's names try."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.reports.charts import page_charts
from deploykit.reports.html import write_html
from deploykit.reports.views import RunView, run_view

LINKS = {"src", "href", "srcset", "poster", "data", "action", "formaction", "background", "xlink:href"}


class Page(HTMLParser):
    """Collects elements and the text of scripts and styles, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data


@pytest.fixture(scope="session")
def text(view: RunView) -> str:
    return write_html(view)


def test_a_clip_that_is_drawn_in_part_says_so(text: str) -> None:
    assert "1 of its 40 frames, evenly spread." in text


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    links = [value for _, attributes in page.elements for name, value in attributes.items() if name in LINKS]
    assert links
    assert all(value and value.startswith("#") for value in links)
    assert not re.search(r"url\(|@import", "".join(page.texts["style"]))
    assert {tag for tag, _ in page.elements}.isdisjoint(
        {"link", "iframe", "img", "object", "embed", "base", "form"}
    )


def test_the_policy_names_exactly_the_scripts_of_the_page(page: Page) -> None:
    policy = next(a["content"] or "" for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    digests = [hashlib.sha256(script.encode()).digest() for script in page.texts["script"][1:]]
    assert len(digests) == 3
    assert re.findall(r"'sha256-([^']+)'", policy) == [
        base64.b64encode(digest).decode() for digest in digests
    ]
    assert "default-src 'none'" in policy


def test_plotly_is_embedded_once(text: str) -> None:
    assert len(re.findall(r"plotly\.js v\d", text)) == 1
    assert len(text) < 6_000_000


def test_advice_and_headroom_stand_beside_the_costs(results: RunResults) -> None:
    advice = Advice("fuse <b>all</b>", "memory", 2e-3, 1.5e-3, ("/head/Conv",), 7)
    room = Headroom("bandwidth", "B/s", 25e9, ((25e9, 2e-3), (50e9, 1.2e-3)), None)
    first = replace(results.networks[0], advice=(advice,), headrooms=(room,))
    text = write_html(run_view(replace(results, networks=(first, *results.networks[1:]))))
    for words in (
        "fuse &lt;b&gt;all&lt;/b&gt;",
        ">1.50 ms<",
        ">25 %<",
        ">7<",
        "more always gains",
        "50.0 GB/s 1.20 ms",
    ):
        assert words in text
    assert "What would make it faster" not in write_html(run_view(results))


def test_hostile_names_stay_text(page: Page, text: str) -> None:
    assert len(page.texts["script"]) == 4
    assert "<img" not in text[: text.index('id="charts"')]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_the_charts_data_is_json_with_plotly_texts_escaped(page: Page) -> None:
    charts = json.loads(page.texts["script"][0])
    assert "<" not in page.texts["script"][0]
    bev = charts["networks"][0]
    texts = bev["roofline"]["text"] + bev["depth"]["text"] + bev["hot"]["label"]
    assert {tag for words in texts for tag in re.findall(r"<[^>]*>", words)} <= {"<b>", "</b>", "<br>"}
    assert len(bev["depth"]["x"]) == len(bev["depth"]["y"]) == 58


def test_the_same_view_gives_the_same_page(view: RunView, text: str) -> None:
    assert write_html(view) == text


def without(network: NetworkResults, name: str) -> NetworkResults:
    parts = {field.name: getattr(network, field.name) for field in fields(network)}
    return NetworkResults(**{**parts, name: None})


@pytest.mark.parametrize("lacking", ["partition", "costs", "plan", "memory", "comparison"])
def test_a_partial_run_has_a_page(results: RunResults, lacking: str) -> None:
    networks = tuple(without(network, lacking) for network in results.networks)
    partial = replace(results, networks=networks, evaluation=None, schedule=None)
    assert "<h2>bev</h2>" in write_html(run_view(partial))


def test_a_run_that_failed_at_once_has_a_page(results: RunResults) -> None:
    empty = replace(results, networks=(NetworkResults("bev"),), evaluation=None, schedule=None, steps=())
    assert "<h2>bev</h2>" in write_html(run_view(empty))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")
def test_a_browser_draws_every_chart_without_an_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(text, encoding="utf-8")
    switches = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    )
    switches += (
        " --disable-component-update --virtual-time-budget=8000 --enable-logging=stderr --v=0 --dump-dom"
    )
    command = ["chromium", *switches.split(), f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    # 2 networks x (roofline, time, banks, sensitivity, trade-off, depth, frames, 6 pictures), their 5 + 2 arenas,
    # and the schedule twice
    assert 'data-drawn="35"' in done.stdout
    assert "CONSOLE" not in done.stderr


def test_each_plan_of_the_front_says_what_takes_it(view: RunView) -> None:
    text = page_charts(view)["networks"][0]["tradeoff"]["text"]
    assert text[3].endswith("to take it: --set networks.bev.precision.budget.point=3")
