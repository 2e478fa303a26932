"""The compiler's log of a small network of ours (conv, relu, conv, relu, add; sigmoid; mul), RK3588, w8a8."""

from __future__ import annotations

from pathlib import Path

from deploykit.artifacts.binaries import VendorBuffer
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.toolchains.rknn import parse_report
from deploykit.toolchains.rknn.names import dumped_tensors, with_tensors

LOG = Path(__file__).with_name("build_rk3588_w8a8.log")


def node(op: str, output: str, *inputs: str) -> NodeInfo:
    return NodeInfo(f"/n/{output}", op, "", inputs, (output,), name=f"/n/{output}")


NODES = (
    node("Conv", "a", "x", "w0", "b0"),
    node("Relu", "/r/relu", "a"),
    node("Conv", "b", "/r/relu", "w1", "b1"),
    node("Relu", "c", "b"),
    node("Add", "d", "c", "/r/relu"),
    node("Sigmoid", "y", "d"),
    node("Mul", "s", "d", "k"),
)
GRAPH = GraphInfo("net", 17, ("x",), ("y", "s"), (), NODES)


def test_layers_have_cycles_traffic_and_an_engine() -> None:
    report = parse_report(LOG.read_text())
    conv = report.layers[1]
    assert (conv.name, conv.op, conv.engine, conv.fallback) == ("Conv:/n/a", "ConvRelu", "NPU", False)
    assert (conv.cycles, conv.dram_bytes, conv.shape) == (2304, 4 * 1024, (1, 8, 16, 16))
    assert report.layers[0].op == "InputOperator"
    assert not report.layers[0].fallback  # the log calls the host's copies CPU
    assert report.cycles == 2304 + 2304
    assert report.dram_bytes == (0 + 4 + 9 + 4 + 4 + 4 + 4) * 1024
    assert report.notices == (
        "the compiler gives no cycles for 2 layers (Mul, Sigmoid): the sum leaves them out",
    )


def test_buffers_are_half_open_bytes_until_their_last_reader() -> None:
    report = parse_report(LOG.read_text())
    features = {buffer.name: buffer for buffer in report.buffers if buffer.memory == "feature"}
    assert features["x"] == VendorBuffer("x", 0, 0xC00, "feature", None, 2, "NC1HWC2 (1,1,32,32,3)")
    assert features["d"].end_step == 5  # Mul is layer 3, Sigmoid 4
    assert features["y"].size_bytes == 0x8C00 - 0x4C00  # its end stands behind a star
    weights = [buffer for buffer in report.buffers if buffer.memory == "weight"]
    assert [buffer.name for buffer in weights] == ["w0", "b0", "w1", "b1", "k"]
    assert (report.activation_peak_bytes, report.weight_bytes) == (35 * 1024, 4992)


def test_a_fused_layer_is_followed_to_all_its_tensors() -> None:
    report = with_tensors(parse_report(LOG.read_text()), GRAPH)
    assert [layer.tensors for layer in report.layers] == [
        (),
        ("a", "/r/relu"),
        ("b", "c", "d"),
        ("s",),
        ("y",),
        (),
        (),
    ]
    assert report.layers[2].layout == "NC1HWC2 (1,2,16,16,16)"


def test_a_log_without_tables_gives_nothing() -> None:
    report = parse_report("E build: failed\n")
    assert (report.layers, report.buffers, report.cycles, report.dram_bytes) == ((), (), None, None)


def test_dumps_are_named_as_the_network_does() -> None:
    names = {"x": True, "x_int8": True, "a": False, "/r/relu": True, "y_rs": True, "pool_2conv0": True}
    graph = GraphInfo("net", 17, ("x",), ("y",), (), NODES)
    known = [*"xabcdys", "/r/relu"]
    graph.__dict__["tensor"] = dict.fromkeys(known)  # only the names count
    found, others = dumped_tensors(names, graph)
    assert found == {"x": "x", "/r/relu": "/r/relu", "y": "y_rs"}
    assert others == {
        "x_int8": "stands for x, which is dumped under its own name too",
        "a": "fused into the operator behind it: its dump is no value of the network",
        "pool_2conv0": "the toolkit's own: no tensor of the network has this name",
    }
