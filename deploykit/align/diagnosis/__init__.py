"""Name the cause of a difference between a reference and a board's dump."""

from deploykit.align.diagnosis.diagnose import diagnose
from deploykit.align.diagnosis.result import Cause, Context, Diagnosis

__all__ = ["Cause", "Context", "Diagnosis", "diagnose"]
