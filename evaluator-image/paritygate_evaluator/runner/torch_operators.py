"""Which functions a graph may call, and nothing else: operations that map tensors to tensors, arithmetic on sizes.

A list of what is known to be harmless, because the rest is not: ATen also has operators that read files (from_file),
write them (save), seed the process, take a tensor's content for an address (fbgemm_*), or skip the check of bounds.
"""

import contextlib
import importlib
import math
import operator
from collections.abc import Callable
from typing import Any

import torch

# Registers the operators of quantized_decomposed; announced to move out of torch, and then they are refused by name.
with contextlib.suppress(ImportError):
    importlib.import_module("torch.ao.quantization.fx._decomposed")

_ELEMENTWISE = """
abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor bucketize ceil celu clamp clamp_max clamp_min clip copysign cos cosh deg2rad div
divide elu eq erf erfc erfinv exp exp2 expm1 fill floor floor_divide fmax fmin fmod frac ge gelu greater
greater_equal gt hardshrink hardsigmoid hardswish hardtanh isfinite isinf isnan le leaky_relu lerp less less_equal
lgamma log log10 log1p log2 log_sigmoid logaddexp logical_and logical_not logical_or logical_xor logit lt
masked_fill maximum minimum mish mul multiply nan_to_num ne neg negative not_equal pow prelu reciprocal relu relu6
remainder round rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh softplus softshrink special_erf special_expit
sqrt square sub subtract tan tanh threshold true_divide trunc where xlogy zero
"""
_REDUCTIONS = """
all amax amin any argmax argmin argsort count_nonzero cummax cumprod cumsum linalg_norm linalg_vector_norm
_log_softmax log_softmax logsumexp max mean median min norm prod quantile _safe_softmax _softmax softmax sort std
std_mean sum topk var var_mean
"""
_SHAPES = """
alias arange as_strided broadcast_tensors broadcast_to cat chunk clone concat concatenate constant_pad_nd contiguous
copy detach detach_ diag diagonal embedding empty empty_like empty_permuted empty_strided expand expand_as eye
flatten flip full full_like gather hstack index index_add index_copy index_fill index_put index_select
lift_fresh_copy linspace masked_scatter masked_select meshgrid movedim narrow new_empty new_empty_strided new_full
new_ones new_zeros nonzero one_hot ones ones_like pad permute pixel_shuffle pixel_unshuffle ravel reflection_pad1d
reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d
reshape _reshape_alias reshape_as roll scalar_tensor scatter scatter_add scatter_reduce searchsorted select
select_scatter slice slice_scatter split split_with_sizes squeeze stack swapaxes sym_numel sym_size
sym_storage_offset sym_stride t take_along_dim tensor_split tile to _to_copy transpose tril triu type_as unbind
unflatten unfold _unsafe_index _unsafe_view unsqueeze view view_as vstack zeros zeros_like
"""
_LAYERS = """
adaptive_avg_pool1d _adaptive_avg_pool2d adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool3d
adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d addbmm addmm addmv addr alpha_dropout avg_pool1d
avg_pool2d avg_pool3d baddbmm batch_norm bilinear bmm cdist _cdist_forward channel_shuffle conv1d conv2d conv3d
conv_transpose1d conv_transpose2d conv_transpose3d convolution cosine_similarity dot dropout einsum _embedding_bag
embedding_bag _embedding_bag_forward_only feature_dropout glu grid_sampler grid_sampler_2d group_norm gru
instance_norm layer_norm linalg_matmul linear lstm matmul max_pool1d max_pool2d max_pool2d_with_indices max_pool3d
max_pool3d_with_indices mm mv native_batch_norm _native_batch_norm_legit_no_training native_dropout
native_group_norm native_layer_norm outer pairwise_distance rms_norm rnn_relu rnn_tanh scaled_dot_product_attention
_scaled_dot_product_attention_math _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
_scaled_dot_product_flash_attention_for_cpu tensordot upsample_bicubic2d upsample_bilinear2d upsample_linear1d
upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
upsample_trilinear3d
"""
_QUANTISED = """
_convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu _dyn_quant_matmul_4bit _dyn_quant_pack_4bit_weight
fake_quantize_per_channel_affine fake_quantize_per_tensor_affine
_fake_quantize_per_tensor_affine_cachemask_tensor_qparams _int_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu
_weight_int8pack_mm
"""
_CHECKS = """
_assert_async _assert_scalar _assert_tensor_metadata item _local_scalar_dense sym_constrain_range
sym_constrain_range_for_size
"""
_QUANTISING = """
choose_qparams choose_qparams_symmetric choose_qparams_per_token choose_qparams_per_token_asymmetric
dequantize_per_channel dequantize_per_channel_group dequantize_per_tensor dequantize_per_token quantize_per_channel
quantize_per_channel_group quantize_per_tensor quantize_per_token
"""
_SIZES = "add and_ eq floordiv ge gt le lt mod mul ne neg or_ pos sub truediv"

_ATEN = frozenset(" ".join((_ELEMENTWISE, _REDUCTIONS, _SHAPES, _LAYERS, _QUANTISED, _CHECKS)).split())
_DECOMPOSED = frozenset(_QUANTISING.split())


def _power(base: float, exponent: float) -> Any:
    if abs(exponent) > 64:
        raise ValueError(f"a size to the power of {exponent}")
    return base**exponent


_PLAIN: dict[str, Callable[..., Any]] = {f"_operator.{name}": getattr(operator, name) for name in _SIZES.split()} | {
    "_operator.pow": _power,
    "math.trunc": math.trunc,
    "torch.sym_float": float,
    "torch.sym_int": int,
    "torch.sym_ite": lambda condition, then, otherwise: then if condition else otherwise,
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_not": operator.not_,
    "torch._sym_sqrt": math.sqrt,
    "torch.sym_sqrt": math.sqrt,
}
"""Arithmetic on sizes, which are plain numbers here."""


class OperatorRefusedError(Exception):
    """The message names the operator and what to do."""


def resolved(target: str) -> Callable[..., Any]:
    """The function of a node's target, such as torch.ops.aten.linear.default. Raises OperatorRefusedError."""
    if target in _PLAIN:
        return _PLAIN[target]
    match target.split("."):
        case ["torch", "ops", "aten", name, overload] if name in _ATEN or name.removesuffix("_") in _ATEN:
            return _overload(target, torch.ops.aten, name, overload)
        case ["torch", "ops", "quantized_decomposed", name, overload] if name in _DECOMPOSED:
            return _overload(target, torch.ops.quantized_decomposed, name, overload)
    raise OperatorRefusedError(
        f"calls {target[:200]}, which is not among the operators that the evaluator runs; export with ATen operators "
        "(exported.run_decompositions()), without custom operators, branches or loops"
    )


def _overload(target: str, namespace: Any, name: str, overload: str) -> Callable[..., Any]:
    found = getattr(getattr(namespace, name, None), overload, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise OperatorRefusedError(f"calls {target[:200]}, which torch {torch.__version__} does not have")
    return found
