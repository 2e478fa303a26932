"""How long a network takes in onnxruntime on one core of this machine."""

from __future__ import annotations

import time

import numpy
import onnx

from deploykit.core.runtime import open_session

MOST_RUNS = 60
LEAST_RUNS = 5


def measure_latency_s(model: onnx.ModelProto, *, budget_s: float = 0.25, seed: int = 0) -> float:
    """Run a network of float inputs on one thread, and give the least processor time of a run.

    Processor time of the running thread: what other programs take from this one is not in it. The least,
    because disturbances only add.
    """
    session = open_session(model.SerializeToString(), exact=False, threads=1, name=model.graph.name)
    random = numpy.random.default_rng(seed)
    feeds = {
        item.name: random.standard_normal([dim.dim_value for dim in item.type.tensor_type.shape.dim]).astype(
            numpy.float32
        )
        for item in model.graph.input
    }
    session.run(None, feeds)
    times: list[float] = []
    while len(times) < LEAST_RUNS or (sum(times) < budget_s and len(times) < MOST_RUNS):
        before = time.thread_time()
        session.run(None, feeds)
        times.append(time.thread_time() - before)
    return min(times)
