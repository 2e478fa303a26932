"""Shared features: their sides, what is wrong with them, and the blocks that they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.feature_forms import batch_count, conversion_steps, differences, words
from deploykit.analysis.stored import Stored
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_blocks import TensorForm
from deploykit.artifacts.model import Partition
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.stages.memory_blocks.params import MemoryBlocksParams, SharedFeature


@dataclass(frozen=True)
class NetworkMemory:
    """What the table needs of one network. `encodings` are those of its activations, by tensor."""

    partition: Partition
    stored: Mapping[str, Stored]
    plan: MemoryPlan
    encodings: Mapping[str, Encoding]


def form_of(memory: NetworkMemory, name: str) -> TensorForm:
    """Give how a tensor is stored, with its scale where it is made of codes."""
    stored, encoding = memory.stored[name], memory.encodings.get(name)
    form = TensorForm(f"{memory.partition.network}.{name}", stored.dtype, stored.shape)
    if encoding is None or encoding.dtype != stored.dtype or len(encoding.scales) != 1:
        return form
    return dataclasses.replace(form, scale=encoding.scales[0], zero_point=encoding.zero_points[0])


@dataclass(frozen=True)
class Side:
    """One user of a feature: how it sees one run's tensor, and how often it runs for one frame."""

    form: TensorForm
    size_bytes: int
    runs: int


@dataclass(frozen=True)
class Feature:
    """A shared feature whose sides fit. `direct` read the writer's form, `converted` one of their own.

    `size_bytes` is that of a whole frame, all elements of the batch; `writer` is None for the application.
    """

    name: str
    writer: Side | None
    direct: tuple[Side, ...]
    converted: tuple[tuple[Side, tuple[str, ...]], ...]
    size_bytes: int
    copies: int


def shared_features(
    networks: Mapping[str, NetworkMemory], params: MemoryBlocksParams, alignment_bytes: int
) -> tuple[Feature, ...]:
    """Check every shared feature on all its sides.

    Raises:
        InputError: every tensor that isn't there or cannot be shared, and every two sides that differ.
    """
    faults: list[Fault] = list(_twice(params))
    found = []
    for name, entry in params.shared.items():
        where = f"memory_blocks.shared.{name}"
        own = list(_reference_faults(where, entry, networks))
        if not own:
            feature = _feature(where, name, entry, networks, alignment_bytes, own)
            found.append(feature)
        faults += own
    if faults:
        raise InputError(*faults)
    return tuple(feature for feature in found if feature is not None)


def _twice(params: MemoryBlocksParams) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for name, entry in params.shared.items():
        for tensor in filter(None, (entry.writer, *entry.readers)):
            if tensor in seen:
                what = f"{tensor} is in {seen[tensor]!r} as well"
                yield Fault(f"memory_blocks.shared.{name}", what, "name each tensor in one feature")
            seen[tensor] = name


def _reference_faults(
    where: str, entry: SharedFeature, networks: Mapping[str, NetworkMemory]
) -> Iterator[Fault]:
    if not entry.readers:
        yield Fault(where, "nobody reads it", "name its readers: [NETWORK.TENSOR]")
    if entry.copies < 0:
        yield Fault(where, f"{entry.copies} copies", "give 0 to take them from the schedule")
    for tensor in entry.layouts:
        if tensor not in (entry.writer, *entry.readers):
            near = did_you_mean(tensor, filter(None, (entry.writer, *entry.readers)))
            yield Fault(f"{where}.layouts.{tensor}", f"neither writer nor reader{near}")
    for tensor, role in ((entry.writer, "output"), *((reader, "input") for reader in entry.readers)):
        if not tensor:
            continue
        network, _, name = tensor.partition(".")
        if network not in networks:
            near = did_you_mean(network, networks)
            yield Fault(where, f"{tensor!r}: the pipeline has no network {network!r}{near}")
            continue
        memory = networks[network]
        ends = memory.partition.outputs if role == "output" else memory.partition.inputs
        own_memory = {end for ring in memory.plan.state for end in (ring.output, ring.input)}
        if name not in ends:
            near = did_you_mean(name, ends)
            yield Fault(where, f"{tensor!r}: {network} has no such {role}{near}")
        elif name in own_memory:
            what = f"{tensor!r} is a state or a held output, which has memory of its own"
            yield Fault(where, what, "share another output, such as an Identity of it")
        elif name not in memory.stored:
            fix = f"bind its free sizes, or give `memory.upper_bounds` of {network}"
            yield Fault(where, f"{tensor!r}: nobody knows its size", fix)


