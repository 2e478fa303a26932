"""The table as a C header and as JSON."""

from __future__ import annotations

import json
import re

from deploykit.artifacts.memory_blocks import BlockTensor, MemoryBlock, MemoryBlocks
from deploykit.core.codec import to_plain

_TYPES = """\
struct deploykit_block {
    const char *name;
    const char *kind;
    int on_chip; /* 1: offset in on-chip memory, 0: in DRAM */
    uint64_t offset_bytes;
    uint64_t stride_bytes; /* from one copy to the next */
    uint32_t copies; /* frame t uses copy t % copies */
    const char *users;
};

struct deploykit_tensor {
    const char *name;
    uint32_t block;
    uint64_t offset_bytes; /* in each copy of the block */
    uint64_t size_bytes;
    const char *type;
    const char *layout;
    float scale; /* value = (code - zero_point) * scale; 0 where it is no code */
    int32_t zero_point;
};
"""


def json_table(blocks: MemoryBlocks) -> str:
    """Give the table as JSON, one object a block, with all that the C header holds."""
    plain = to_plain(blocks)
    plain.pop("files")
    for entry, block in zip(plain["blocks"], blocks.blocks, strict=True):
        entry["size_bytes"] = block.size_bytes
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def c_header(blocks: MemoryBlocks) -> str:
    """Give the table as a header in C99."""
    names = _identifiers(blocks.blocks)
    ids = "".join(f"    DEPLOYKIT_BLOCK_{name} = {index},\n" for index, name in enumerate(names))
    rows = ",\n".join(_block(block) for block in blocks.blocks)
    tensors = [(block.id, tensor) for block in blocks.blocks for tensor in block.tensors]
    parts = [
        f"/* Memory blocks on {_comment(blocks.chip)}. Written by deploykit. */",
        "#ifndef DEPLOYKIT_MEMORY_BLOCKS_H\n#define DEPLOYKIT_MEMORY_BLOCKS_H\n\n#include <stdint.h>",
        f"#define DEPLOYKIT_DRAM_BYTES UINT64_C({blocks.dram_bytes})\n"
        f"#define DEPLOYKIT_ON_CHIP_BYTES UINT64_C({blocks.sram_bytes})\n"
        f"#define DEPLOYKIT_ALIGNMENT_BYTES {blocks.alignment_bytes}\n"
        f"#define DEPLOYKIT_BLOCK_COUNT {len(blocks.blocks)}\n"
        f"#define DEPLOYKIT_TENSOR_COUNT {len(tensors)}",
        _TYPES.rstrip(),
    ]
    if blocks.blocks:
        parts.append(f"enum deploykit_block_id {{\n{ids}}};")
        parts.append(f"static const struct deploykit_block deploykit_blocks[] = {{\n{rows}\n}};")
    if tensors:
        lines = ",\n".join(_tensor(block, tensor) for block, tensor in tensors)
        parts.append(f"static const struct deploykit_tensor deploykit_tensors[] = {{\n{lines}\n}};")
    return "\n\n".join([*parts, "#endif"]) + "\n"


def _block(block: MemoryBlock) -> str:
    users = ", ".join(f"{user.name} {user.role}" for user in block.users)
    return (
        f"    {{{_string(block.name)}, {_string(block.kind)}, {int(block.place == 'sram')}, "
        f"UINT64_C({block.offset_bytes}), UINT64_C({block.stride_bytes}), {block.copies}, {_string(users)}}}"
    )


def _tensor(block: int, tensor: BlockTensor) -> str:
    form = tensor.form
    scale = "0.0f" if form.scale is None else f"{form.scale:.9e}f"
    return (
        f"    {{{_string(form.tensor)}, {block}, UINT64_C({tensor.offset_bytes}), "
        f"UINT64_C({tensor.size_bytes}), {_string(form.dtype)}, {_string(form.layout)}, {scale}, "
        f"{form.zero_point or 0}}}"
    )


def _identifiers(blocks: tuple[MemoryBlock, ...]) -> list[str]:
    """Give each block a name that C takes, with its number where two would be the same."""
    found: list[str] = []
    for block in blocks:
        name = re.sub(r"[^A-Za-z0-9]+", "_", block.name).strip("_").upper() or "BLOCK"
        found.append(f"{name}_{block.id}" if name in found else name)
    return found


def _string(text: str) -> str:
    """Give a C string; what is no plain ASCII becomes octal bytes, which nothing behind can lengthen."""
    made = "".join(
        f"\\{letter}" if letter in '"\\' else letter if " " <= letter <= "~" else _octal(letter)
        for letter in text
    )
    return f'"{made}"'.replace("??", '?""?')  # no trigraphs


def _octal(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in letter.encode())


def _comment(text: str) -> str:
    return text.replace("*/", "* /")
