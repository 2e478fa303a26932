"""The shipped tables of public networks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from deploykit.analysis.network_tables import load_table, published_networks, table_names
from deploykit.core.errors import InputError

LIST = Path(__file__).resolve().parents[3] / "tools" / "networks.csv"


def test_each_table_is_read_and_says_its_name() -> None:
    for name in table_names():
        table = load_table(name)
        assert table.name == name
        assert table.batch == table.input_shape[0]
        assert name.endswith("x".join(map(str, table.input_shape)))


def test_each_table_has_its_line_in_the_list_that_rebuilds_it() -> None:
    with LIST.open(newline="") as file:
        listed = [row["table"] for row in csv.DictReader(file)]
    assert len(listed) == len(set(listed))
    assert set(table_names()) <= set(listed)


def test_published_networks_have_a_table_or_a_reason() -> None:
    networks = published_networks()
    known = set(table_names())
    assert all(network.table in known if network.table else network.note for network in networks)
    keys = [(network.source_repo, network.model, network.input_shape) for network in networks]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "giga_macs", "million_parameters"),
    [
        ("resnet50_1x3x224x224", 4.089, 25.557),  # torchvision: _ops, num_params
        ("vgg16_1x3x224x224", 15.470, 138.358),
        ("yolov5s_anchors_1x3x640x640", 16.5 / 2, 7.2),  # ultralytics/yolov5 README: FLOPs, parameters
        ("yolo26s_concat_1x3x640x640", 20.7 / 2, 9.5),  # ultralytics docs, models/yolo26
        ("yolov7_anchors_1x3x640x640", 104.7 / 2, 36.9),  # WongKinYiu/yolov7 README
        ("yolov7_tiny_anchors_1x3x640x640", 13.8 / 2, 6.2),
        ("yolov6n_1x3x640x640", 11.4 / 2, 4.7),  # meituan/YOLOv6 README, 3.0
        ("yolov6s_1x3x640x640", 45.3 / 2, 18.5),
    ],
)
def test_tables_against_published_figures(name: str, giga_macs: float, million_parameters: float) -> None:
    table = load_table(name)
    assert table.macs / 1e9 == pytest.approx(giga_macs, rel=0.02)
    assert table.parameters / 1e6 == pytest.approx(million_parameters, rel=0.013)


def test_the_convolutions_of_resnet50() -> None:
    counts: dict[str, int] = {}
    for row in load_table("resnet50_1x3x224x224").rows:
        counts[row.kind] = counts.get(row.kind, 0) + row.count
    # 16 blocks of 1x1, 3x3, 1x1, and four 1x1 on the shortcuts; every addition is in a convolution
    assert counts == {"stem": 1, "pool": 2, "pointwise": 36, "conv": 16, "fully_connected": 1}


def test_an_unknown_table() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet50_1x3x224x224'"):
        load_table("resnet50_1x3x224x22")
