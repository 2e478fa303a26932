"""Export: load, bind free sizes, simplify, and prove equal to the source."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deploykit.artifacts.model import Model
from deploykit.core.workspace import Workspace
from deploykit.stages.call import StageCall
from deploykit.stages.export.params import ExportParams
from deploykit.tasks.protocol import Clip

__all__ = ["GIVES", "PARAMS", "ExportParams", "export_model", "run"]

PARAMS = ExportParams
GIVES = Model


def export_model(
    source: Path | None,
    clips: Iterable[Clip],
    *,
    network: str,
    params: ExportParams,
    workspace: Workspace,
    folder: Path = Path(),
) -> Model:
    """Bring a network into normal form as one ONNX file, proved equal to its source on `clips`.

    `source` is an ONNX file; None where `params.torch` names the function that builds the network, which is
    looked for in `folder` too. Without clips the proof runs on seeded random inputs and says so.

    Raises:
        InputError: the model or the params are wrong; all faults at once.
        FindingError: the result differs from its source by more than `params.tolerance`.
    """
    from deploykit.stages.export.export import export_network  # pulls onnx in: only when the step runs

    return export_network(source, clips, network=network, params=params, workspace=workspace, folder=folder)


def run(call: StageCall) -> Model:
    """Run the step with what the runner hands over."""
    return export_model(
        call.source,
        call.clips,
        network=call.network,
        params=call.params,
        workspace=call.workspace,
        folder=call.folder,
    )
