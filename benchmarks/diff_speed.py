"""How fast and how right two dumps are compared, beside the metric code of Polygraphy and of tpu-mlir.

    python -m benchmarks.diff_speed [--gigabytes 1] [--peer-elements 4000000]

Two raw float32 files are written to a temporary folder (from 0.53 GB on: more than 131 M elements). GB/s
are the bytes of both files over CPU seconds, in a fresh process, with the files in the page cache:
`metrics` is the measuring of a mapped pair, `command` all of `deploykit diff` with its start.

The peers get smaller arrays in memory, and make their own default checks: Polygraphy's
`SimpleCompareFunc` where it is installed; and what `npz_tool.py compare` of tpu-mlir computes of a pair
(closeness at falling tolerances, cosine, Euclidean similarity, SQNR), written here in numpy, as
tpu-mlir's packages are for Python 3.10 alone. The last line is JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy

from deploykit.align.element_types import Array

NOISE = 4.5e-4
"""Relative noise of the second file: 1 - cosine is near 1e-7."""

ROUNDS = 3
PART = 1 << 22
OURSELVES = (sys.executable, "-m", "benchmarks.diff_speed")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of each file")
    parser.add_argument("--peer-elements", type=int, default=4_000_000)
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(_measure(*given.measure)))
        return
    count = round(given.gigabytes * 1e9 / 4)
    if given.write:
        _write_pair(given.write, count)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "reference.bin"), Path(folder, "board.bin")
        # in a process of its own: the most memory that a parent ever held counts as its children's
        _run(*OURSELVES, "--gigabytes", str(given.gigabytes), "--write", *map(str, files))
        figures = {**_ours(files, count), **_peers(given.peer_elements)}
    for name in [name for name in figures if name.startswith("peer_")]:
        figures[name.replace("peer", "times").removesuffix("_gb_per_cpu_s")] = (
            figures["metrics_gb_per_cpu_s"] / figures[name]
        )
    for name, value in figures.items():
        print(f"{name:<36} {value:.6g}")
    print(json.dumps(figures))


def _write_pair(files: Sequence[Path], count: int) -> None:
    generator = numpy.random.default_rng(11)
    with files[0].open("wb") as reference, files[1].open("wb") as board:
        for start in range(0, count, PART):
            size = min(PART, count - start)
            values = generator.standard_normal(size, dtype=numpy.float32)
            noise = generator.standard_normal(size, dtype=numpy.float32)
            values.tofile(reference)
            (values + numpy.float32(NOISE) * noise).astype(numpy.float32).tofile(board)


def _ours(files: tuple[Path, Path], count: int) -> dict[str, float]:
    size = sum(file.stat().st_size for file in files)
    runs = [_run(*OURSELVES, "--measure", *map(str, files)) for _ in range(ROUNDS)]
    inside = [json.loads(run.out) for run in runs]
    best = min(inside, key=lambda found: found["cpu_s"])
    shape = f"shape={count},dtype=float"
    whole = [
        _run(
            sys.executable,
            "-m",
            "deploykit",
            "diff",
            *map(str, files),
            "--reference-contract",
            f"*:{shape}",
            "--format",
            "json",
        )
        for _ in range(ROUNDS)
    ]
    exact = _oracle(files)
    measures = json.loads(whole[0].out)["tensors"][0]["measures"]
    return {
        "elements": count,
        "metrics_gb_per_cpu_s": size / 1e9 / best["cpu_s"],
        "command_gb_per_cpu_s": size / 1e9 / min(run.cpu_s for run in whole),
        "peak_rss_mb": max(run.rss_mb for run in whole),
        "reading_alone_gb_per_cpu_s": size / 1e9 / best["reading_cpu_s"],
        "cosine_distance": measures["cosine_distance"],
        "cosine_distance_error": abs(measures["cosine_distance"] / exact["cosine_distance"] - 1),
        "sqnr_db_error": abs(measures["sqnr_db"] / exact["sqnr_db"] - 1),
    }


class _Run:
    """One process: what it printed, CPU seconds, the most memory that it held."""

    def __init__(self, out: str, cpu_s: float, rss_mb: float) -> None:
        self.out, self.cpu_s, self.rss_mb = out, cpu_s, rss_mb


def _run(*command: str) -> _Run:
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            sys.exit(f"{' '.join(command)} gave {process.returncode}")
        out.seek(0)
        return _Run(out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def _measure(reference: Path, board: Path) -> dict[str, float]:
    """Measure a mapped pair in this process; reading each once by itself says what the memory allows."""
    from deploykit.align.contract import Contract
    from deploykit.align.measure import pair_sums
    from deploykit.align.tensors import Mapping, from_bytes

    contract = Contract((reference.stat().st_size // 4,))
    mappings = Mapping(reference), Mapping(board)
    pair = [from_bytes(mapping.bytes, contract, mapping) for mapping in mappings]
    before = time.process_time()
    pair_sums(pair[0], pair[1], exact=False)
    measured = time.process_time()
    for tensor in pair:
        tensor.codes.max()
    read = time.process_time()
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"cpu_s": measured - before, "reading_cpu_s": read - measured, "rss_mb": rss_mb}


def _oracle(files: tuple[Path, Path]) -> dict[str, float]:
    """Give both measures from sums in extended precision."""
    aa, bb, ab, dd = (numpy.longdouble(0) for _ in range(4))
    a, b = (numpy.memmap(file, numpy.float32, "r") for file in files)
    for start in range(0, a.size, 1 << 20):
        x, y = (side[start : start + (1 << 20)].astype(numpy.longdouble) for side in (a, b))
        aa, bb, ab, dd = aa + (x * x).sum(), bb + (y * y).sum(), ab + (x * y).sum(), dd + ((y - x) ** 2).sum()
    return {
        "cosine_distance": float(1 - ab / numpy.sqrt(aa * bb)),
        "sqnr_db": float(10 * numpy.log10(aa / dd)),
    }


def _peers(count: int) -> dict[str, float]:
    generator = numpy.random.default_rng(3)
    a = generator.standard_normal(count, dtype=numpy.float32)
    b = (a + numpy.float32(NOISE) * generator.standard_normal(count, dtype=numpy.float32)).astype(
        numpy.float32
    )
    found = {"peer_as_tpu_mlir_gb_per_cpu_s": _rate(a, b, _tpu_mlir)}
    if importlib.util.find_spec("polygraphy") is not None:
        found["peer_polygraphy_gb_per_cpu_s"] = _rate(a, b, _polygraphy)
    else:
        print("polygraphy is not installed: its figure is left out", file=sys.stderr)
    return found


def _rate(a: Array, b: Array, compare: object) -> float:
    assert callable(compare)
    before = time.process_time()
    compare(a, b)
    return (a.nbytes + b.nbytes) / 1e9 / (time.process_time() - before)


def _polygraphy(a: Array, b: Array) -> None:
    from polygraphy.comparator import IterationResult, SimpleCompareFunc
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    compare = SimpleCompareFunc(rtol=1e-2, atol=1e-2)
    compare(IterationResult({"t": a}), IterationResult({"t": b}))


def _tpu_mlir(a: Array, b: Array) -> None:
    """Closeness at falling tolerances until one fails, then three similarities, each over the whole array."""
    for digits in range(8, 0, -1):
        if numpy.allclose(a, b, rtol=10.0**-digits, atol=10.0**-digits, equal_nan=True):
            break
    x, y = a.astype(numpy.float64).ravel(), b.astype(numpy.float64).ravel()
    numpy.dot(x, y) / (numpy.linalg.norm(x) * numpy.linalg.norm(y))
    1 - numpy.linalg.norm(x - y) / numpy.linalg.norm((x + y) / 2)
    centred, noise = x - x.mean(), x - y - (x - y).mean()
    10 * numpy.log10((centred**2).sum() / (noise**2).sum())


if __name__ == "__main__":
    main()
