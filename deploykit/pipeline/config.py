"""The pipeline's YAML: what it may hold, and how it becomes values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.yaml_file import Document, Location, at, load_document, located, parse
from deploykit.stages import STAGES

NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Matrix:
    """Runs the pipeline for each combination of values.

    `axes` maps a setting ("chip", "networks.bev.split.auto") to its values; `exclude` drops the combinations
    that hold all of its values, `include` adds some.
    """

    axes: dict[str, tuple[Any, ...]]
    exclude: tuple[dict[str, Any], ...] = ()
    include: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class ClipCounts:
    """How many clips each kind of step reads: `proof` for export and split, `calibration`, and `dump`."""

    proof: int = 1
    calibration: int = 8
    dump: int = 1


@dataclass(frozen=True)
class NetworkCore:
    """A network's own keys, beside the sections of its stages.

    `source` is an ONNX file beside the YAML, or `package:NAME/FILE` of an installed package (empty where
    `export.torch` names a PyTorch function). `io` gives each input's contract by name.
    """

    source: str = ""
    io: dict[str, InputContract] = field(default_factory=dict)
    clips: ClipCounts = ClipCounts()

    @property
    def contracts(self) -> tuple[InputContract, ...]:
        """The inputs' contracts, in the YAML's order."""
        return tuple(self.io.values())


@dataclass(frozen=True)
class PipelineCore:
    """A pipeline's own keys, beside its networks and the sections of its stages.

    `chip` is a profile's name or file. `task` is a kind and that kind's options.
    """

    name: str
    chip: str
    task: dict[str, Any] = field(default_factory=lambda: {"kind": "random"})
    matrix: Matrix | None = None


@dataclass(frozen=True)
class NetworkConfig:
    """One network: its own keys, and the options of each network stage by section."""

    core: NetworkCore
    options: Mapping[str, Any]


@dataclass(frozen=True)
class PipelineConfig:
    """One pipeline: its own keys, its networks, and the options of each pipeline stage by section."""

    core: PipelineCore
    networks: Mapping[str, NetworkConfig]
    options: Mapping[str, Any]


def sections(scope: str) -> dict[str, type[Any]]:
    """Give the options' class of each section that stages of a scope read."""
    return {stage.section: stage.load().PARAMS for stage in STAGES.values() if stage.scope == scope}


def load_config(path: Path, overrides: Sequence[str] = ()) -> tuple[PipelineConfig, Document]:
    """Read a pipeline's YAML with `--set` values on top (`a.b=c`, c as YAML).

    Raises:
        InputError: every fault of the file at once, each as `file:line:column: where: what`.
    """
    document = override(load_document(path), overrides)
    if not isinstance(document.data, dict):
        raise input_error(str(path), "a pipeline is a mapping with `name`, `chip` and `networks`")
    reader = _Reader(document)
    config = reader.pipeline()
    if reader.faults or config is None:
        raise InputError(*reader.faults)
    return config, document


def override(document: Document, overrides: Iterable[str]) -> Document:
    """Give a copy of a document with `a.b=c` values set; the user's file is never written."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    data = document.data
    places = dict(document.places)
    for text in overrides:
        name, equals, value_text = text.partition("=")
        location: Location = tuple(name.strip().split("."))
        if not equals or not all(location):
            raise input_error(f"--set {text}", "not of the form a.b=value")
        try:
            value = YAML(typ="safe", pure=True).load(value_text)
        except YAMLError as error:
            raise input_error(f"--set {text}", "the value is not valid YAML") from error
        data = _with(data, location, value, f"--set {text}")
        places[location] = f"--set {text}"
    return dataclasses.replace(document, data=data, places=places)


def _with(data: Any, location: Location, value: Any, where: str) -> Any:
    if not location:
        return value
    if isinstance(data, list) and str(location[0]).isdigit() and int(location[0]) < len(data):
        index = int(location[0])
        return [*data[:index], _with(data[index], location[1:], value, where), *data[index + 1 :]]
    if not isinstance(data, dict | None):
        raise input_error(where, f"{location[0]!r} has no place here: the YAML holds {data!r}")
    known = data or {}
    return {**known, location[0]: _with(known.get(str(location[0])), location[1:], value, where)}


class _Reader:
    """Parses a document section by section, and collects the faults of all."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Fault] = []

    def pipeline(self) -> PipelineConfig | None:
        """Parse the whole; None where a fault was found."""
        core, options = self._level((), PipelineCore, sections("pipeline"), apart=("networks",))
        networks = self._networks()
        if not self.faults and not isinstance(core.task.get("kind"), str):
            self._fault(("task",), "a task needs a `kind`, such as {kind: random}")
        return None if self.faults else PipelineConfig(core, networks, options)

    def _networks(self) -> dict[str, NetworkConfig]:
        given = self.document.data.get("networks")
        if not isinstance(given, dict) or not given:
            self._fault(("networks",), "at least one is needed: `networks: {NAME: {source: FILE.onnx}}`")
            return {}
        found = {}
        for name, body in given.items():
            if not NAME.fullmatch(name):
                self._fault(("networks", name), "a network's name is made of letters, digits, '_' and '-'")
            elif not isinstance(body, dict):
                self._fault(("networks", name), "a network is a mapping with a `source`")
            else:
                core, options = self._level(("networks", name), NetworkCore, sections("network"))
                found[name] = NetworkConfig(core, options)
        return found

    def _level(
        self,
        location: Location,
        core_type: type[Any],
        stage_sections: Mapping[str, type[Any]],
        apart: tuple[str, ...] = (),
    ) -> tuple[Any, dict[str, Any]]:
        """Parse a mapping that holds a core's own keys beside one section a stage."""
        body = at(self.document.data, location)
        own = {item.name for item in dataclasses.fields(core_type)}
        for key in body:
            if key not in own and key not in stage_sections and key not in apart:
                meant = did_you_mean(key, (*own, *stage_sections, *apart))
                self._fault((*location, key), f"unknown key{meant}")
        mine = {key: named(value) if key == "io" else value for key, value in body.items() if key in own}
        core = self._parse(location, core_type, mine)
        options = {
            section: self._parse((*location, section), params, body.get(section) or {})
            for section, params in stage_sections.items()
        }
        return core, options

    def _parse(self, location: Location, value_type: type[Any], data: Any) -> Any:
        try:
            return parse(self.document, value_type, location, data)
        except InputError as error:
            self.faults.extend(error.faults)
            return None

    def _fault(self, location: Location, what: str) -> None:
        self.faults.append(located(self.document, location, what))


def named(io: Any) -> Any:
    """Give each contract of an `io` mapping its key as its name."""
    if not isinstance(io, dict):
        return io
    return {name: {"name": name, **body} if isinstance(body, dict) else body for name, body in io.items()}
