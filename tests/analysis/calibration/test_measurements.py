"""Files of measured latencies, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.analysis.calibration.measurements import family_of, read_measurements
from deploykit.core.errors import InputError


def written(folder: Path, text: str) -> Path:
    """Write a file of measurements."""
    path = folder / "board.csv"
    path.write_text(text)
    return path


def faults_of(folder: Path, text: str) -> list[str]:
    """Give what is wrong with a file, without the folder."""
    path = written(folder, text)
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_latency_or_rate(tmp_path: Path) -> None:
    text = """model,input_shape,batch,precision,latency_ms,fps
resnet50,1x3x224x224,1,INT8,2.867,348.8
resnet18,"[1, 3, 224, 224]",4,fp16,,400
"""
    first, second = read_measurements(written(tmp_path, text))
    assert (first.latency_s, first.precision, first.family) == (0.002867, "w8a8", "resnet")
    assert (second.latency_s, second.precision, second.input_shape) == (0.01, "float16", "1x3x224x224")
    assert second.place.endswith("board.csv:3")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = """model,batch,precision,latency_ms
resnet50,1,int8,-2
resnet18,1,int9,3
,1,int8,3
vgg16,0.5,int8,soon
vgg11,1,int8,
alexnet,1,int8,1
alexnet,1,w8a8,1.1
"""
    assert faults_of(tmp_path, text) == [
        "board.csv:2: latency_ms is -2; a number above zero",
        "board.csv:3: no precision 'int9', did you mean 'int8'?; known: w8a8, int8, float16, fp16, float32, fp32",
        "board.csv:4: names no model",
        "board.csv:5: batch is 0.5; a whole number",
        "board.csv:5: latency_ms is 'soon'; a number",
        "board.csv:6: has no latency; fill in latency_ms or fps, or drop the line",
        "board.csv:8: alexnet at w8a8 stands in line 7 too; keep one of them",
    ]


def test_columns_in_another_unit(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "model,latency_s\nresnet50,0.003\n") == [
        "board.csv:1: no column 'latency_s'; give the latency in milliseconds, as latency_ms",
        "board.csv:1: no latency; add a column latency_ms, or fps",
    ]


def test_latency_and_rate_that_contradict_each_other(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "model,batch,latency_ms,fps\nresnet50,4,10,100\n") == [
        "board.csv:2: 10 ms and 100 frames a second at batch 4 contradict each other; "
        "keep the latency of one run of the whole batch"
    ]


def test_a_line_of_another_length(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "model,latency_ms\nresnet50,3,4\n") == [
        "board.csv:2: 3 cells where the first line has 2 columns"
    ]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("ResNet50", "resnet"),
        ("resnet18", "resnet"),
        ("Inceptionv3", "inception"),
        ("yolov8n", "yolov8"),
        ("YOLO11s", "yolo11"),
        ("yolov10s", "yolov10"),
        ("YOLO-Nas_s", "yolo"),
        ("Deit_t", "deit"),
        ("models/vgg16.onnx", "vgg"),
    ],
)
def test_families(name: str, family: str) -> None:
    assert family_of(name) == family
