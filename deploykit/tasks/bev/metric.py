"""Detection metrics over clips: nuScenes-style AP, recall, errors, and recall of what is hidden.

A clip is matched once and gives a record of outcomes; figures come from records alone, so resampling is
quick. AP follows nuScenes (Caesar et al., 2020): detections match by centre distance at 0.5, 1, 2 and 4 m;
precision over 101 recall points, those up to 10 % recall left out, 10 % precision taken off; the mean over
distances. Labels that are hidden or were never seen are no misses, and a detection within 2 m of one, matched
to nothing visible, is no false one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.bodies import CLASSES
from deploykit.tasks.bev.decode import Boxes
from deploykit.tasks.bev.geometry import RANGE_M
from deploykit.tasks.bev.scene import HIDDEN, VISIBLE, Labels
from deploykit.tasks.protocol import MetricSpec

DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
RECALL_DISTANCE_M = 2.0
RECALL_SCORE = 0.3
_FALSE, _TRUE, _EXCUSED = 0, 1, -1
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)

METRICS = (
    MetricSpec("map", "", "higher", "Mean of the two classes' AP over visible objects."),
    MetricSpec("ap_car", "", "higher", "nuScenes-style AP of visible cars, mean over 0.5, 1, 2 and 4 m."),
    MetricSpec("ap_pedestrian", "", "higher", "nuScenes-style AP of visible pedestrians, same distances."),
    MetricSpec("recall", "", "higher", "Share of visible objects found: within 2 m, score 0.3 or more."),
    MetricSpec("centre_error_m", "m", "lower", "Mean centre distance of those found."),
    MetricSpec("velocity_error_m_per_s", "m/s", "lower", "Mean length of the velocity error of those found."),
    MetricSpec("hidden_recall", "", "higher", "Share of objects seen earlier and hidden now that are found."),
    MetricSpec("hidden_share", "", "none", "Share of labels in range that were seen and are hidden now."),
)


def match_clip(frames: Sequence[tuple[Labels, Boxes]]) -> dict[str, Any]:
    """Match one clip's detections to its labels and return the record that `summarise` reads."""
    record: dict[str, Any] = {name: {"score": [], "outcome": [[] for _ in DISTANCES_M]} for name in CLASSES}
    for name in CLASSES:
        record[name]["visible"] = 0
    counts = {"visible": 0, "found": 0, "hidden": 0, "hidden_found": 0, "in_range": 0}
    errors = {"centre_m": 0.0, "velocity_m_per_s": 0.0}
    for labels, boxes in frames:
        counts["in_range"] += int(np.sum(np.hypot(labels.centre[:, 0], labels.centre[:, 1]) < RANGE_M))
        for index, name in enumerate(CLASSES):
            chosen = np.flatnonzero(boxes.label == index)
            here = np.flatnonzero(labels.label == index)
            state = labels.state[here]
            distance = np.linalg.norm(boxes.centre[chosen, None] - labels.centre[None, here], axis=-1)
            record[name]["visible"] += int(np.sum(state == VISIBLE))
            record[name]["score"].extend(round(float(score), 6) for score in boxes.score[chosen])
            for k, limit in enumerate(DISTANCES_M):
                outcome, partner = _match(distance, state, limit)
                record[name]["outcome"][k].extend(int(value) for value in outcome)
                if limit != RECALL_DISTANCE_M:
                    continue
                sure = boxes.score[chosen] >= RECALL_SCORE
                true = sure & (outcome == _TRUE)
                label = here[partner[true]]
                counts["found"] += int(np.sum(true))
                errors["centre_m"] += float(np.sum(distance[true, partner[true]]))
                off = boxes.velocity[chosen[true]] - labels.velocity[label]
                errors["velocity_m_per_s"] += float(np.sum(np.linalg.norm(off, axis=-1)))
                excused = sure & (outcome == _EXCUSED)
                counts["hidden_found"] += int(np.sum(state[partner[excused]] == HIDDEN))
            counts["visible"] += int(np.sum(state == VISIBLE))
            counts["hidden"] += int(np.sum(state == HIDDEN))
    return {**record, "counts": counts, "errors": errors}


