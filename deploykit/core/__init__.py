"""What every layer may use: errors, formats, storage, the chip profile, the view over ONNX."""
