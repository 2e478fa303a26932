"""The combinations of a matrix."""

from __future__ import annotations

from deploykit.pipeline.config import Matrix
from deploykit.pipeline.matrix import Combination, combinations


def test_no_matrix_is_one_plain_run() -> None:
    assert combinations(None) == (Combination("", ()),)


def test_axes_are_crossed_and_exceptions_kept() -> None:
    matrix = Matrix(
        axes={"chip": ("rk3588", "orin-agx"), "networks.bev.precision.default": ("w8a8", "float16")},
        exclude=({"chip": "orin-agx", "networks.bev.precision.default": "w8a8"},),
        include=({"chip": "bm1684x"},),
    )
    found = combinations(matrix)
    assert [item.suffix for item in found] == [
        "@chip=rk3588,default=w8a8",
        "@chip=rk3588,default=float16",
        "@chip=orin-agx,default=float16",
        "@chip=bm1684x",
    ]
    assert found[0].overrides == ('chip="rk3588"', 'networks.bev.precision.default="w8a8"')


def test_names_hold_nothing_that_a_file_name_cannot() -> None:
    (only,) = combinations(Matrix(axes={"networks.a.source": ("../b c.onnx",)}))
    assert only.suffix == "@source=.._b_c.onnx"
