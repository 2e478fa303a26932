"""A slice of the suite: the float detector on two short clips, each fault once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.clip_faults import READ, WRITTEN, Array, Board, look, right_names
from deploykit.core.runtime import open_session, run_session

BEV = Path(__file__).resolve().parents[2] / "pipelines" / "models" / "bev.onnx"
NAMES = ("heatmap", WRITTEN)


def test_every_planted_fault_is_named_and_a_clean_run_has_none() -> None:
    session = open_session(BEV, exact=False)

    def network(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(NAMES, run_session(session, inputs, NAMES), strict=True))

    found = list(look([Board(network, ("images", READ, *NAMES))], "train", 0, (9, 9), 100))
    assert {kind for _, kind, _ in found} >= {"clean", "lag", "stale_input", "state_late", "drift", "one_off"}
    wrong = [item for item in found if item[2] not in right_names(item[0], item[1])]
    assert not wrong
