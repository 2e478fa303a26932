"""From float32 to float16: which nodes can, what it costs, and the graph with Casts at the borders."""

from __future__ import annotations
