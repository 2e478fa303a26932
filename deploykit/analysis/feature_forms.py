"""Do both sides of a shared feature see the same bytes? What differs, and what would convert it."""

from __future__ import annotations

from deploykit.artifacts.memory_blocks import TensorForm

CHANNELS_FIRST = "NCHW"
CHANNELS_LAST = "NHWC"


def words(form: TensorForm) -> str:
    """Describe a form for a message: `backbone.features int8[1, 48, 64, 64] NCHW scale 0.1 zero point 0`."""
    text = f"{form.tensor} {form.dtype}{list(form.shape)}"
    text += f" {form.layout}" if form.layout else ""
    return text + (f" scale {form.scale:g} zero point {form.zero_point}" if form.scale is not None else "")


def batch_count(writer: TensorForm, reader: TensorForm) -> int | None:
    """Give how many elements of the smaller batch both sides have together; None where the rest differs.

    The batch is the first size. A writer of batch 1 that runs six times fills what a reader of batch 6 reads
    at once, and the other way round.
    """
    if not writer.shape or not reader.shape:
        return 1 if writer.shape == reader.shape else None
    turned = _layouts_differ(writer, reader)
    if not (_is_turned(writer, reader) if turned else writer.shape[1:] == reader.shape[1:]):
        return None
    large, small = max(writer.shape[0], reader.shape[0]), min(writer.shape[0], reader.shape[0])
    return None if not small or large % small else large // small


def conversion_steps(writer: TensorForm, reader: TensorForm) -> tuple[str, ...]:
    """Give the steps that make the reader's form of the writer's, in order; none where they are equal."""
    steps = []
    if _layouts_differ(writer, reader):
        first, second = _layout(writer, reader), _layout(reader, writer)
        steps.append(f"transpose {first} to {second}")
    codes = (writer.scale, writer.zero_point) != (reader.scale, reader.zero_point)
    if writer.dtype != reader.dtype or codes:
        if writer.scale is not None and reader.scale is not None:
            steps.append(f"requantize {_code(writer)} to {_code(reader)}")
        elif writer.scale is not None:
            steps.append(f"dequantize {_code(writer)} to {reader.dtype}")
        elif reader.scale is not None:
            steps.append(f"quantize {writer.dtype} to {_code(reader)}")
        else:
            steps.append(f"cast {writer.dtype} to {reader.dtype}")
    return tuple(steps)


def differences(writer: TensorForm, reader: TensorForm) -> tuple[str, ...]:
    """Name what differs between the two sides, each with both values."""
    found = []
    if _layouts_differ(writer, reader):
        found.append(f"layout {_layout(writer, reader)} against {_layout(reader, writer)}")
    if writer.dtype != reader.dtype:
        found.append(f"type {writer.dtype} against {reader.dtype}")
    if writer.scale != reader.scale:
        found.append(f"scale {_number(writer.scale)} against {_number(reader.scale)}")
    if writer.zero_point != reader.zero_point:
        found.append(f"zero point {_number(writer.zero_point)} against {_number(reader.zero_point)}")
    return tuple(found)


def _layouts_differ(writer: TensorForm, reader: TensorForm) -> bool:
    """Say whether channels are first on one side and last on the other: by what is said, else by sizes."""
    if writer.layout and reader.layout:
        return writer.layout != reader.layout
    return writer.shape[1:] != reader.shape[1:]


def _is_turned(writer: TensorForm, reader: TensorForm) -> bool:
    """Say whether one side's sizes are the other's with the channels moved, as far as layouts are said."""
    return any(
        len(first.shape) == len(last.shape) == 4
        and (first.shape[2], first.shape[3], first.shape[1]) == last.shape[1:]
        and first.layout != CHANNELS_LAST
        and last.layout != CHANNELS_FIRST
        for first, last in ((writer, reader), (reader, writer))
    )


def _layout(form: TensorForm, other: TensorForm) -> str:
    """Give a form's layout; from the sizes where nobody said it."""
    if form.layout:
        return form.layout
    first = (form.shape[2], form.shape[3], form.shape[1]) == other.shape[1:]
    return CHANNELS_FIRST if first else CHANNELS_LAST


def _code(form: TensorForm) -> str:
    return f"{form.dtype} (scale {_number(form.scale)}, zero point {_number(form.zero_point)})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
