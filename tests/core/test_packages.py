from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.core.errors import InputError
from deploykit.core.packages import package_file


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "carries_models"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "models" / "net.onnx").write_bytes(b"onnx")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_finds_a_file_without_importing_the_package(package: Path) -> None:
    found = package_file("package:carries_models/models/net.onnx", "source")

    assert found == (package / "models" / "net.onnx").resolve()


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("package:no_such_package_here/net.onnx", "not installed; pip install no_such_package_here"),
        ("package:carries_models/models/other.onnx", "has no file 'models/other.onnx'"),
        ("package:carries_models/../../secret", "leaves the folder of the package"),
        ("package:carries models/net.onnx", "not installed"),
    ],
)
def test_refuses_what_is_not_there(reference: str, message: str) -> None:
    with pytest.raises(InputError, match="source: ") as caught:
        package_file(reference, "source")

    assert message in str(caught.value)
