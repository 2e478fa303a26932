"""Weights to integers without training: scales, rounding with a layer's own inputs, corrected biases."""
