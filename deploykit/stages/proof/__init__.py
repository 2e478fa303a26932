"""Proof that two forms of one network give the same results, in onnxruntime without any optimisation."""
