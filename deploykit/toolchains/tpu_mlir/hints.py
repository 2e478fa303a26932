"""What tpu-mlir prints where it fails, and what to do about it."""

from __future__ import annotations

import re

from deploykit.core.process import LAST_LINES, Finished

PLAIN_HINTS = {
    "stack smashing detected": "its bundled C library is not this system's: install the toolchain again",
    "libtpuv7": "this chip's cmodel does not load: `simulator: interpreter`",
    "Tensor already registered": "two runtimes in one process: run the simulation again",
}
HINTS: tuple[tuple[str, str], ...] = (
    *((re.escape(mark), fix) for mark, fix in PLAIN_HINTS.items()),
    (r"No space left on device|Disk quota exceeded", "free some space on the disk of the job's folder"),
    (
        r"std::bad_alloc|MemoryError|Killed",
        "the memory does not suffice: make the segment or the batch smaller",
    ),
    (r"compile auto-generated riscv code error", "this chip wants a RISC-V compiler: choose another chip"),
    (r"Op not support|Unsupported operator|not support.*op", "leave the named operator to the CPU"),
    (r"api_a16_matmul.*Assertion", "the weight-only product is refused: another `group_size`, or float16"),
    (r"isCalibratedType|isUniformQuantized|getThreshold", "a layer has no range: keep it in float16"),
)
FRAME = re.compile(r"^\s*#\d+ 0x|^Stack dump|^PLEASE submit|^\s*$|^#+\s*$")
NOISE = re.compile(r"^\[?\s*\]? ?\d*%|^#")


def advice(done: Finished) -> str:
    """Say what to try, where the output is kept, and what it ends with, without its stack trace."""
    text = done.text()
    lines = [line.strip() for line in text.splitlines() if not FRAME.match(line) and not NOISE.match(line)]
    shown = " | ".join(line[:300] for line in lines[-LAST_LINES:])
    kept = f"its output is in {done.output}" + (f" (it ends: {shown})" if shown else "")
    for pattern, fix in HINTS:
        if re.search(pattern, text):
            return f"{fix}; {kept}"
    return kept
