"""Run what a description says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.graph import TensorInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.errors import Fault, input_error
from deploykit.core.process import run_program
from deploykit.toolchains.described.description import Description, Tensors
from deploykit.toolchains.described.log import read_log
from deploykit.toolchains.frame_files import frame_files, read_frame, write_frame
from deploykit.toolchains.plan_files import PLAN_FILES
from deploykit.toolchains.protocol import (
    Capabilities,
    Compiled,
    Environment,
    Job,
    OperatorSupport,
    Recipe,
    Simulated,
)
from deploykit.toolchains.static_shapes import shape_faults

Array: TypeAlias = NDArray[Any]
SAFE = re.compile(r"[^A-Za-z0-9._-]")
PLAN_ARGUMENTS = "{plan_arguments}"


@dataclass(frozen=True)
class DescribedToolchain:
    """A toolchain as `described` says; `here` is the folder of the YAML file, {here} in commands."""

    described: Description
    here: Path
    recipe: Recipe | None = None

    @property
    def name(self) -> str:
        """The description's name."""
        return self.described.name

    def capabilities(self) -> Capabilities:
        """Give what the description says."""
        operators = tuple(OperatorSupport(op) for op in self.described.operators if op != "*")
        per_layer = dict.fromkeys(self.described.chips, self.described.per_layer)
        dumps = self.described.simulate is not None
        source = "the toolchain's description"
        return Capabilities(self.described.chips, per_layer, operators, source, dumps, dumps)

    def check(self, segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
        """Name operators, shapes and schemes that the description does not have."""
        where = f"segment {segment.name!r}"
        faults = list(shape_faults(segment, self.name))
        offered = (*self.described.chips.get(chip, ()), *self.described.per_layer)
        for node in segment.graph.nodes:
            if "*" not in self.described.operators and node.op not in self.described.operators:
                place = f"{where}, node {node.name or node.id!r} ({node.op})"
                what = f"{self.name} has no such operator"
                faults.append(Fault(place, what, "leave it to the CPU, or add it to `operators`"))
            scheme = schemes.get(node.id, "float32")
            if is_integer(scheme) and scheme not in offered:
                fix = f"it offers there: {', '.join(offered)}"
                faults.append(
                    Fault(f"{where}, node {node.name or node.id!r}", f"{chip} has no {scheme}", fix)
                )
        return tuple(faults)

    def version(self, environment: Environment) -> str:
        """Ask the tool; "unknown" where the description has no command for it."""
        del environment
        asked = self.described.version
        if asked is None:
            return "unknown"
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            text = self._run(asked.command, {}, (), Path(folder), "version", 60.0)
        found = re.search(asked.pattern, text)
        return (found[1] if found.groups() else found[0]) if found else "unknown"

    def compile(self, job: Job, environment: Environment) -> Compiled:
        """Run the compiler. Raises InputError with its last lines."""
        del environment
        command = self.described.compile
        names = {"model": str(job.model), "quantized": str(job.quantized or ""), **self._names(job)}
        names["calibration"] = str(self._calibration(job))
        notices: tuple[str, ...] = ()
        lines: list[str] = []
        if command.plan:
            written = PLAN_FILES[command.plan](job.plan)
            notices = written.notices
            for end, text in written.files:
                (job.folder / f"{job.name}{end}").write_text(text, encoding="utf-8")
            names["plan"] = str(job.folder / f"{job.name}{written.files[0][0]}")
            lines = written.files[0][1].splitlines()
        text = self._run(
            _with_lines(command.command, lines),
            names,
            command.failed,
            job.folder,
            "compile",
            job.time_limit_s,
        )
        files = tuple(job.folder / file.format(**names) for file in command.files)
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            what = f"the compiler ended well, but made no {', '.join(missing)}"
            raise input_error(self._where(job.name), what, f"its output is in {job.folder / 'compile.log'}")
        return Compiled(files, self.parse_report(text), notices)

    def simulate(
        self,
        job: Job,
        compiled: Compiled,
        frames: Path,
        environment: Environment,
        *,
        tensors: Sequence[str] = (),
    ) -> Simulated:
        """Run the simulator once a frame. Raises InputError with its last lines."""
        del environment
        command = self.described.simulate
        if command is None:
            raise input_error(
                self._where(job.name), "its description has no `simulate`", "add it, or leave it out"
            )
        results = job.folder / "results"
        results.mkdir()
        known = job.segment.graph.tensor
        missing: dict[str, str] = {}
        for file in frame_files(frames):
            inputs, dump = job.folder / f"{file.stem}_in", job.folder / f"{file.stem}_out"
            dump.mkdir()
            _write(inputs, read_frame(file), command.inputs)
            names = {"binary": str(compiled.files[0]), "inputs": str(inputs), "dump": str(dump)}
            names |= self._names(job)
            self._run(command.command, names, command.failed, job.folder, "simulate", job.time_limit_s)
            found = {}
            for name in dict.fromkeys((*job.segment.graph.outputs, *tensors)):
                array, why = _read(dump, known[name], command.dump)
                if array is not None:
                    found[name] = array
                elif name in job.segment.graph.outputs:
                    raise input_error(self._where(job.name), f"output {name!r} of {file.name}: {why}")
                else:
                    missing[name] = why
            write_frame(results / file.name, found)
            shutil.rmtree(inputs)
            shutil.rmtree(dump)
        return Simulated(results, bool(tensors), missing)

    def parse_report(self, text: str) -> CompileReport:
        """Read the compiler's output by the description's patterns."""
        return read_log(text, self.described.report)

    def _names(self, job: Job) -> dict[str, str]:
        return {"chip": job.chip, "name": job.name, "folder": str(job.folder)}

    def _calibration(self, job: Job) -> Path:
        target = job.folder / "calibration"
        for file in frame_files(job.calibration) if job.calibration else []:
            _write(target / file.stem, read_frame(file), self.described.compile.calibration)
        return target

    def _run(
        self,
        command: Sequence[str],
        names: Mapping[str, str],
        failed: Sequence[str],
        folder: Path,
        label: str,
        limit_s: float,
    ) -> str:
        values = {**names, "here": str(self.here)}
        arguments = [argument.format(**values) for argument in command]
        done = run_program(arguments, folder, output=folder / f"{label}.log", time_limit_s=limit_s)
        where = f"{self._where(names.get('name', ''))}, {label}"
        if done.code != 0:
            raise input_error(where, done.how, "" if done.error else done.kept)
        text = done.text()
        bad = next(
            (line for line in text.splitlines() if any(re.search(mark, line) for mark in failed)), None
        )
        if bad is not None:
            raise input_error(where, f"ended with code 0, but says {bad.strip()!r}", done.kept)
        return text

    def _where(self, segment: str) -> str:
        return f"{self.name}, segment {segment!r}" if segment else self.name


def _with_lines(command: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Put the plan's lines where {plan_arguments} stands alone."""
    filled: list[str] = []
    for argument in command:
        escaped = [line.replace("{", "{{").replace("}", "}}") for line in lines]
        filled += escaped if argument == PLAN_ARGUMENTS else [argument]
    return filled


def _file(folder: Path, tensor: str, form: Tensors) -> Path:
    return folder / form.file.replace("{tensor}", SAFE.sub("_", tensor))


def _write(folder: Path, values: Mapping[str, Array], form: Tensors) -> None:
    folder.mkdir(parents=True)
    for name, value in values.items():
        shaped = value.transpose(0, 2, 3, 1) if form.layout == "NHWC" and value.ndim == 4 else value
        content = numpy.ascontiguousarray(shaped, dtype=form.dtype)
        file = _file(folder, name, form)
        if form.format == "npy":
            with file.open("wb") as stream:
                numpy.lib.format.write_array(stream, content, allow_pickle=False)
        else:
            content.tofile(file)


def _read(folder: Path, tensor: TensorInfo, form: Tensors) -> tuple[Array | None, str]:
    """Give a tensor in the network's layout, or why there is none."""
    file = _file(folder, tensor.name, form)
    if not file.is_file():
        return None, f"the simulator wrote no {file.name}"
    found = numpy.load(file, allow_pickle=False) if form.format == "npy" else numpy.fromfile(file, form.dtype)
    shape = tuple(size for size in tensor.shape or () if isinstance(size, int))
    turned = form.layout == "NHWC" and len(shape) == 4
    stored = (shape[0], *shape[2:], shape[1]) if turned else shape
    if found.size != numpy.prod(stored, dtype=numpy.int64):
        return None, f"{file.name} holds {found.size} values, {list(stored)} is wanted"
    value = found.reshape(stored).astype(numpy.float32)
    return (value.transpose(0, 3, 1, 2) if turned else value), ""
