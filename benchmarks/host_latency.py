"""Predicted against measured latency on this machine's CPU: fitted to probes, judged on whole networks.

    python -m benchmarks.host_latency

Takes about two minutes on a quiet machine. All is measured in this one run, as processor time of one thread;
the whole networks are those of `benchmarks/whole_networks.py` and the BEV detector of `pipelines/models`. The
last line is JSON: errors are shares of the measured latency.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import onnx

from benchmarks.whole_networks import NETWORKS, build
from deploykit.analysis.time_model import layer_columns, network_times, spec_times
from deploykit.stages.host import ROUNDS, HostMeasurement, measure_host, table_of
from deploykit.stages.host.measure import measure_latency_s

BEV = Path(__file__).resolve().parents[1] / "pipelines" / "models" / "bev.onnx"


def main() -> None:
    """Measure, predict, print."""
    host = measure_host(progress=lambda name: print(f"\r{name:<40}", end="", file=sys.stderr))
    print(file=sys.stderr)
    print(f"{'network':<16}{'measured':>12}{'predicted':>12}{'error':>9}{'roofline':>12}{'error':>9}")
    errors, spec_errors = [], []
    for name, model in networks():
        measured_s = min(measure_latency_s(model, budget_s=0.7) for _ in range(ROUNDS))
        predicted_s, spec_s = predict_s(host, model)
        error, spec_error = predicted_s / measured_s - 1, spec_s / measured_s - 1
        errors.append(abs(error))
        spec_errors.append(abs(spec_error))
        shown = f"{measured_s * 1e3:9.2f} ms{predicted_s * 1e3:9.2f} ms{error:9.1%}"
        print(f"{name:<16}{shown}{spec_s * 1e3:9.2f} ms{spec_error:9.1%}")
    held = host.fit.held_out[-1]
    print(
        json.dumps(
            {
                "networks": len(errors),
                "median_error": round(statistics.median(errors), 4),
                "mean_error": round(float(numpy.mean(errors)), 4),
                "largest_error": round(max(errors), 4),
                "roofline_median_error": round(statistics.median(spec_errors), 4),
                "probes": len(host.fit.networks),
                "probes_family_out_median_error": round(held.median_error, 4),
                "peak_gops_per_s": round(host.peak_ops_per_s / 1e9, 1),
                "bandwidth_gb_per_s": round(host.bandwidth_bytes_per_s / 1e9, 1),
            }
        )
    )


def networks() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Give the networks of the test."""
    yield "bev", onnx.load(BEV)
    for name in NETWORKS:
        yield name, build(name)


def predict_s(host: HostMeasurement, model: onnx.ModelProto) -> tuple[float, float]:
    """Give a network's latency by the fit, and by peak and bandwidth alone."""
    columns = layer_columns([table_of(model).rows], weight_bits=32, activation_bits=32)
    fitted = network_times(columns, host.fit.rates, peak_ops_per_s=host.peak_ops_per_s)
    spec = spec_times(
        columns, peak_ops_per_s=host.peak_ops_per_s, bandwidth_bytes_per_s=host.bandwidth_bytes_per_s
    )
    return float(fitted[0]), float(spec[0])


if __name__ == "__main__":
    main()
