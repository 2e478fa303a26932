"""`deploykit run` and its companions on a small network with state, end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploykit.core.codec import decode, encode
from deploykit.core.store import Store
from deploykit.pipeline.records import Records
from deploykit.stages import STAGES

STEPS = (
    "toy.export",
    "toy.split",
    "toy.analyze",
    "toy.sensitivity",
    "toy.precision",
    "toy.quantize",
    "toy.memory",
    "toy.memory_replay",
    "toy.dump",
    "toy.dump_quantized",
    "toy.compare",
    "toy.compile",
    "toy.simulate",
    "toy.check_simulation",
    "schedule",
    "memory_blocks",
    "evaluate",
)


def test_a_run_gives_a_table_a_page_and_a_record_and_the_next_one_is_cached(shell: Any) -> None:
    first = shell.command("run", "toy.yaml", "--workers", 1)
    assert first.code == 0, first.err
    assert "toy on rk3588" in first.out
    assert [line.split()[0] for line in first.err.splitlines()] == list(STEPS)
    page = Path(first.out.strip().splitlines()[-1].removeprefix("report: "))
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(page.with_suffix(".trace.json").read_text())["traceEvents"]
    second = shell.command("run", "toy.yaml", "--workers", 1)
    assert f"all {len(STEPS)} steps were taken from the cache" in second.out
    assert second.out.splitlines()[-1] == f"report: {page}"
    assert second.err == ""


def test_json_holds_what_the_table_shows(shell: Any) -> None:
    answer = shell.command("run", "toy.yaml", "--workers", 1, "--format", "json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found["findings"] == []
    assert found["pipeline"] == "toy"
    assert Path(found["report"]).exists()


def test_set_changes_this_run_only_and_plan_says_what_it_would_do(shell: Any) -> None:
    before = shell.pipeline.read_text()
    shell.command("run", "toy.yaml", "--to", "toy.precision")
    planned = shell.command("plan", "toy.yaml", "--set", "networks.toy.precision.scheme=float16")
    lines = dict(line.split(maxsplit=1) for line in planned.out.splitlines()[1:])
    assert lines["toy.precision"].startswith('run     params.scheme: "w8a8" -> "float16"')
    assert lines["toy.memory"].startswith("maybe   after toy.precision")
    assert lines["toy.split"].startswith("cached")
    changed = shell.command("precision", "toy.yaml", "--set", "networks.toy.precision.scheme=float16")
    assert changed.code == 0
    assert "toy.precision" in changed.err
    assert shell.pipeline.read_text() == before


def test_a_finding_ends_with_1(shell: Any) -> None:
    tolerance = "networks.toy.compare.tolerances=[{match: '*', sqnr_db: 400}]"
    answer = shell.command("run", "toy.yaml", "--to", "toy.compare", "--set", tolerance)
    assert answer.code == 1
    assert "finding: toy: " in answer.out
    assert "miss their tolerance" in answer.out


def test_a_deadline_that_cannot_be_met_is_a_finding(shell: Any) -> None:
    answer = shell.command(
        "schedule", "toy.yaml", "--set", "schedule.rates.toy={rate_hz: 20, deadline_ms: 0.00001}"
    )
    assert answer.code == 1
    assert "finding: schedule: toy misses its deadline on rk3588" in answer.out


def test_a_matrix_runs_every_combination(shell: Any) -> None:
    text = shell.pipeline.read_text() + "\nmatrix: {axes: {chip: [rk3588, orin-agx]}}\n"
    shell.pipeline.write_text(text)
    answer = shell.command("analyze", "toy.yaml", "--format", "json")
    assert answer.code == 0, answer.err
    assert [run["pipeline"] for run in json.loads(answer.out)] == ["toy@chip=rk3588", "toy@chip=orin-agx"]


def test_runs_are_listed_shown_and_compared(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--to", "toy.memory")
    shell.command("run", "toy.yaml", "--to", "toy.memory", "--set", "networks.toy.precision.scheme=float16")
    listed = json.loads(shell.command("runs", "toy.yaml", "--format", "json").out)
    assert [run["status"] for run in listed] == ["ok", "ok"]
    assert shell.command("runs", "toy.yaml").out.count("rk3588") == 2
    assert (
        f"run       {listed[1]['id']} of toy on rk3588, ok" in shell.command("runs", "toy.yaml", "last").out
    )
    both = shell.command("runs", "toy.yaml", listed[0]["id"], "last").out
    assert 'params.scheme: "w8a8" -> "float16"' in both
    assert "toy.predicted_ms" in both


def test_clean_keeps_what_the_newest_run_needs(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--to", "toy.memory", "--set", "networks.toy.precision.scheme=float16")
    shell.command("run", "toy.yaml", "--to", "toy.memory")
    dry = shell.command("cache", "clean", "toy.yaml", "--dry-run").out
    assert dry.startswith("would remove 1 runs, ")
    size = json.loads(shell.command("cache", "size", "toy.yaml", "--format", "json").out)
    assert shell.command("cache", "clean", "toy.yaml").out == dry.replace("would remove", "removed")
    assert (
        json.loads(shell.command("cache", "size", "toy.yaml", "--format", "json").out)["blobs"]
        < size["blobs"]
    )
    again = shell.command("run", "toy.yaml", "--to", "toy.memory")
    assert "0 steps ran" in again.out


def test_a_report_is_written_again_without_a_run(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--to", "toy.analyze")
    answer = shell.command("report", "toy.yaml", "--output", "page.html")
    assert answer.code == 0, answer.err
    assert "toy" in (shell.folder / "page.html").read_text()
    assert len(json.loads(shell.command("runs", "toy.yaml", "--format", "json").out)) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "chip: rk3588",
            "chip: rk3589",
        ),
        ("source: toy.onnx", "source: toi.onnx"),
        ("source: toy.onnx", "source: toy.yaml"),
        ("kind: random", "kind: randon"),
        ("output: next_memory", "output: next_memry"),
    ],
)
def test_wrong_values_end_with_2_and_one_message(shell: Any, change: str, expected: str) -> None:
    shell.pipeline.write_text(shell.pipeline.read_text().replace(change, expected))
    answer = shell.command("run", "toy.yaml", "--to", "toy.export")
    assert answer.code == 2
    assert answer.err.count("error: ") == 1
    assert "Traceback" not in answer.err


def test_every_fault_of_a_pipeline_is_told_with_its_place(shell: Any) -> None:
    text = shell.pipeline.read_text()
    text = (
        text.replace("    clips:", "    clip:")
        .replace("layout: NCHW", "layout: NCWH")
        .replace("rate_hz: 20", "rate_hs: 20")
    )
    shell.pipeline.write_text(text)
    answer = shell.command("run", "toy.yaml")
    assert answer.code == 2
    assert "toy.yaml:10:5: networks.toy.clip: unknown key, did you mean 'clips'?" in answer.err
    assert "toy.yaml:9:36: networks.toy.io.image.layout: 'NCWH' is not allowed: input should be" in answer.err
    assert "toy.yaml:14:17: schedule.rates.toy.rate_hs: unknown key, did you mean 'rate_hz'?" in answer.err
    assert answer.err.strip().endswith("3 errors")


@pytest.mark.parametrize("word", ["chip", "networks.toy.clips=[", "=3"])
def test_a_wrong_set_is_told(shell: Any, word: str) -> None:
    answer = shell.command("plan", "toy.yaml", "--set", word)
    assert answer.code == 2
    assert f"error: --set {word}: " in answer.err


def test_a_set_value_that_is_wrong_is_told_as_the_users_own_words(shell: Any) -> None:
    answer = shell.command("plan", "toy.yaml", "--set", "networks.toy.quantize.calibration=minmx")
    assert answer.code == 2
    assert (
        "--set networks.toy.quantize.calibration=minmx: networks.toy.quantize.calibration: 'minmx'"
        in answer.err
    )


def test_nan_in_calibration_data_is_told(shell: Any) -> None:
    import numpy as np

    (shell.folder / "data").mkdir()
    for index in range(4):
        frame = np.zeros((1, 3, 8, 8), np.float32)
        frame[0, 1, 2, 3] = np.nan if index == 0 else 0
        np.save(shell.folder / "data" / f"{index}.npy", frame)
    answer = shell.command("run", "toy.yaml", "--set", "task={kind: arrays, path: data}")
    assert answer.code == 2
    assert "NaN" in answer.err
    assert "0.npy" in answer.err


def test_an_empty_data_folder_is_told(shell: Any) -> None:
    (shell.folder / "data").mkdir()
    answer = shell.command("run", "toy.yaml", "--set", "task={kind: images, path: data}")
    assert answer.code == 2
    assert answer.err.count("error: ") == 1
    assert "data" in answer.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(shell: Any) -> None:
    shell.folder.chmod(0o555)
    answer = shell.command("run", "toy.yaml")
    shell.folder.chmod(0o755)
    assert answer.code == 2
    assert "may not be written" in answer.err


def test_a_workspace_that_is_no_folder_is_told(shell: Any) -> None:
    answer = shell.command("run", "toy.yaml", "--workspace", "/proc/nowhere")
    assert answer.code == 2
    assert "Traceback" not in answer.err


def test_a_full_disk_is_told_and_leaves_nothing_half_written(shell: Any) -> None:
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from deploykit.cli.main import run; sys.exit(run(['run', 'toy.yaml', '--to', 'toy.memory']))"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    answer = shell.command("run", "toy.yaml", "--to", "toy.memory")
    assert answer.code == 0, answer.err


def test_a_cached_run_imports_nothing_heavy(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--workers", 1)
    heavy = ("onnx", "onnxruntime", "plotly", "jinja2", "deploykit.solve.memory", "deploykit.solve.banks")
    program = (
        "import sys; from deploykit.cli.main import run; run(['run', 'toy.yaml']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_artifact_of_a_run_comes_back_from_its_file_to_the_byte(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--workers", 1)
    store = Store(shell.folder / ".deploykit")
    found = set()
    for _, record in Records(store).all():
        step = record.key["step"].split(".")[-1]
        content = store.path(record.artifact).read_bytes()
        assert encode(decode(STAGES[step].load().GIVES, content, step)) == content
        found.add(step)
    assert found == set(STAGES)
