"""How a language model is run: the options of `deploykit llm`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Accounting: TypeAlias = Literal["clean", "published"]


@dataclass(frozen=True)
class LlmParams:
    """How a language model is run, and how its work is counted."""

    prompt: int = 2048
    """Tokens of the prompt of each sequence."""
    generate: int = 128
    """Tokens that come out of each sequence; the first one is the prompt's."""
    batch: int = 1
    """Sequences at a time."""
    weight_bits: float = 16
    """Bits of a weight, its share of scales included: 4.125 is 4 bits with a 16-bit scale for each 128."""
    activation_bits: float = 16
    """Bits of an activation."""
    kv_bits: float = 16
    """Bits of a value in the key-value cache."""
    flash: bool = False
    """Whether the scores of the attention stay on chip."""
    tensor_parallel: int = 1
    """Chips that share each layer."""
    link_bytes_per_s: float | None = None
    """Bandwidth between those chips, of each in one direction; None leaves their exchange out of the time."""
    sparsity: float = 0.0
    """Share of the layers' projection weights that are zero and not stored; 0.5 is 2:4."""
    index_bits: float = 0.0
    """Bits that say where a stored weight stands: 2 for 2:4."""
    skips_zeros: bool = False
    """Whether the hardware computes the stored weights only."""
    low_rank: float = 1.0
    """Share of the layers' projection weights that two factors of lower rank keep; 1 factorises nothing."""
    accounting: Accounting = "clean"
    """What is counted: `clean`, or `published` as the printed table of LLM-Viewer does."""

    @property
    def dense(self) -> LlmParams:
        """Give the same without pruning and factors."""
        return replace(self, sparsity=0.0, index_bits=0.0, low_rank=1.0)

    @property
    def scheme(self) -> str:
        """Give the precision that the arithmetic runs at: integers only if both operands are."""
        widest = max(self.weight_bits, self.activation_bits)
        return "float32" if self.activation_bits > 16 else "w8a8" if widest < 16 else "float16"


@dataclass(frozen=True)
class Phase:
    """One pass through the network: `tokens` new ones of each sequence, with `past` in the cache before."""

    name: Literal["prefill", "decode", "verify"]
    tokens: int
    past: int

    @property
    def predicting(self) -> int:
        """Give the tokens of a sequence that meet the `lm_head`: of a prompt the last one alone."""
        return 1 if self.name == "prefill" else self.tokens
