"""Which operators the host's runtimes know."""

from __future__ import annotations

from functools import cache

ORT_DOMAINS = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc", "com.microsoft.experimental")


@cache
def is_foreign(op: str, domain: str) -> bool:
    """Say whether an operator is neither ONNX's nor onnxruntime's: it runs only where the user brings it."""
    if domain in ORT_DOMAINS:
        return False
    import onnx

    return not onnx.defs.has(op, domain="" if domain == "ai.onnx" else domain)
