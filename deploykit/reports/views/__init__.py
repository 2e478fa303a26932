"""Report views: everything that a table or a page shows, computed from a run's artifacts and nowhere else."""

from deploykit.reports.views.nouns.run import RunView
from deploykit.reports.views.run import run_view

__all__ = ["RunView", "run_view"]
