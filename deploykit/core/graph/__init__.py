"""The view over ONNX: load, check, normalise, infer shapes, cut, save. All of it on the protobuf itself.

    load -> check -> normalise -> shapes (bind, infer) -> extract -> save

Weights in external files never pass through a protobuf: they stay byte ranges until they are copied.
"""
