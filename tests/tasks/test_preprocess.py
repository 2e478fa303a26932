from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.artifacts.contract import InputContract, Resize
from deploykit.core.errors import InputError
from deploykit.tasks.preprocess import contract_faults, convert_colour, nv12_to_rgb, place, to_tensor


def contract(rows: int, columns: int, resize: Resize = "none", **changes: object) -> InputContract:
    values = {"layout": "NCHW", "colour": "rgb", "raw_dtype": "uint8", **changes}
    return InputContract("x", (1, 3, rows, columns), resize=resize, **values)  # type: ignore[arg-type]  # values of one kind by name


# BT.601 studio range: https://www.itu.int/rec/R-REC-BT.601: black 16, white 235; red is (81, 90, 240), green
# (145, 54, 34), blue (41, 240, 110), the values of 100 % colour bars.
@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((126, 128, 128), (128, 128, 128)),
        ((81, 90, 240), (255, 0, 0)),
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
    ],
)
def test_nv12_colour_bars(yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    y, u, v = yuv
    plane = np.array([[y, y], [y, y], [u, v]], dtype=np.uint8)

    decoded = nv12_to_rgb(plane)

    assert decoded.shape == (2, 2, 3)
    assert np.abs(decoded.astype(int) - rgb).max() <= 1


def test_nv12_shares_chroma_between_two_by_two_pixels() -> None:
    # By hand, for Y = 100, U = 128, V = 160: R = 1.164 * 84 + 1.596 * 32 = 148.85,
    # G = 97.776 - 0.813 * 32 = 71.76, B = 97.776. The second block has V = 128: all 97.776.
    plane = np.array([[100] * 4, [100] * 4, [128, 160, 128, 128]], dtype=np.uint8)

    decoded = nv12_to_rgb(plane)

    assert decoded[:, :2].reshape(-1, 3).tolist() == [[149, 72, 98]] * 4
    assert decoded[:, 2:].reshape(-1, 3).tolist() == [[98, 98, 98]] * 4


@pytest.mark.parametrize("shape", [(4, 2), (3, 3), (5, 2)])
def test_nv12_refuses_planes_of_other_shapes(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="no NV12 plane"):
        nv12_to_rgb(np.zeros(shape, dtype=np.uint8))


def test_colours_are_reordered_and_greyed() -> None:
    pixel = np.array([[[10, 20, 30]]], dtype=np.uint8)

    assert convert_colour(pixel, "rgb", "bgr").tolist() == [[[30, 20, 10]]]
    # 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15; read as BGR: 0.299 * 30 + 0.587 * 20 + 0.114 * 10 = 21.85
    assert convert_colour(pixel, "rgb", "gray").tolist() == [[[18]]]
    assert convert_colour(pixel, "bgr", "gray").tolist() == [[[22]]]
    assert convert_colour(pixel[..., 0], "gray", "bgr").tolist() == [[[10, 10, 10]]]


def test_letterbox_geometry() -> None:
    # 1280 x 720 into 640 x 640: factor 1/2, 640 x 360 pixels, (640 - 360) / 2 = 140 rows of padding above.
    placement = place(720, 1280, contract(640, 640, "letterbox"))

    assert (placement.width, placement.height) == (640, 360)
    assert (placement.offset_x, placement.offset_y) == (0, 140)
    assert placement.to_tensor([[1280, 720], [0, 0], [100, 50]]).tolist() == [[640, 500], [0, 140], [50, 165]]
    assert placement.to_raw([[50, 165]]).tolist() == [[100, 50]]


def test_letterbox_at_the_top_left() -> None:
    placement = place(720, 1280, contract(640, 640, "letterbox", anchor="top_left"))

    assert (placement.offset_x, placement.offset_y) == (0, 0)


def test_crop_geometry() -> None:
    # 1280 x 720 covers 320 x 320 at factor 320 / 720: 568.9 pixels wide, 249 cut off, 125 on the left.
    placement = place(720, 1280, contract(320, 320, "crop"))

    assert (placement.width, placement.height) == (569, 320)
    assert (placement.offset_x, placement.offset_y) == (-125, 0)


def test_fit_height_pads_short_lines_and_squeezes_long_ones() -> None:
    line = contract(48, 320, "fit_height", anchor="top_left")

    short, long = place(24, 100, line), place(24, 400, line)

    assert (short.width, short.height, short.offset_x) == (200, 48, 0)
    assert (long.width, long.height) == (320, 48)
    assert (long.scale_x, long.scale_y) == (0.8, 2.0)


@given(
    st.integers(1, 400), st.integers(1, 400), st.sampled_from(["stretch", "letterbox", "crop", "fit_height"])
)
def test_points_come_back_and_corners_are_where_the_rule_says(height: int, width: int, rule: Resize) -> None:
    placement = place(height, width, contract(48, 64, rule))
    corners = np.array([[0, 0], [width, height]])

    low, high = placement.to_tensor(corners)

    assert np.allclose(placement.to_raw(placement.to_tensor(corners)), corners)
    assert (high - low).tolist() == pytest.approx([placement.width, placement.height])
    inside = placement.width <= 64 and placement.height <= 48
    covering = placement.width >= 64 and placement.height >= 48
    assert covering if rule == "crop" else inside


def test_to_tensor_normalises_channel_by_channel_in_the_networks_order() -> None:
    raw = np.array([[[255, 128, 0]]], dtype=np.uint8)  # R, G, B
    mean, scale = (1.0, 2.0, 3.0), (1.0, 0.5, 0.1)

    tensor = to_tensor(raw, contract(1, 1, colour="bgr", raw_colour="rgb", mean=mean, scale=scale))

    assert tensor.dtype == np.float32
    assert tensor.reshape(-1).tolist() == pytest.approx(
        [-1.0, 63.0, 25.2]
    )  # B - 1, (G - 2) / 2, (R - 3) / 10


def test_to_tensor_pads_with_the_raw_value_before_mean_and_scale() -> None:
    raw = np.full((2, 4, 3), 255, dtype=np.uint8)
    wanted = contract(4, 4, "letterbox", padding=127.5, mean=(127.5,), scale=(1 / 127.5,))

    tensor = to_tensor(raw, wanted)

    assert tensor[0, 0].tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]


