"""One pipeline, read and resolved: what the runner, the plan and the history all start from."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import deploykit
from deploykit.artifacts.contract import InputContract
from deploykit.core.codec import to_plain
from deploykit.core.packages import package_file
from deploykit.core.profile import ChipProfile
from deploykit.core.python_code import module_file
from deploykit.core.yaml_file import Document
from deploykit.pipeline.config import PipelineConfig
from deploykit.pipeline.file_digests import FileDigests
from deploykit.pipeline.keys import StepKey
from deploykit.pipeline.steps import Step, pipeline_steps
from deploykit.stages import STAGES
from deploykit.stages.call import ClipSource

TOOLS = ("numpy", "onnx", "onnxruntime", "onnxsim")


@dataclass(frozen=True)
class Context:
    """A pipeline's configuration with its chip profile and the digests of the user's files.

    `name` is the pipeline's, with the matrix combination where there is one (`bev@chip=orin-agx`).
    """

    name: str
    config: PipelineConfig
    document: Document
    profile: ChipProfile
    profile_path: Path
    digests: FileDigests

    @property
    def folder(self) -> Path:
        """The YAML's folder: the user's paths are relative to it."""
        return self.document.path.parent

    @cached_property
    def versions(self) -> tuple[tuple[str, str], ...]:
        """Versions of the programs that compute: part of every key."""
        return (("deploykit", deploykit.__version__), *((tool, metadata.version(tool)) for tool in TOOLS))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return pipeline_steps(tuple(self.config.networks), STAGES)

    @property
    def task_kind(self) -> str:
        """The task's kind, as the YAML names it."""
        return str(self.config.core.task["kind"])

    @property
    def data_notice(self) -> str:
        """What has to be said wherever a figure depends on the data; "" for real data."""
        from deploykit.tasks import TASKS

        return TASKS[self.task_kind].notice if self.task_kind in TASKS else ""

    @cached_property
    def task(self) -> Any:
        """The task, made when the first step needs it."""
        from deploykit.tasks import make_task

        kind, options = self._task_parts
        contracts = {name: self._fed(name) for name in self.config.networks}
        return make_task(kind, options, contracts=contracts, folder=self.folder)

    def source(self, network: str) -> Path | None:
        """Give a network's ONNX file, or None where it comes from a PyTorch function.

        Raises:
            InputError: a `package:` source names no installed package, or leaves its folder.
        """
        text = self.config.networks[network].core.source
        if not text:
            return None
        if text.startswith("package:"):
            return package_file(text, self.document.place(("networks", network, "source")))
        return self.folder / text

    def clips(self, step: Step) -> ClipSource | tuple[()]:
        """Give the clips that a network step reads."""
        if step.stage.data not in ("calibration", "validation"):
            return ()
        calibrates = step.stage.data == "calibration"
        make = self.task.calibration_clips if calibrates else self.task.validation_clips
        return ClipSource(make, step.networks[0], self._clip_count(step))

    def params(self, step: Step) -> Any:
        """Give a step's options."""
        if step.stage.scope == "pipeline":
            return self.config.options[step.stage.section]
        options = self.config.networks[step.networks[0]].options
        params = options[step.stage.section]
        if step.stage_name == "split" and not params.toolchain:
            # what the compiler refuses is split off before it is compiled
            return dataclasses.replace(params, toolchain=options["compile"].toolchain)
        if step.stage_name == "sensitivity" and params.mode == "auto":
            needed = options["precision"].policy == "budget"
            return dataclasses.replace(params, mode="measured" if needed else "off")
        return params

    def key(self, step: Step, inputs: Mapping[str, str]) -> StepKey:
        """Give all that decides a step's artifact, from the digests of the artifacts that it reads."""
        stage = step.stage
        return StepKey(
            step=step.name,
            stage=step.stage_name,
            version=stage.version,
            params=to_plain(self.params(step)),
            inputs=dict(inputs),
            files=self._files(step),
            profile=to_plain(self.profile) if stage.uses_profile else None,
            data=self._data(step) if stage.data != "none" else None,
            tools=dict(self.versions),
        )

    def _fed(self, network: str) -> tuple[InputContract, ...]:
        """Give the contracts of the inputs that data feeds: all but state."""
        config = self.config.networks[network]
        state = {pair.input for pair in config.options["export"].state}
        return tuple(contract for contract in config.core.contracts if contract.name not in state)

    @property
    def _task_parts(self) -> tuple[str, dict[str, Any]]:
        options = dict(self.config.core.task)
        return options.pop("kind"), options

    def _clip_count(self, step: Step) -> int:
        counts = self.config.networks[step.networks[0]].core.clips
        if step.stage.data == "validation":
            return counts.dump
        return (
            counts.calibration
            if step.stage_name in ("sensitivity", "precision", "quantize", "compile")
            else counts.proof
        )

    def _data(self, step: Step) -> dict[str, Any]:
        from deploykit.tasks import data_files

        kind, options = self._task_parts
        count = {} if step.stage.data == "task" else {"clips": self._clip_count(step)}
        files = data_files(kind, options, folder=self.folder)
        return {
            **count,
            "task": self.config.core.task,
            "io": {name: to_plain(self.config.networks[name].core.contracts) for name in step.networks},
            "files": {name: self.digests.digest(path) for name, path in files},
        }

    def _files(self, step: Step) -> dict[str, str]:
        """Give the digests of the user's files that a step reads: the model, a metric's module, a toolchain's
        description."""
        if step.stage.uses_source:
            return self._source_digests(step)
        if step.stage_name in ("split", "compile"):
            description = self.params(step).toolchain
            file = self.folder / description
            is_file = description.endswith((".yaml", ".yml")) and file.is_file()
            return {description: self.digests.digest(file)} if is_file else {}
        if step.stage_name != "sensitivity":
            return {}
        name = self.params(step).metric
        file = module_file(name.partition(":")[0], self.folder) if name else None
        return {name: self.digests.digest(file)} if file else {}

    def _source_digests(self, step: Step) -> dict[str, str]:
        source = self.source(step.networks[0])
        if source is None:
            return self._torch_digests(step)
        names = self.digests.names(source, "external", _external_files)
        found = {source.name: self.digests.digest(source)}
        return found | {name: self.digests.digest(source.parent / name) for name in names}

    def _torch_digests(self, step: Step) -> dict[str, str]:
        """Give what decides a PyTorch network: the file of the module that builds it, and torch's version."""
        name = self.params(step).torch
        file = module_file(name.partition(":")[0], self.folder) if name else None
        if file is None:
            return {}
        version = metadata.version("torch") if importlib.util.find_spec("torch") else "none"
        return {name: self.digests.digest(file), "torch": version}


def _external_files(model: Path) -> tuple[str, ...]:
    """Give the files of a model's external data, relative to its folder."""
    from deploykit.core.graph.model import (
        load_model,
    )  # takes a while; a model that was seen before needs none

    files = {place.file for place in load_model(model).data.values()}
    return tuple(sorted(os.path.relpath(file, model.absolute().parent) for file in files))
