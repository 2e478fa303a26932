"""Read the compiler's verbose log: layers with cycles and traffic, and where tensors lie.

    ID   OpType     DataType Target InputShape      OutputShape   Cycles(DDR/NPU/Total) RW(KB) FullName
    1    ConvRelu   INT8     NPU    (1,3,32,32),... (1,8,16,16)   363/2304/2304         4      Conv:/n/a

Some chips have a column more, so the header is read too. Of the tensors' addresses, the end may stand behind
a star: another tensor lies inside that range.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deploykit.artifacts.binaries import CompileReport, VendorBuffer, VendorLayer

PREFIX = re.compile(r"^\s*[A-Z] RKNN: \[[\d:.]+\] ?(.*)$")
RANGE = re.compile(r"\|\s*(0x[0-9a-f]+)[\s*]+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s*$")
NATIVE = re.compile(r"\s\S+\s+(\S+)\s+\([\d,]*\)\s+\(([\d,]*)\)$")
TOTAL = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB")
BOUNDARY = ("InputOperator", "OutputOperator")
KIB = 1024


def parse_report(text: str) -> CompileReport:
    """Give the figures of the last build in a log; cycles are those of the NPU's clock, which it does not
    tell. Bytes are the log's KB (1024)."""
    lines = [found[1] for line in text.splitlines() if (found := PREFIX.match(line))]
    rows = list(_layer_rows(_last_table(lines, "Network Layer Information Table")))
    features = list(_buffers(_last_table(lines, "Feature Tensor Information Table"), "feature"))
    constants = list(_buffers(_last_table(lines, "Const Tensor Information Table"), "weight"))
    totals = {kind: int(float(size) * KIB) for kind, size in TOTAL.findall("\n".join(lines))}
    counted = [layer.cycles for layer in rows if layer.cycles]
    return CompileReport(
        layers=tuple(rows),
        buffers=(*_merged(features), *constants),
        cycles=sum(counted) if counted else None,
        dram_bytes=sum(layer.dram_bytes or 0 for layer in rows) if rows else None,
        activation_peak_bytes=totals.get("Internal"),
        weight_bytes=totals.get("Weight"),
        notices=tuple(_notices(rows)),
    )


def _last_table(lines: Sequence[str], title: str) -> list[str]:
    """Give a table's header and rows; the log of a second build holds it again."""
    starts = [at for at, line in enumerate(lines) if title in line]
    if not starts:
        return []
    rows: list[str] = []
    rules = 0
    for line in lines[starts[-1] + 1 :]:
        if set(line.strip()) <= {"-", "+"}:
            rules += 1
            if rules == 3:
                break
        elif line.strip():
            rows.append(line)
    return rows


def _layer_rows(table: Sequence[str]) -> Iterator[VendorLayer]:
    if not table:
        return
    header = table[0].split()
    for row in table[1:]:
        cells = dict(zip(header, row.split(None, len(header) - 1), strict=False))
        op = cells.get("OpType", "")
        cycles = cells.get("Cycles(DDR/NPU/Total)", "").split("/")[-1]
        traffic = cells.get("RW(KB)", "")
        engine = cells.get("Target", "")
        yield VendorLayer(
            name=cells.get("FullName", "").strip(),
            op=op,
            engine=engine,
            fallback=engine != "NPU" and op not in BOUNDARY,
            cycles=int(cycles) if cycles.isdigit() and int(cycles) else None,
            dram_bytes=int(float(traffic) * KIB) if _is_number(traffic) else None,
            shape=_shape(cells.get("OutputShape", "")),
        )


def _buffers(table: Sequence[str], memory: str) -> Iterator[VendorBuffer]:
    """Give a row's tensor with its half-open bytes: `ID User Tensor Type [Format] Shape [NativeShape]`."""
    for row in table[1:]:
        found = RANGE.search(row)
        if not found:
            continue
        head = row[: found.start()].rstrip()
        start, end, reader = int(found[1], 16), int(found[2], 16), int(head.split()[0])
        native = NATIVE.search(head)
        shown = head[: native.start()] if native else head.rsplit(None, 2)[0]
        layout = f"{native[1]} ({native[2]})" if native else ""
        name = shown.split(None, 2)[-1].strip()
        yield VendorBuffer(name, start, end - start, memory, None, reader + 1, layout)


def _merged(buffers: Sequence[VendorBuffer]) -> Iterator[VendorBuffer]:
    """Give each tensor once, until its last reader: the table has a row a reader."""
    last = {buffer.name: buffer for buffer in buffers}
    for buffer in buffers:
        if last[buffer.name] is buffer:
            yield buffer


def _notices(layers: Sequence[VendorLayer]) -> Iterator[str]:
    silent = [layer for layer in layers if layer.cycles is None and layer.op not in BOUNDARY]
    if silent:
        kinds = ", ".join(dict.fromkeys(layer.op for layer in silent))
        yield f"the compiler gives no cycles for {len(silent)} layers ({kinds}): the sum leaves them out"


def _shape(text: str) -> tuple[int, ...]:
    digits = text.strip("()").split(",")
    return tuple(int(size) for size in digits if size) if all(d.isdigit() or not d for d in digits) else ()


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
