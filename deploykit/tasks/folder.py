"""What tasks on a folder of files have in common: which are seen, which are unseen, and clips of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import Fault, InputError
from deploykit.tasks.context import TaskContext
from deploykit.tasks.files import divided, network_files
from deploykit.tasks.protocol import Clip, Frame
from deploykit.tasks.unlabelled import Unlabelled

SHOWN_FAULTS = 20


@dataclass(frozen=True)
class FolderTask(Unlabelled):
    """Frames from the files of a folder, in the order of their names."""

    suffixes: ClassVar[tuple[str, ...]]

    context: TaskContext
    path: Path
    """The data folder, or a folder of one folder a network; relative to the pipeline's YAML."""
    validation_path: Path | None = None
    """A folder of unseen data; without it the last files of `path` are unseen."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """How much of `path` is unseen where there is no `validation_path`."""
    clip_files: Annotated[int, Field(ge=1)] = 1
    """Consecutive files that make one clip: for networks with state whose files hold one frame each."""

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` clips of the folder."""
        files = network_files(self.path, self.suffixes, self.context, network)
        seen = files if self.validation_path else divided(files, self.validation_share)[0]
        return self._clips(network, seen, count)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` unseen clips."""
        files = network_files(self.validation_path or self.path, self.suffixes, self.context, network)
        unseen = files if self.validation_path else divided(files, self.validation_share)[1]
        return self._clips(network, unseen, count)

    @abstractmethod
    def read(self, file: Path, contracts: Sequence[InputContract]) -> list[Frame]:
        """Read the frames of one file, checked against the contracts."""

    def _clips(self, network: str, files: Sequence[Path], count: int) -> Iterator[Clip]:
        contracts = self.context.of(network)
        groups = [files[at : at + self.clip_files] for at in range(0, len(files), self.clip_files)][:count]
        self._raise_all_faults([file for group in groups for file in group], contracts)
        for group in groups:
            yield Clip(group[0].stem, tuple(frame for file in group for frame in self.read(file, contracts)))

    def _raise_all_faults(self, files: Sequence[Path], contracts: Sequence[InputContract]) -> None:
        """Read every file once before any work starts, so that all faults are told in one go."""
        faults: list[Fault] = []
        for file in files:
            try:
                self.read(file, contracts)
            except InputError as error:
                faults += error.faults
        if len(faults) > SHOWN_FAULTS:
            faults = [
                *faults[:SHOWN_FAULTS],
                Fault("", f"and {len(faults) - SHOWN_FAULTS} more faults in the data"),
            ]
        if faults:
            raise InputError(*faults)
