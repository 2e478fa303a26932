"""Which kind of layer an operator is: its shape decides, not the module that it was written as."""

from __future__ import annotations

from deploykit.analysis.op_costs import Tensors, Work, operator_key
from deploykit.analysis.op_costs.work import integer, known_size
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.layer_table import LayerKind

STEM_CHANNELS = 4
"""A convolution of no more input channels reads an image; an array of MACs is mostly idle on it."""

_OPERATORS: dict[LayerKind, str] = {
    "depthwise": "CausalConvWithState",
    "deconv": "ConvTranspose",
    "fully_connected": "GRU LSTM RNN DynamicQuantizeLSTM",
    "matmul": """
        Attention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention Det DFT GroupQueryAttention
        LinearAttention MultiHeadAttention QAttention STFT
    """,
    "elementwise": """
        Add AffineGrid And BatchNormalization Bernoulli BiasAdd BitShift BitwiseAnd BitwiseNot BitwiseOr
        BitwiseXor BlackmanWindow Cast CastLike Ceil CumProd CumSum DequantizeLinear Div
        DynamicQuantizeLinear Equal Floor Greater GreaterOrEqual HammingWindow HannWindow IsInf IsNaN
        Less LessOrEqual Max Mean MelWeightMatrix Min Mod Mul Multinomial Neg Not Or QLinearAdd
        QLinearMul QLinearWhere QuantizeLinear RandomNormal RandomNormalLike RandomUniform
        RandomUniformLike RotaryEmbedding Round Sign Sub Sum Where Xor
    """,
    "pool": """
        ArgMax ArgMin AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool MaxRoiPool
        NegativeLogLikelihoodLoss NhwcMaxPool NonMaxSuppression QLinearAveragePool
        QLinearGlobalAveragePool QLinearReduceMean ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
        ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK Unique
    """,
    "upsample": "GridSample Resize RoiAlign Upsample",
    "softmax": "BiasSoftmax Hardmax LogSoftmax QLinearSoftmax Softmax SoftmaxCrossEntropyLoss",
    "normalisation": """
        EmbedLayerNormalization GroupNorm GroupNormalization InstanceNormalization LayerNormalization
        LpNormalization LRN MeanVarianceNormalization RMSNormalization SimplifiedLayerNormalization
        SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
    """,
    "activation": """
        Abs Acos Acosh Asin Asinh Atan Atanh BiasGelu BiasSplitGelu Celu Clip Cos Cosh Elu Erf Exp
        FastGelu Gelu HardSigmoid HardSwish LeakyRelu Log Mish Pow PRelu QLinearLeakyRelu QLinearSigmoid
        QuickGelu Reciprocal Relu Selu Shrink Sigmoid Sin Sinh Softplus Softsign Sqrt SwiGLU Swish Tan
        Tanh ThresholdedRelu
    """,
    "move": """
        CenterCropPad Col2Im Compress Concat ConcatFromSequence ConstantOfShape DepthToSpace Expand
        EyeLike Gather GatherBlockQuantized GatherElements GatherND ImageDecoder MaxUnpool NonZero
        OneHot Pad QLinearConcat Range RegexFullMatch ReverseSequence Scatter ScatterElements ScatterND
        Slice SpaceToDepth Split SplitToSequence StringConcat StringNormalizer StringSplit TensorScatter
        TfIdfVectorizer Tile Transpose Trilu
    """,
}
KIND_OF: dict[str, LayerKind] = {op: kind for kind, ops in _OPERATORS.items() for op in ops.split()}
"""Kinds of the operators whose name says it all."""

CONVOLUTIONS = frozenset(
    ("Conv", "ConvInteger", "DeformConv", "FusedConv", "NhwcConv", "NhwcFusedConv", "QLinearConv")
)
_PRODUCTS = {
    1: """
        DynamicQuantizeMatMul Einsum FusedGemm FusedMatMul FusedMatMulActivation Gemm GemmFastGelu MatMul
        MatMulBnb4 MatMulInteger MatMulInteger16 MatMulIntegerToFloat MatMulNBits TransposeMatMul
    """,
    2: "MoE QMoE",
    3: "QGemm QLinearMatMul",
}
PRODUCTS = {op: at for at, ops in _PRODUCTS.items() for op in ops.split()}
"""Where the second factor stands among the inputs; the first factor is the first input."""


def kind_of(node: NodeInfo, tensors: Tensors, work: Work, *, batch: int = 1) -> LayerKind | None:
    """Give the kind of the layer that starts at this node; None where there is no rule.

    `batch` is the number of samples: a product with as many rows reads each weight once a sample.
    """
    domain, op = operator_key(node.domain, node.op)
    if domain not in ("", "com.microsoft"):
        return None
    if op in CONVOLUTIONS:
        return _convolution(node, tensors, work, batch)
    if op in PRODUCTS:
        return _product(node, tensors, work, batch)
    return KIND_OF.get(op)


def _convolution(node: NodeInfo, tensors: Tensors, work: Work, batch: int) -> LayerKind:
    """Decide by groups, input channels, kernel and output positions."""
    channel = -1 if node.op.startswith("Nhwc") else 1
    image, out = (known_size(tensors.get(name)) or () for name in (node.inputs[0], node.outputs[0]))
    channels, group = image[channel], integer(node, "group", 1)
    positions = work.write_elements // out[channel]
    if group > 1:
        return "depthwise" if group == channels else "grouped"
    if channels <= STEM_CHANNELS:
        return "stem"
    if positions <= batch:
        return "fully_connected"
    return "pointwise" if work.macs == work.write_elements * channels else "conv"


def _product(node: NodeInfo, tensors: Tensors, work: Work, batch: int) -> LayerKind:
    """Decide by whether a factor is a weight, and by the rows of the other one."""
    if not work.macs:
        return "elementwise"
    roles = {access.tensor: access.role for access in work.reads}
    first, second = (roles.get(node.inputs[at], "activation") for at in (0, PRODUCTS[node.op]))
    if first == second == "activation":
        return "matmul"
    out = known_size(tensors.get(node.outputs[0])) or (1,)
    columns = out[-1] if second != "activation" else out[-2]
    return "pointwise" if work.write_elements // columns > batch else "fully_connected"
