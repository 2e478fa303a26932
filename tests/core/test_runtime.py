"""Sessions: errors become one clear message, nothing reaches stderr."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from onnx import parser

from deploykit.core.errors import InputError
from deploykit.core.runtime import open_session, run_session

TEXT = '<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }'
MODEL = parser.parse_model(TEXT).SerializeToString()


def test_bytes_and_files_run_alike(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(MODEL)
    data = {"x": numpy.array([[-1, 0, 1], [2, -3, 4]], dtype=numpy.float32)}
    expected = [[0, 0, 1], [2, 0, 4]]
    assert run_session(open_session(MODEL), data)[0].tolist() == expected
    assert run_session(open_session(file, exact=False, threads=2), data, ["y"])[0].tolist() == expected


def test_a_model_that_cannot_load_is_named_with_the_reason(capfd: pytest.CaptureFixture[str]) -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Nothing(x) }'
    with pytest.raises(InputError, match=r"net\.onnx: onnxruntime cannot load it: .*Nothing"):
        open_session(parser.parse_model(text).SerializeToString(), name="net.onnx")
    assert capfd.readouterr() == ("", "")


def test_wrong_data_is_named_with_the_reason(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"net: onnxruntime cannot run it: .*x"):
        run_session(open_session(MODEL), {"x": numpy.zeros((2, 4), numpy.float32)}, name="net")
    with pytest.raises(InputError, match="'x'"):
        run_session(open_session(MODEL), {})
    assert capfd.readouterr() == ("", "")
