"""What tasks without labels have in common: data, but nothing to judge by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploykit.tasks.protocol import MetricSpec, Network, Record


class Unlabelled:
    """A task without metrics: its networks can be quantized, dumped and compared, not graded."""

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Nothing."""
        return ()

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        """Give an empty record: there are no labels."""
        del index, networks
        return {}

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Give nothing: there are no labels."""
        del records
        return {}
