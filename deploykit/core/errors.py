"""The exceptions of deploykit, and the exit code that each one means.

    DeploykitError            (never raised itself)
    +-- FindingError          exit 1: the input is fine, the answer is no (mismatch, no feasible plan)
    +-- InputError            exit 2: something the user gave is wrong; carries every fault at once
    +-- EnvironmentFault      exit 2: the machine's side (full disk, read-only folder, missing tool)

Anything else that escapes is a fault of ours: exit 3, with its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it is, what it is, and what to do about it."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"; {self.fix}" if self.fix else "")


class DeploykitError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code = 3


class FindingError(DeploykitError):
    """The work was done and the finding is negative."""

    exit_code = 1


class InputError(DeploykitError):
    """The user's input is wrong. Holds all faults that were found, never only the first."""

    exit_code = 2

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))

    def __reduce__(self) -> tuple[type[InputError], tuple[Fault, ...]]:
        """Keep the faults when a worker process hands the error over."""
        return type(self), self.faults


class EnvironmentFault(DeploykitError):
    """The machine cannot do what was asked: disk full, folder read-only, program missing."""

    exit_code = 2


def input_error(where: str, what: str, fix: str = "") -> InputError:
    """Make an `InputError` of one fault."""
    return InputError(Fault(where, what, fix))
