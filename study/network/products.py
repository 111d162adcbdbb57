"""The kinds of ONNX nodes that sum products are told from those that do not, as far as that is known."""

from collections.abc import Iterable

from onnx import NodeProto

__all__ = ["may_multiply", "quantized_already"]

_CONTRIB = "com.microsoft"

_WITHOUT = {
    "": """
        Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli BitCast
        BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip
        Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Cos Cosh CumProd CumSum DepthToSpace
        DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
        GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample
        GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder
        InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop
        LpNormalization LpPool Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish
        Mod Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Optional
        OptionalGetElement OptionalHasElement Or PRelu Pad Pow QuantizeLinear RMSNormalization RandomNormal
        RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
        ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape
        Resize ReverseSequence RoiAlign RotaryEmbedding Round Scan Scatter ScatterElements ScatterND Selu SequenceAt
        SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid
        Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence
        Sqrt Squeeze StringConcat StringNormalizer StringSplit Sub Sum SwiGLU Swish Tan Tanh TensorScatter
        TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
    """,
    "ai.onnx.ml": """
        ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer LabelEncoder
        Normalizer OneHotEncoder Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap
    """,
    _CONTRIB: """
        BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BitmaskDropout DequantizeLinear EmbedLayerNormalization
        ExpandDims FastGelu GatherND Gelu GroupNorm LayerNormalization Pad QuantizeLinear QuickGelu Range
        RotaryEmbedding SimplifiedLayerNormalization SkipGroupNorm SkipLayerNormalization
        SkipSimplifiedLayerNormalization Tokenizer Trilu Unique
    """,
}
"""By domain, the nodes that sum no products: what is done to each value, what moves values, what sums or compares them,
normalization, interpolation, and control flow, whose inner nodes count by themselves."""

_INTEGERS = {
    "": "ConvInteger MatMulInteger QLinearConv QLinearMatMul",
    _CONTRIB: """
        ConvInteger ConvTransposeInteger DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulInteger16 MatMulIntegerToFloat
        QAttention QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv
        QLinearConvTranspose QLinearGlobalAveragePool QLinearLeakyRelu QLinearMatMul QLinearMul QLinearReduceMean
        QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedMatMul
    """,
}
"""Nodes that compute with integers: a network that has them is quantized already."""


def _keys(kinds: dict[str, str]) -> set[tuple[str, str]]:
    return {(domain, kind) for domain, names in kinds.items() for kind in names.split()}


_KNOWN, _QUANTIZED = _keys(_WITHOUT), _keys(_INTEGERS)


def may_multiply(node: NodeProto) -> bool:
    """Whether a node sums products, or is of a kind of which that is not known."""
    return _key(node) not in _KNOWN


def quantized_already(nodes: Iterable[NodeProto]) -> dict[str, int]:
    """By kind, how many nodes compute with integers that a quantizer made."""
    kinds = [node.op_type for node in nodes if _key(node) in _QUANTIZED]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _key(node: NodeProto) -> tuple[str, str]:
    return "" if node.domain == "ai.onnx" else node.domain, node.op_type
