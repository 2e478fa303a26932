from __future__ import annotations

from deploykit.artifacts.contract import InputContract


def test_sizes_follow_the_layout() -> None:
    first = InputContract("x", (2, 3, 48, 320), "NCHW", colour="rgb")
    last = InputContract("x", (2, 48, 320, 3), "NHWC", colour="rgb")

    assert (first.leading, first.channels, first.rows, first.columns) == ((2,), 3, 48, 320)
    assert (last.leading, last.channels, last.rows, last.columns) == ((2,), 3, 48, 320)


def test_raw_colour_is_the_networks_unless_it_is_given() -> None:
    assert InputContract("x", colour="bgr").raw == "bgr"
    assert InputContract("x", colour="bgr", raw_colour="nv12").raw == "nv12"


def test_an_input_that_is_no_image_has_only_leading_dimensions() -> None:
    ids = InputContract("ids", (1, 16))

    assert not ids.is_image
    assert ids.leading == (1, 16)
