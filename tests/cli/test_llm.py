"""`deploykit llm` through the real command line."""

from __future__ import annotations

import json
from typing import Any

CONFIG = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}


def test_the_table_has_both_phases_and_the_figures(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    answer = shell.command("llm", "config.json", "--chip", "rk3588", "--prompt", "128", "--weight-bits", "8")
    assert answer.code == 0, answer.err
    assert answer.out.startswith(
        "qwen3, 596 Mparameters on rk3588, 1 of 3 npu: float16 1.02 Tops/s, 30.3 GB/s"
    )
    for words in ("prefill: 1 x 128 tokens", "decode: 1 x 1 token after 128", "lm_head", "qk_norm"):
        assert words in answer.out
    assert "weights               596 MB" in answer.out
    assert "time to first token" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 110


def test_json_holds_the_same(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    answer = shell.command("llm", "config.json", "--chip", "a6000", "--flash", "--format", "json")
    found = json.loads(answer.out)
    assert found["memory"]["parameters"] == 596_049_920
    assert found["params"]["flash"] is True
    assert found["decode"]["time_s"] > 0
    names = [row["operator"]["name"] for row in found["prefill"]["blocks"][0]["operators"]]
    assert "attention" in names
    assert "softmax" not in names


def test_two_chips_say_what_is_left_out(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    answer = shell.command("llm", "config.json", "--chip", "a6000", "--tensor-parallel", "2")
    assert "to another chip" in answer.out
    assert "The exchange between them is not in the times: give --link-bytes-per-s." in answer.out


def test_every_fault_of_the_file_is_told_and_the_exit_code_is_2(shell: Any) -> None:
    (shell.folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 0}')
    answer = shell.command("llm", "config.json", "--chip", "a6000")
    assert answer.code == 2
    assert "config.json:1: vocab_size: is 0; allowed is a whole number from 1" in answer.err
    assert "config.json: hidden_size: is missing" in answer.err
    assert "5 errors" in answer.err


def test_a_missing_file_and_an_unknown_chip_are_bad_input(shell: Any) -> None:
    assert shell.command("llm", "none.json", "--chip", "a6000").code == 2
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    answer = shell.command("llm", "config.json", "--chip", "a600")
    assert answer.code == 2
    assert "a6000" in answer.err


def test_bits_are_finite_numbers_in_their_range(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    for bits in ("nan", "inf", "0", "33", "x"):
        answer = shell.command("llm", "config.json", "--chip", "a6000", "--weight-bits", bits)
        assert answer.code == 2
        assert "Invalid value for '--weight-bits'" in answer.err


def test_a_draft_model_adds_its_lines(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 56}))
    (shell.folder / "draft.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 4}))
    answer = shell.command("llm", "config.json", "--chip", "a6000", "--draft", "draft.json")
    assert "drafted by qwen3, 219 Mparameters: 4 tokens a round, 70 % of them kept" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100
    answer = shell.command(
        "llm", "config.json", "--chip", "a6000", "--draft", "draft.json", "--format", "json"
    )
    assert json.loads(answer.out)["speculative"]["tokens_per_round"] > 2


def test_a_grid_has_a_row_a_point(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    words = ("llm", "config.json", "--chip", "a6000", "--curve", "batch=1,4", "--curve", "kv-bits=8,16")
    answer = shell.command(*words)
    assert [line.split()[:2] for line in answer.out.splitlines()] == [
        ["batch", "kv_bits"],
        ["1", "8"],
        ["1", "16"],
        ["4", "8"],
        ["4", "16"],
    ]
    rows = json.loads(shell.command(*words, "--format", "json").out)
    assert rows[3]["kv_bytes"] == 8 * rows[0]["kv_bytes"]


def test_every_fault_of_a_grid_is_told(shell: Any) -> None:
    (shell.folder / "config.json").write_text(json.dumps(CONFIG))
    curves = ("--curve", "bach=1", "--curve", "batch=0", "--curve", "batch=2", "--curve", "batch=3")
    answer = shell.command("llm", "config.json", "--chip", "a6000", *curves)
    assert answer.code == 2
    assert "no axis 'bach', did you mean 'batch'?" in answer.err
    assert "batch=0: 0 is not in the range" in answer.err
    assert "batch is given twice" in answer.err
