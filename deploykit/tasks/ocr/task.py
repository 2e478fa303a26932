"""The OCR task: pages of rendered text, read by a detector, a direction classifier and a recogniser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from deploykit.artifacts.contract import InputContract
from deploykit.artifacts.evaluation import FrameSketch
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.packages import PREFIX, package_file
from deploykit.tasks.context import TaskContext
from deploykit.tasks.ocr.boxes import Points, find_boxes, from_top_left, grown, sides
from deploykit.tasks.ocr.page import Page, PageLook, TextLine, draw_page
from deploykit.tasks.ocr.reading import cut_line, decode_text, read_characters, upside_down
from deploykit.tasks.ocr.scoring import METRICS, Reading, score_page, sketch_page, summarise_pages
from deploykit.tasks.ocr.words import VOCABULARY
from deploykit.tasks.preprocess import place, to_tensor
from deploykit.tasks.protocol import Array, Clip, Frame, MetricSpec, Network, Record

Split: TypeAlias = Literal["calibration", "validation"]
SPLITS: tuple[Split, ...] = ("calibration", "validation")
ROLES = ("det", "cls", "rec")

LINE_MARGIN = 0.09
"""What the detector's boxes leave beside a line, of its height: the float network's median; above it is 0."""


@dataclass(frozen=True)
class OcrTask:
    """Reads rendered pages with the networks `det`, `cls` and `rec`; a clip is one page, or one line of one.

    Pages for calibration and for validation have no word in common.
    """

    context: TaskContext
    characters: str = "package:rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
    """The ONNX file whose metadata lists the recogniser's characters; `package:NAME/FILE`, or a path."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The same seed gives the same pages."""
    look: PageLook = field(default_factory=PageLook)
    """How the pages look."""
    text_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Probability from which a pixel belongs to text."""
    box_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Mean probability from which a region is a line."""
    unclip_ratio: Annotated[float, Field(gt=0)] = 1.6
    """How far a region grows back to the text's size: by this times area / perimeter."""
    direction_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Probability from which a line is turned."""

    def __post_init__(self) -> None:
        faults = [
            Fault(
                "networks",
                f"the ocr task needs a network {role!r} with one image input",
                "see pipelines/ocr.yaml",
            )
            for role in ROLES
            if [item.is_image for item in self.context.contracts.get(role, ())] != [True]
        ]
        if faults:
            raise InputError(*faults)

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What people ask of a reader."""
        return METRICS

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give pages for `det`, single lines for `cls` and `rec`."""
        return self._clips(network, "calibration", count)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give unseen pages for `det`, unseen lines (cut at their true places) for `cls` and `rec`."""
        return self._clips(network, "validation", count)

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        """Read validation page `index`: find lines, turn those upside down, read each."""
        page = self.page("validation", index)
        return score_page(page.lines, self._readings(page, networks))

    def sketch_clip(self, index: int, networks: Mapping[str, Network]) -> Sequence[FrameSketch]:
        """Draw validation page `index`: its lines, and what was read where."""
        page = self.page("validation", index)
        height, width, _ = page.image.shape
        return [sketch_page(page.lines, self._readings(page, networks), width, height)]

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Give all metrics over these pages."""
        return summarise_pages(records)

    def page(self, split: Split, index: int) -> Page:
        """Draw page `index` of a split."""
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        return draw_page(rng, VOCABULARY[split], self.look)

    @cached_property
    def character_list(self) -> tuple[str, ...]:
        """The recogniser's classes in order."""
        if self.characters.startswith(PREFIX):
            return read_characters(package_file(self.characters, "task.characters"))
        path = self.context.folder / self.characters
        if not path.is_file():
            raise input_error("task.characters", f"there is no file {path}")
        return read_characters(path)

    def _clips(self, network: str, split: Split, count: int) -> Iterator[Clip]:
        contract = self._contract(network)
        if network == "det":
            for index in range(count):
                yield Clip(
                    f"{split} page {index}",
                    ({contract.name: to_tensor(self.page(split, index).image, contract)},),
                )
            return
        for index in range(count):
            page_index, line_index = divmod(index, self.look.lines)
            page = self.page(split, page_index)
            crop = line_crop(page, page.lines[line_index], upright=network == "rec")
            yield Clip(
                f"{split} page {page_index} line {line_index}", ({contract.name: to_tensor(crop, contract)},)
            )

    def _readings(self, page: Page, networks: Mapping[str, Network]) -> list[Reading]:
        for role in ROLES:
            networks[role].reset()
        return [self._read(page, box, networks) for box in self._find(page, networks["det"])]

    def _find(self, page: Page, network: Network) -> list[Points]:
        contract = self._contract("det")
        probability = _only(network({contract.name: to_tensor(page.image, contract)}))
        placement = place(page.image.shape[0], page.image.shape[1], contract)
        boxes = find_boxes(
            probability.reshape(probability.shape[-2:]),
            threshold=self.text_threshold,
            box_threshold=self.box_threshold,
            unclip_ratio=self.unclip_ratio,
        )
        return [placement.to_raw(box) for box in boxes]

    def _read(self, page: Page, box: Points, networks: Mapping[str, Network]) -> Reading:
        crop = cut_line(page.image, box)
        turned = upside_down(_only(networks["cls"](self._frame("cls", crop))), self.direction_threshold)
        upright = crop[::-1, ::-1] if turned else crop
        probabilities = _only(networks["rec"](self._frame("rec", upright)))
        text = decode_text(probabilities.reshape(probabilities.shape[-2:]), self.character_list)
        return Reading(box, text, turned)

    def _frame(self, role: str, image: Array) -> Frame:
        contract = self._contract(role)
        return {contract.name: to_tensor(image, contract)}

    def _contract(self, role: str) -> InputContract:
        return replace(self.context.of(role)[0], raw_colour="rgb")


def line_crop(page: Page, line: TextLine, *, upright: bool) -> Array:
    """Cut a line out at its true place with the detector's margin; as it stands, or upright."""
    box = grown(line.corners, LINE_MARGIN * sides(line.corners)[1], 0.0)
    return cut_line(page.image, box if upright else from_top_left(box))


def _only(outputs: Mapping[str, Array]) -> Array:
    return next(iter(outputs.values()))
