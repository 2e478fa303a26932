"""LSTM, GRU and RNN: what one step does, times the steps, times the batch, times the directions."""

from __future__ import annotations

from deploykit.analysis.op_costs.work import Cost, Tensors, Work, given, layer, shape
from deploykit.artifacts.graph import NodeInfo


def recurrent(gates: int, *, simple: int, special: int) -> Cost:
    """Make the cost of a recurrent operator.

    Each gate is a row of weights over the input and one over the hidden state: `gates` x hidden x (input +
    hidden) MACs a step. `simple` and `special` are the vector operations per hidden unit and step, biases
    included. Weights are read once: a chip that cannot keep them reads them again at every step.
    """

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        sequence, batch_or_steps, inputs = shape(tensors, node.inputs[0])
        directions, _, hidden = shape(tensors, node.inputs[2])
        units = sequence * batch_or_steps * directions * hidden  # steps x batch, in either layout
        peephole = 3 if given(node, 7) else 0
        return layer(
            node,
            tensors,
            macs=units * (gates * (inputs + hidden) + peephole),
            simple=simple * units,
            special=special * units,
            bias=given(node, 3),
        )

    return cost


LSTM_SIMPLE = 4 + 4 + 4
LSTM_SPECIAL = 5

lstm = recurrent(4, simple=LSTM_SIMPLE, special=LSTM_SPECIAL)
"""Four gates: add two products and the bias; three sigmoids, two tanhs; c = f c + i g, h = o tanh(c)."""

gru = recurrent(3, simple=3 + 3 + 5, special=3)
"""Three gates: add the two products and the bias; two sigmoids and a tanh; r h, and h = (1 - z) n + z h."""

rnn = recurrent(1, simple=2, special=1)
"""One gate: add the two products and the bias; one tanh."""
