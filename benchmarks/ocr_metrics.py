"""Float figures of the OCR chain, with the sizes of pipelines/ocr.yaml and with the package's page.

    python benchmarks/ocr_metrics.py --clips 20

A clip is one page of six lines. The package itself would have the page larger than the pipeline does, and
a line as wide as here. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploykit.artifacts.contract import InputContract
from deploykit.core.packages import package_file
from deploykit.core.runtime import open_session
from deploykit.pipeline.config import load_config
from deploykit.tasks import make_task
from deploykit.tasks.ocr.task import OcrTask
from deploykit.tasks.protocol import Array, Frame, Record

PIPELINE = Path(__file__).parents[1] / "pipelines" / "ocr.yaml"
PACKAGE_PAGE = (736, 992)
"""The shorter side 736, as rapidocr's configuration says; both multiples of 32."""


@dataclass
class Session:
    """A network in onnxruntime that counts its time."""

    model: Path
    seconds: float = 0.0
    runs: int = 0

    def __post_init__(self) -> None:
        self._session = open_session(self.model, exact=False)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def reset(self) -> None:
        """Do nothing: these networks have no state."""

    def __call__(self, inputs: Frame) -> dict[str, Array]:
        """Run one frame."""
        start = time.perf_counter()
        outputs = self._session.run(self._outputs, dict(inputs))
        self.seconds += time.perf_counter() - start
        self.runs += 1
        return dict(zip(self._outputs, outputs, strict=True))


def main() -> None:
    """Measure both variants and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=20, help="pages of six lines")
    clips = parser.parse_args().clips
    config, _ = load_config(PIPELINE)
    sources = {name: network.core.source for name, network in config.networks.items()}
    contracts = {name: network.core.contracts for name, network in config.networks.items()}
    options = {name: value for name, value in config.core.task.items() if name != "kind"}
    sessions = {name: Session(package_file(source, name)) for name, source in sources.items()}
    found = {}
    for label, variant in (("pipeline", contracts), ("package_page", package_page(contracts))):
        task = make_task("ocr", options, variant, PIPELINE.parent)
        assert isinstance(task, OcrTask)
        records = [task.evaluate_clip(index, sessions) for index in range(clips)]
        found[label] = task.summarise(records)
        print(f"{label}: {clips} pages, {sum(len(record['lines']) for record in records)} lines")
        show(found[label], records)
    milliseconds = {name: 1e3 * session.seconds / session.runs for name, session in sessions.items()}
    print(json.dumps({"clips": clips, **found, "milliseconds": milliseconds}))


def package_page(
    contracts: Mapping[str, tuple[InputContract, ...]],
) -> dict[str, tuple[InputContract, ...]]:
    """Give contracts with the package's own page size."""
    return {**contracts, "det": (replace(contracts["det"][0], shape=(1, 3, *PACKAGE_PAGE)),)}


def show(metrics: Mapping[str, float], records: Sequence[Record]) -> None:
    """Print the metrics, and every line that was read wrongly."""
    for name, value in metrics.items():
        print(f"  {name:24} {value:7.2f} %")
    rows: list[dict[str, Any]] = [row for record in records for row in record["lines"] if row["edits"]]
    for row in rows:
        print(f"  {row['text']!r} read as {row['read']!r}")


if __name__ == "__main__":
    main()
