"""Keys: what changes them, and how a change is put in words."""

from __future__ import annotations

from dataclasses import replace

from deploykit.pipeline.keys import StepKey, differences

KEY = StepKey(
    step="bev.split",
    stage="split",
    version=1,
    params={"auto": True, "groups": {"backbone": ["b*"]}},
    inputs={"bev.export": "aa"},
    files={},
    profile={"dram": {"bandwidth_bytes_per_s": {"value": 30.3e9}}},
    data=None,
    tools={"onnx": "1.23.2"},
)


def sentences(new: StepKey) -> list[str]:
    return list(differences(KEY.__dict__, new.__dict__))


def test_the_order_of_a_mapping_does_not_change_the_digest() -> None:
    turned = replace(KEY, params={"groups": {"backbone": ["b*"]}, "auto": True})
    assert turned.digest() == KEY.digest()


def test_every_field_changes_the_digest() -> None:
    others = [
        replace(KEY, version=2),
        replace(KEY, params={"auto": False}),
        replace(KEY, inputs={"bev.export": "bb"}),
        replace(KEY, profile=None),
        replace(KEY, data={"clips": 1}),
        replace(KEY, tools={"onnx": "1.24"}),
        replace(KEY, step="other.split"),
    ]
    assert len({KEY.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_a_change_is_told_field_by_field() -> None:
    assert sentences(replace(KEY, params={**KEY.params, "auto": False})) == ["params.auto: true -> false"]
    assert sentences(replace(KEY, inputs={"bev.export": "bb"})) == ["bev.export gave another result"]
    assert sentences(replace(KEY, files={"bev.onnx": "cc"})) == ["bev.onnx changed"]
    profile = {"dram": {"bandwidth_bytes_per_s": {"value": 17e9}}}
    assert sentences(replace(KEY, profile=profile)) == [
        "profile.dram.bandwidth_bytes_per_s.value: 30300000000.0 -> 17000000000.0"
    ]
    assert sentences(KEY) == []


def test_a_change_inside_a_list_of_named_things_is_told_by_name() -> None:
    old = {"io": {"net": [{"name": "image", "mean": [0.0]}, {"name": "ids", "mean": [0.0]}]}}
    new = {"io": {"net": [{"name": "image", "mean": [127.5]}, {"name": "ids", "mean": [0.0]}]}}
    assert list(differences(old, new)) == ["io.net.image.mean: [0.0] -> [127.5]"]
