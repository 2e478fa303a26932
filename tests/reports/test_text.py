"""The tables in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from deploykit.reports.text import predicted_words, print_run
from deploykit.reports.views import RunView


def printed(view: RunView, *, terminal: bool = False, width: int = 100) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    print_run(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_a_hundred_columns(view: RunView) -> None:
    assert max(len(line.rstrip()) for line in printed(view, width=160).splitlines()) <= 100


def test_it_says_what_decides(view: RunView) -> None:
    text = printed(view)
    for words in (
        "bev.scatter",
        "w8a8 37",
        "579 M",
        "2.43 ms",
        "49.3 MB",
        "20.9 dB",
        "-0.016",
        "[-0.024, -0.008]",
    ):
        assert words in text
    assert "npu does not run ScatterND" in text
    assert "2 of 4 frames meet their deadline" in text
    assert "not compared: 1 missing" in text


def test_a_time_from_measured_networks_has_its_interval_and_the_rooflines_beside(view: RunView) -> None:
    first, *others = view.networks
    told = replace(first, time_s=3.1e-3, low_s=2.7e-3, high_s=3.6e-3, spec_s=1.4e-3)
    assert predicted_words(told) == "predicted 3.10 ms (2.70 ms to 3.60 ms), spec roofline 1.40 ms"
    assert predicted_words(replace(told, low_s=None, spec_s=None)) is None
    text = printed(replace(view, networks=(told, *others)))
    assert "predicted 3.10 ms (2.70 ms to 3.60 ms), spec roofline 1.40 ms" in " ".join(text.split())


def test_a_pipe_gets_no_escape_codes_and_a_terminal_gets_only_ours(view: RunView) -> None:
    network = view.networks[0]
    segment = replace(network.segments[0], segment="evil\x1b]0;title\x07")
    hostile = replace(view, networks=(replace(network, segments=(segment,)),))
    assert "\x1b" not in printed(hostile)
    assert "\x1b]0" not in printed(hostile, terminal=True)


def test_names_are_no_markup(view: RunView) -> None:
    network = view.networks[0]
    segment = replace(network.segments[0], segment="[bold]x[/nothing]")
    assert "[bold]x[/nothing]" in printed(replace(view, networks=(replace(network, segments=(segment,)),)))
