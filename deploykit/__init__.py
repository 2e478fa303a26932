"""deploykit takes trained networks from ONNX to a package that an edge AI chip runs."""

__version__ = "0.1.0"
