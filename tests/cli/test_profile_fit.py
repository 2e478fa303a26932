"""`deploykit profile fit` through the real command line, on published latencies of an AX650N (ax-samples @2d08c3c)."""

from __future__ import annotations

from typing import Any

BOARD = """model,input_shape,batch,precision,latency_ms
googlenet,,1,INT8,1.166
inception_v3,1x3x299x299,1,INT8,4.37
mobilenet_v1,1x3x224x224,1,INT8,0.567
mobilenet_v2,1x3x224x224,1,INT8,0.595
resnet18,1x3x224x224,1,INT8,1.269
resnet50,1x3x224x224,1,INT8,2.867
vgg16,1x3x224x224,1,INT8,14.135
"""


def test_seven_networks_calibrate_a_copy_of_a_shipped_profile(shell: Any) -> None:
    (shell.folder / "board.csv").write_text(BOARD)
    answer = shell.command("profile", "fit", "ax650n", "board.csv", "--source", "a board of ours")
    assert answer.code == 0, answer.err
    assert "npu at w8a8: 7 networks" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100
    text = (shell.folder / "ax650n.yaml").read_text()
    assert 'source: "a board of ours: 7 networks"' in text
    again = shell.command("profile", "show", "ax650n")
    assert again.code == 0, again.err
    assert "calibration npu w8a8" in again.out


def test_bad_measurements_are_told_with_their_lines(shell: Any) -> None:
    (shell.folder / "board.csv").write_text("model,latency_ms\nresnet05,3\nresnet18,-1\n")
    answer = shell.command("profile", "fit", "ax650n", "board.csv")
    assert answer.code == 2
    assert "board.csv:2: no network 'resnet05', did you mean 'resnet50'?" in answer.err
    assert "board.csv:3: latency_ms is -1" in answer.err
    assert not (shell.folder / "ax650n.yaml").exists()