def _feature(
    where: str,
    name: str,
    entry: SharedFeature,
    networks: Mapping[str, NetworkMemory],
    alignment_bytes: int,
    faults: list[Fault],
) -> Feature | None:
    forms = {tensor: _form(tensor, entry, networks) for tensor in (entry.writer, *entry.readers) if tensor}
    first = forms[entry.writer or entry.readers[0]]
    elements = [_elements(where, first, forms[reader], faults) for reader in entry.readers]
    if faults:
        return None
    whole = max([first.shape[0] if first.shape else 1, *(count for count in elements)])
    sides = {tensor: _side(form, whole, networks) for tensor, form in forms.items()}
    direct, converted = [], []
    for reader in entry.readers:
        steps = conversion_steps(first, forms[reader])
        if steps and not entry.convert:
            size = sides[reader].size_bytes * sides[reader].runs
            faults.append(
                Fault(
                    where,
                    f"both sides must see the same bytes, but {words(first)} and {words(forms[reader])} "
                    f"differ: {', '.join(differences(first, forms[reader]))}",
                    f"`convert: true` adds a node that does '{', then '.join(steps)}' and a block of {size} "
                    "bytes a copy; or give both the same form",
                )
            )
        if steps:
            converted.append((sides[reader], steps))
        else:
            direct.append(sides[reader])
    together = [sides[tensor] for tensor in sides if sides[tensor] not in [side for side, _ in converted]]
    faults += _alignment_faults(where, together, alignment_bytes)
    writer = sides[entry.writer] if entry.writer else None
    size = max(side.size_bytes * side.runs for side in together)
    return Feature(name, writer, tuple(direct), tuple(converted), size, entry.copies)


def _elements(where: str, first: TensorForm, other: TensorForm, faults: list[Fault]) -> int:
    """Give the batch of a whole frame that both sides make; add the fault where they don't fit."""
    if batch_count(first, other) is None:
        faults.append(
            Fault(
                where,
                f"{words(first)} and {words(other)} are not of the same sizes",
                "sizes after the first must agree, and one batch must be a multiple of the other",
            )
        )
        return 1
    return max([1, *first.shape[:1], *other.shape[:1]])


def _form(tensor: str, entry: SharedFeature, networks: Mapping[str, NetworkMemory]) -> TensorForm:
    network, _, name = tensor.partition(".")
    return dataclasses.replace(form_of(networks[network], name), layout=entry.layouts.get(tensor, ""))


def _side(form: TensorForm, whole: int, networks: Mapping[str, NetworkMemory]) -> Side:
    network, _, name = form.tensor.partition(".")
    size = networks[network].stored[name].size_bytes
    return Side(form, size, whole // form.shape[0] if form.shape and form.shape[0] else 1)


def _alignment_faults(where: str, sides: Sequence[Side], alignment_bytes: int) -> Iterator[Fault]:
    """A side that runs several times a frame begins its runs inside the block: each at the alignment."""
    for side in sides:
        short = -side.size_bytes % alignment_bytes
        if side.runs > 1 and short:
            yield Fault(
                where,
                f"{words(side.form)} runs {side.runs} times a frame, each {side.size_bytes} bytes further, "
                f"which is no multiple of the alignment of {alignment_bytes}",
                f"{short} bytes are missing a run: pad its channels, or make all sides of the same batch",
            )
