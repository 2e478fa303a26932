"""What runs a partition: the reference toolchain (onnxruntime), and vendors' later."""