def match_frame(labels: Labels, boxes: Boxes, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each chosen box the label that it is matched with at the recall's distance, or -1."""
    partner = np.full(len(chosen), -1, np.int64)
    for index in range(len(CLASSES)):
        at = np.flatnonzero(boxes.label[chosen] == index)
        here = np.flatnonzero(labels.label == index)
        distance = np.linalg.norm(boxes.centre[chosen[at], None] - labels.centre[None, here], axis=-1)
        _, found = _match(distance, labels.state[here], RECALL_DISTANCE_M)
        partner[at[found >= 0]] = here[found[found >= 0]]
    return partner


def summarise(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return every metric of METRICS over these clips; NaN where there is nothing to measure."""
    precision = {name: _class_ap([record[name] for record in records]) for name in CLASSES}
    counts = {key: sum(r["counts"][key] for r in records) for key in records[0]["counts"]} if records else {}
    errors = {key: sum(r["errors"][key] for r in records) for key in records[0]["errors"]} if records else {}
    found = counts.get("found", 0)
    return {
        "map": float(np.mean(list(precision.values()))),
        "ap_car": precision["car"],
        "ap_pedestrian": precision["pedestrian"],
        "recall": _ratio(found, counts.get("visible", 0)),
        "centre_error_m": _ratio(errors.get("centre_m", 0.0), found),
        "velocity_error_m_per_s": _ratio(errors.get("velocity_m_per_s", 0.0), found),
        "hidden_recall": _ratio(counts.get("hidden_found", 0), counts.get("hidden", 0)),
        "hidden_share": _ratio(counts.get("hidden", 0), counts.get("in_range", 0)),
    }


def average_precision(score: NDArray[Any], outcome: NDArray[Any], labels: int) -> float:
    """Return the AP at one distance; outcomes are 1 (true), 0 (false) or -1 (excused, as if not there)."""
    if labels == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ordered = outcome[order]
    ordered = ordered[ordered != _EXCUSED]
    if not np.any(ordered == _TRUE):
        return 0.0
    true = np.cumsum(ordered == _TRUE)
    precision = true / np.arange(1, len(ordered) + 1)
    curve = np.interp(_RECALL_POINTS, true / labels, precision, right=0.0)
    return float(np.mean(np.maximum(curve[11:] - 0.1, 0.0))) / 0.9


def _class_ap(parts: Sequence[Mapping[str, Any]]) -> float:
    score = np.array([value for part in parts for value in part["score"]])
    labels = sum(int(part["visible"]) for part in parts)
    values = []
    for k in range(len(DISTANCES_M)):
        outcome = np.array([value for part in parts for value in part["outcome"][k]], np.int64)
        values.append(average_precision(score, outcome, labels))
    return float(np.mean(values))


def _match(
    distance: NDArray[Any], state: NDArray[np.int64], limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each detection, best score first, an outcome and a label (-1: none).

    First the visible labels, each taken by the nearest free rule; what is left may be excused by a hidden or
    never seen label, one detection a label.
    """
    outcome = np.zeros(len(distance), np.int64)
    partner = np.full(len(distance), -1, np.int64)
    for wanted, result, reach in (
        (state == VISIBLE, _TRUE, limit),
        (state != VISIBLE, _EXCUSED, RECALL_DISTANCE_M),
    ):
        free = wanted.copy()
        for detection in range(len(distance)):
            if partner[detection] >= 0 or not free.any():
                continue
            row = np.where(free, distance[detection], np.inf)
            nearest = int(row.argmin())
            if row[nearest] < reach:
                outcome[detection], partner[detection] = result, nearest
                free[nearest] = False
    return outcome, partner


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
