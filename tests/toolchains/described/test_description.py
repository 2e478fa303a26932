"""A description is read with all its faults at once, and its patterns read a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.core.errors import InputError
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.described import read_description

TRTEXEC_LOG = """
[11/27/2026-10:00:01] [I] GPU Compute Time: min = 0.10 ms, max = 0.30 ms, mean = 0.13 ms, median = 0.12 ms, percentile(90%) = 0.2 ms
[11/27/2026-10:00:02] [I] === Profile (100 iterations ) ===
[11/27/2026-10:00:02] [I]    Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer
[11/27/2026-10:00:02] [I]        6.10       0.0610       0.0600      50.8   conv0 + PWN(relu0)
[11/27/2026-10:00:02] [I]        5.90       0.0590       0.0580      49.2   Reformatting CopyNode for Output Tensor 0 to conv1
[11/27/2026-10:00:02] [I]       12.00       0.1200       0.1180     100.0   Total
"""


def test_trtexecs_log_gives_layers_and_the_median_time() -> None:
    report = load_toolchain("trtexec").parse_report(TRTEXEC_LOG)
    assert [layer.name for layer in report.layers] == [
        "conv0 + PWN(relu0)",
        "Reformatting CopyNode for Output Tensor 0 to conv1",
    ]
    assert [layer.time_s for layer in report.layers] == pytest.approx([61e-6, 59e-6])
    assert report.time_s == pytest.approx(120e-6)
    assert not load_toolchain("trtexec").capabilities().simulates


def test_all_faults_of_a_description_come_at_once_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        "name: bad\n"
        "chips: {a: [w8a8]}\n"
        "compile:\n"
        "  command: [cc, '{modle}', '{']\n"
        "  files: []\n"
        "  plan: rknnn\n"
        "report:\n"
        "  layer: '(?P<nme>x'\n"
        "  total: ['(?P<cycle>\\d+)']\n"
    )
    with pytest.raises(InputError) as caught:
        read_description(file)
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == 6
    assert f"{file}:4" in said[0]
    assert "{modle} stands for nothing, did you mean 'model'?" in said[0]
    assert "write {{ and }} for braces" in said[1]
    assert "no plan format 'rknnn', did you mean 'rknn'?" in said[2]
    assert f"{file}:5" in said[3]
    assert "no regular expression" in said[4]
    assert "no group 'cycle', did you mean 'cycles'?" in said[5]


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nchips: {a: [w8a8]}\ncompile: {command: [cc], files: [x], fails: [y]}\n")
    with pytest.raises(InputError, match="fails"):
        read_description(file)