def test_crop_keeps_the_middle() -> None:
    columns = np.arange(8, dtype=np.uint8)
    raw = np.broadcast_to(columns[None, :, None], (4, 8, 3)).copy()

    tensor = to_tensor(raw, contract(4, 4, "crop"))

    assert tensor[0, 0, 0].tolist() == [2, 3, 4, 5]


def test_layouts_and_batches() -> None:
    raw = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    nchw = InputContract("x", (2, 3, 4, 6), "NCHW", colour="rgb", raw_dtype="uint8")
    nhwc = InputContract("x", (2, 4, 6, 3), "NHWC", dtype="uint8", colour="rgb", raw_dtype="uint8")

    assert to_tensor(raw, nchw).tolist() == raw.transpose(0, 3, 1, 2).astype(np.float32).tolist()
    assert to_tensor(raw, nhwc).tolist() == raw.tolist()
    assert to_tensor(raw, nhwc).dtype == np.uint8


def test_nv12_data_feeds_an_rgb_network() -> None:
    plane = np.array([[81] * 4, [81] * 4, [90, 240, 90, 240]], dtype=np.uint8)

    tensor = to_tensor(plane, contract(2, 4, raw_colour="nv12", mean=(0.0,), scale=(1 / 255,)))

    assert tensor[0].reshape(3, -1).mean(axis=1).tolist() == pytest.approx([1, 0, 0], abs=0.005)


def test_a_network_may_take_the_nv12_plane_itself() -> None:
    plane = np.arange(24, dtype=np.uint8).reshape(6, 4)
    direct = InputContract("x", (1, 1, 6, 4), "NCHW", dtype="uint8", colour="nv12", raw_dtype="uint8")

    assert to_tensor(plane, direct).reshape(6, 4).tolist() == plane.tolist()


def test_numbers_that_are_no_image() -> None:
    wanted = InputContract("speed", (1, 2), mean=(10.0,), scale=(0.5,))

    assert to_tensor(np.array([[10.0, 14.0]]), wanted).tolist() == [[0.0, 2.0]]


def test_another_size_needs_a_rule() -> None:
    with pytest.raises(
        InputError, match=r"2 x 2 pixels does not fit the input's 4 x 4; give the input a `resize:`"
    ):
        to_tensor(np.zeros((2, 2, 3), np.uint8), contract(4, 4))


def test_a_missing_channel_axis_is_told() -> None:
    with pytest.raises(InputError, match=r"raw data of shape \(4, 4\) is no rgb image"):
        to_tensor(np.zeros((4, 4), np.uint8), contract(4, 4))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (contract(4, 4, colour="gray"), "colour gray has 1 channel(s), the shape 3"),
        (contract(4, 4, layout="flat"), "an image needs layout NCHW or NHWC"),
        (contract(4, 4, mean=(1.0, 2.0)), "x.mean: 2 values for 3 channel(s)"),
        (contract(4, 4, dtype="float33"), "x.dtype: there is no type 'float33'"),
        (InputContract("x", (1, 4), resize="crop"), "resize: crop without a colour"),
        (contract(4, 4, raw_colour="none"), "none data cannot become rgb"),
        (
            InputContract("x", (1, 1, 6, 4), "NCHW", colour="nv12", resize="stretch"),
            "nv12 data cannot become nv12 with resize: stretch",
        ),
    ],
)
def test_contracts_that_contradict_themselves(broken: InputContract, message: str) -> None:
    assert message in "\n".join(map(str, contract_faults(broken, "x")))


def test_a_sound_contract_has_no_faults() -> None:
    assert contract_faults(contract(4, 4, "letterbox", raw_colour="nv12", mean=(1.0, 2.0, 3.0)), "x") == ()
