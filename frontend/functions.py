"""The functions of `ingot` itself; the package takes all public names from here."""

from typing import Any as _Any

from ingot import promote as _promote
from ingot.creation import arange as arange
from ingot.creation import as_tensor as as_tensor
from ingot.creation import asarray as asarray
from ingot.creation import empty as empty
from ingot.creation import empty_like as empty_like
from ingot.creation import empty_permuted as empty_permuted
from ingot.creation import empty_strided as empty_strided
from ingot.creation import eye as eye
from ingot.creation import from_numpy as from_numpy
from ingot.creation import frombuffer as frombuffer
from ingot.creation import full as full
from ingot.creation import full_like as full_like
from ingot.creation import linspace as linspace
from ingot.creation import logspace as logspace
from ingot.creation import ones as ones
from ingot.creation import ones_like as ones_like
from ingot.creation import range as range
from ingot.creation import scalar_tensor as scalar_tensor
from ingot.creation import tensor as tensor
from ingot.creation import tril_indices as tril_indices
from ingot.creation import triu_indices as triu_indices
from ingot.creation import zeros as zeros
from ingot.creation import zeros_like as zeros_like
from ingot.functional import embedding as _embedding
from ingot.functional import factorisations as _factorisations
from ingot.functional import memory as _memory
from ingot.functional import normalization as _normalization
from ingot.functional import systems as _systems
from ingot.functional.activations import celu as celu
from ingot.functional.activations import celu_ as celu_
from ingot.functional.activations import hardshrink as hardshrink
from ingot.functional.activations import log_softmax as log_softmax
from ingot.functional.activations import prelu as prelu
from ingot.functional.activations import relu as relu
from ingot.functional.activations import relu_ as relu_
from ingot.functional.activations import selu as selu
from ingot.functional.activations import selu_ as selu_
from ingot.functional.activations import softmax as softmax
from ingot.functional.activations import threshold as threshold
from ingot.functional.activations import threshold_ as threshold_
from ingot.functional.adaptive_pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
from ingot.functional.adaptive_pooling import adaptive_max_pool1d_with_indices as _adaptive_max_pool1d
from ingot.functional.arithmetic import add as add
from ingot.functional.arithmetic import addcdiv as addcdiv
from ingot.functional.arithmetic import addcmul as addcmul
from ingot.functional.arithmetic import allclose as allclose
from ingot.functional.arithmetic import arctan2 as arctan2
from ingot.functional.arithmetic import atan2 as atan2
from ingot.functional.arithmetic import bitwise_and as bitwise_and
from ingot.functional.arithmetic import bitwise_left_shift as bitwise_left_shift
from ingot.functional.arithmetic import bitwise_or as bitwise_or
from ingot.functional.arithmetic import bitwise_right_shift as bitwise_right_shift
from ingot.functional.arithmetic import bitwise_xor as bitwise_xor
from ingot.functional.arithmetic import deg2rad as deg2rad
from ingot.functional.arithmetic import div as div
from ingot.functional.arithmetic import divide as divide
from ingot.functional.arithmetic import eq as eq
from ingot.functional.arithmetic import equal as equal
from ingot.functional.arithmetic import floor_divide as floor_divide
from ingot.functional.arithmetic import fmax as fmax
from ingot.functional.arithmetic import fmin as fmin
from ingot.functional.arithmetic import fmod as fmod
from ingot.functional.arithmetic import ge as ge
from ingot.functional.arithmetic import greater as greater
from ingot.functional.arithmetic import greater_equal as greater_equal
from ingot.functional.arithmetic import gt as gt
from ingot.functional.arithmetic import hypot as hypot
from ingot.functional.arithmetic import isclose as isclose
from ingot.functional.arithmetic import le as le
from ingot.functional.arithmetic import lerp as lerp
from ingot.functional.arithmetic import less as less
from ingot.functional.arithmetic import less_equal as less_equal
from ingot.functional.arithmetic import logaddexp as logaddexp
from ingot.functional.arithmetic import logaddexp2 as logaddexp2
from ingot.functional.arithmetic import logical_and as logical_and
from ingot.functional.arithmetic import logical_or as logical_or
from ingot.functional.arithmetic import logical_xor as logical_xor
from ingot.functional.arithmetic import lt as lt
from ingot.functional.arithmetic import masked_fill as masked_fill
from ingot.functional.arithmetic import maximum as maximum
from ingot.functional.arithmetic import minimum as minimum
from ingot.functional.arithmetic import mul as mul
from ingot.functional.arithmetic import multiply as multiply
from ingot.functional.arithmetic import ne as ne
from ingot.functional.arithmetic import not_equal as not_equal
from ingot.functional.arithmetic import pow as pow
from ingot.functional.arithmetic import rad2deg as rad2deg
from ingot.functional.arithmetic import remainder as remainder
from ingot.functional.arithmetic import rsub as rsub
from ingot.functional.arithmetic import sub as sub
from ingot.functional.arithmetic import subtract as subtract
from ingot.functional.arithmetic import true_divide as true_divide
from ingot.functional.arithmetic import where as where
from ingot.functional.arithmetic import xlogy as xlogy
from ingot.functional.bilinear import bilinear as bilinear
from ingot.functional.bits import angle as angle
from ingot.functional.bits import copysign as copysign
from ingot.functional.bits import float_power as float_power
from ingot.functional.bits import frexp as frexp
from ingot.functional.bits import gcd as gcd
from ingot.functional.bits import heaviside as heaviside
from ingot.functional.bits import isneginf as isneginf
from ingot.functional.bits import isposinf as isposinf
from ingot.functional.bits import isreal as isreal
from ingot.functional.bits import lcm as lcm
from ingot.functional.bits import ldexp as ldexp
from ingot.functional.bits import nextafter as nextafter
from ingot.functional.bits import signbit as signbit
from ingot.functional.conversion import clone as clone
from ingot.functional.convolution import conv1d as conv1d
from ingot.functional.convolution import conv2d as conv2d
from ingot.functional.convolution import conv3d as conv3d
from ingot.functional.convolution import conv_tbc as conv_tbc
from ingot.functional.convolution import conv_transpose1d as conv_transpose1d
from ingot.functional.convolution import conv_transpose2d as conv_transpose2d
from ingot.functional.convolution import conv_transpose3d as conv_transpose3d
from ingot.functional.convolution import convolution as convolution
from ingot.functional.diagonals import atleast_1d as atleast_1d
from ingot.functional.diagonals import atleast_2d as atleast_2d
from ingot.functional.diagonals import atleast_3d as atleast_3d
from ingot.functional.diagonals import block_diag as block_diag
from ingot.functional.diagonals import broadcast_shapes as _broadcast_shapes
from ingot.functional.diagonals import broadcast_tensors as broadcast_tensors
from ingot.functional.diagonals import cartesian_prod as cartesian_prod
from ingot.functional.diagonals import column_stack as column_stack
from ingot.functional.diagonals import combinations as combinations
from ingot.functional.diagonals import diag as diag
from ingot.functional.diagonals import diag_embed as diag_embed
from ingot.functional.diagonals import diagflat as diagflat
from ingot.functional.diagonals import diagonal_copy as diagonal_copy
from ingot.functional.diagonals import dsplit as dsplit
from ingot.functional.diagonals import dstack as dstack
from ingot.functional.diagonals import hsplit as hsplit
from ingot.functional.diagonals import vander as vander
from ingot.functional.diagonals import vsplit as vsplit
from ingot.functional.distances import cosine_similarity as cosine_similarity
from ingot.functional.distances import pairwise_distance as pairwise_distance
from ingot.functional.dropout import alpha_dropout as alpha_dropout
from ingot.functional.dropout import dropout as dropout
from ingot.functional.dropout import feature_alpha_dropout as feature_alpha_dropout
from ingot.functional.einsum import einsum as einsum
from ingot.functional.factorisations import cholesky_inverse as cholesky_inverse
from ingot.functional.factorisations import cholesky_solve as cholesky_solve
from ingot.functional.factorisations import pinverse as pinverse
from ingot.functional.factorisations import symeig as symeig
from ingot.functional.gathering import argsort as argsort
from ingot.functional.gathering import gather as gather
from ingot.functional.gathering import index_add as index_add
from ingot.functional.gathering import index_copy as index_copy
from ingot.functional.gathering import index_fill as index_fill
from ingot.functional.gathering import index_reduce as index_reduce
from ingot.functional.gathering import index_select as index_select
from ingot.functional.gathering import kthvalue as kthvalue
from ingot.functional.gathering import masked_scatter as masked_scatter
from ingot.functional.gathering import masked_select as masked_select
from ingot.functional.gathering import msort as msort
from ingot.functional.gathering import nonzero as nonzero
from ingot.functional.gathering import put as put
from ingot.functional.gathering import scatter as scatter
from ingot.functional.gathering import scatter_add as scatter_add
from ingot.functional.gathering import scatter_reduce as scatter_reduce
from ingot.functional.gathering import sort as sort
from ingot.functional.gathering import take as take
from ingot.functional.gathering import take_along_dim as take_along_dim
from ingot.functional.gathering import topk as topk
from ingot.functional.inplace import abs_ as abs_
from ingot.functional.inplace import acos_ as acos_
from ingot.functional.inplace import acosh_ as acosh_
from ingot.functional.inplace import arccos_ as arccos_
from ingot.functional.inplace import arccosh_ as arccosh_
from ingot.functional.inplace import arcsin_ as arcsin_
from ingot.functional.inplace import arcsinh_ as arcsinh_
from ingot.functional.inplace import arctan_ as arctan_
from ingot.functional.inplace import arctanh_ as arctanh_
from ingot.functional.inplace import asin_ as asin_
from ingot.functional.inplace import asinh_ as asinh_
from ingot.functional.inplace import atan_ as atan_
from ingot.functional.inplace import atanh_ as atanh_
from ingot.functional.inplace import ceil_ as ceil_
from ingot.functional.inplace import clamp_ as clamp_
from ingot.functional.inplace import clamp_max_ as clamp_max_
from ingot.functional.inplace import clamp_min_ as clamp_min_
from ingot.functional.inplace import clip_ as clip_
from ingot.functional.inplace import cos_ as cos_
from ingot.functional.inplace import cosh_ as cosh_
from ingot.functional.inplace import deg2rad_ as deg2rad_
from ingot.functional.inplace import erf_ as erf_
from ingot.functional.inplace import erfc_ as erfc_
from ingot.functional.inplace import exp2_ as exp2_
from ingot.functional.inplace import exp_ as exp_
from ingot.functional.inplace import expm1_ as expm1_
from ingot.functional.inplace import fill_ as fill_
from ingot.functional.inplace import fix_ as fix_
from ingot.functional.inplace import floor_ as floor_
from ingot.functional.inplace import frac_ as frac_
from ingot.functional.inplace import gcd_ as gcd_
from ingot.functional.inplace import i0_ as i0_
from ingot.functional.inplace import index_put_ as index_put_
from ingot.functional.inplace import lcm_ as lcm_
from ingot.functional.inplace import ldexp_ as ldexp_
from ingot.functional.inplace import log1p_ as log1p_
from ingot.functional.inplace import log2_ as log2_
from ingot.functional.inplace import log10_ as log10_
from ingot.functional.inplace import log_ as log_
from ingot.functional.inplace import logit_ as logit_
from ingot.functional.inplace import nan_to_num_ as nan_to_num_
from ingot.functional.inplace import neg_ as neg_
from ingot.functional.inplace import negative_ as negative_
from ingot.functional.inplace import rad2deg_ as rad2deg_
from ingot.functional.inplace import reciprocal_ as reciprocal_
from ingot.functional.inplace import round_ as round_
from ingot.functional.inplace import rsqrt_ as rsqrt_
from ingot.functional.inplace import sigmoid_ as sigmoid_
from ingot.functional.inplace import sin_ as sin_
from ingot.functional.inplace import sinc_ as sinc_
from ingot.functional.inplace import sinh_ as sinh_
from ingot.functional.inplace import sqrt_ as sqrt_
from ingot.functional.inplace import square_ as square_
from ingot.functional.inplace import tan_ as tan_
from ingot.functional.inplace import tanh_ as tanh_
from ingot.functional.inplace import trunc_ as trunc_
from ingot.functional.inplace import xlogy_ as xlogy_
from ingot.functional.inplace import zero_ as zero_
from ingot.functional.joining import cat as cat
from ingot.functional.joining import chunk as chunk
from ingot.functional.joining import concat as concat
from ingot.functional.joining import concatenate as concatenate
from ingot.functional.joining import flip as flip
from ingot.functional.joining import fliplr as fliplr
from ingot.functional.joining import flipud as flipud
from ingot.functional.joining import hstack as hstack
from ingot.functional.joining import meshgrid as meshgrid
from ingot.functional.joining import repeat_interleave as repeat_interleave
from ingot.functional.joining import roll as roll
from ingot.functional.joining import rot90 as rot90
from ingot.functional.joining import row_stack as row_stack
from ingot.functional.joining import split as split
from ingot.functional.joining import split_with_sizes as split_with_sizes
from ingot.functional.joining import stack as stack
from ingot.functional.joining import tensor_split as tensor_split
from ingot.functional.joining import tile as tile
from ingot.functional.joining import tril as tril
from ingot.functional.joining import triu as triu
from ingot.functional.joining import unsafe_chunk as unsafe_chunk
from ingot.functional.joining import unsafe_split as unsafe_split
from ingot.functional.joining import unsafe_split_with_sizes as unsafe_split_with_sizes
from ingot.functional.joining import vstack as vstack
from ingot.functional.linalg import addbmm as addbmm
from ingot.functional.linalg import addmm as addmm
from ingot.functional.linalg import addmv as addmv
from ingot.functional.linalg import addr as addr
from ingot.functional.linalg import baddbmm as baddbmm
from ingot.functional.linalg import bmm as bmm
from ingot.functional.linalg import chain_matmul as chain_matmul
from ingot.functional.linalg import cross as cross
from ingot.functional.linalg import dot as dot
from ingot.functional.linalg import ger as ger
from ingot.functional.linalg import inner as inner
from ingot.functional.linalg import kron as kron
from ingot.functional.linalg import matmul as matmul
from ingot.functional.linalg import mm as mm
from ingot.functional.linalg import mv as mv
from ingot.functional.linalg import outer as outer
from ingot.functional.linalg import tensordot as tensordot
from ingot.functional.linalg import trace as trace
from ingot.functional.linalg import vdot as vdot
from ingot.functional.low_rank import pca_lowrank as pca_lowrank
from ingot.functional.low_rank import svd_lowrank as svd_lowrank
from ingot.functional.matrix_norms import dist as dist
from ingot.functional.matrix_norms import norm as norm
from ingot.functional.measures import cdist as cdist
from ingot.functional.measures import fill as fill
from ingot.functional.measures import logcumsumexp as logcumsumexp
from ingot.functional.measures import pdist as pdist
from ingot.functional.measures import renorm as renorm
from ingot.functional.memory import from_dlpack as from_dlpack
from ingot.functional.memory import is_nonzero as is_nonzero
from ingot.functional.memory import is_same_size as is_same_size
from ingot.functional.memory import is_signed as is_signed
from ingot.functional.memory import resize_as_ as resize_as_
from ingot.functional.memory import to_dlpack as to_dlpack
from ingot.functional.normalization import group_norm as group_norm
from ingot.functional.normalization import layer_norm as layer_norm
from ingot.functional.normalization import rms_norm as rms_norm
from ingot.functional.patches import as_strided_scatter as as_strided_scatter
from ingot.functional.patches import constant_pad_nd as constant_pad_nd
from ingot.functional.patches import diagonal_scatter as diagonal_scatter
from ingot.functional.patches import narrow_copy as narrow_copy
from ingot.functional.patches import select_scatter as select_scatter
from ingot.functional.patches import slice_scatter as slice_scatter
from ingot.functional.pooling import avg_pool1d as avg_pool1d
from ingot.functional.pooling import max_pool1d as max_pool1d
from ingot.functional.pooling import max_pool1d_with_indices as max_pool1d_with_indices
from ingot.functional.pooling import max_pool2d as max_pool2d
from ingot.functional.pooling import max_pool3d as max_pool3d
from ingot.functional.random_activations import rrelu as rrelu
from ingot.functional.random_activations import rrelu_ as rrelu_
from ingot.functional.recurrence import gru_cell as gru_cell
from ingot.functional.recurrence import lstm_cell as lstm_cell
from ingot.functional.recurrence import rnn_relu_cell as rnn_relu_cell
from ingot.functional.recurrence import rnn_tanh_cell as rnn_tanh_cell
from ingot.functional.reductions import all as all
from ingot.functional.reductions import amax as amax
from ingot.functional.reductions import amin as amin
from ingot.functional.reductions import aminmax as aminmax
from ingot.functional.reductions import any as any
from ingot.functional.reductions import argmax as argmax
from ingot.functional.reductions import argmin as argmin
from ingot.functional.reductions import count_nonzero as count_nonzero
from ingot.functional.reductions import cummax as cummax
from ingot.functional.reductions import cummin as cummin
from ingot.functional.reductions import cumprod as cumprod
from ingot.functional.reductions import cumsum as cumsum
from ingot.functional.reductions import logsumexp as logsumexp
from ingot.functional.reductions import max as max
from ingot.functional.reductions import mean as mean
from ingot.functional.reductions import min as min
from ingot.functional.reductions import nansum as nansum
from ingot.functional.reductions import prod as prod
from ingot.functional.reductions import std as std
from ingot.functional.reductions import std_mean as std_mean
from ingot.functional.reductions import sum as sum
from ingot.functional.reductions import var as var
from ingot.functional.reductions import var_mean as var_mean
from ingot.functional.resampling import channel_shuffle as channel_shuffle
from ingot.functional.resampling import pixel_shuffle as pixel_shuffle
from ingot.functional.resampling import pixel_unshuffle as pixel_unshuffle
from ingot.functional.sampling import bernoulli as bernoulli
from ingot.functional.sampling import multinomial as multinomial
from ingot.functional.sampling import normal as normal
from ingot.functional.sampling import poisson as poisson
from ingot.functional.sampling import rand as rand
from ingot.functional.sampling import rand_like as rand_like
from ingot.functional.sampling import randint as randint
from ingot.functional.sampling import randint_like as randint_like
from ingot.functional.sampling import randn as randn
from ingot.functional.sampling import randn_like as randn_like
from ingot.functional.sampling import randperm as randperm
from ingot.functional.searching import argwhere as argwhere
from ingot.functional.searching import bucketize as bucketize
from ingot.functional.searching import nonzero_static as nonzero_static
from ingot.functional.searching import searchsorted as searchsorted
from ingot.functional.searching import unique as unique
from ingot.functional.searching import unique_consecutive as unique_consecutive
from ingot.functional.searching import unravel_index as unravel_index
from ingot.functional.shaping import broadcast_to as broadcast_to
from ingot.functional.shaping import diagonal as diagonal
from ingot.functional.shaping import expand as expand
from ingot.functional.shaping import flatten as flatten
from ingot.functional.shaping import moveaxis as moveaxis
from ingot.functional.shaping import movedim as movedim
from ingot.functional.shaping import narrow as narrow
from ingot.functional.shaping import permute as permute
from ingot.functional.shaping import ravel as ravel
from ingot.functional.shaping import reshape as reshape
from ingot.functional.shaping import select as select
from ingot.functional.shaping import squeeze as squeeze
from ingot.functional.shaping import swapaxes as swapaxes
from ingot.functional.shaping import swapdims as swapdims
from ingot.functional.shaping import t as t
from ingot.functional.shaping import transpose as transpose
from ingot.functional.shaping import unbind as unbind
from ingot.functional.shaping import unflatten as unflatten
from ingot.functional.shaping import unsqueeze as unsqueeze
from ingot.functional.special import erfc as erfc
from ingot.functional.special import i0 as i0
from ingot.functional.special import igamma as igamma
from ingot.functional.special import igammac as igammac
from ingot.functional.special import mvlgamma as mvlgamma
from ingot.functional.special import polygamma as polygamma
from ingot.functional.special import sinc as sinc
from ingot.functional.statistics import bincount as bincount
from ingot.functional.statistics import corrcoef as corrcoef
from ingot.functional.statistics import cov as cov
from ingot.functional.statistics import cumulative_trapezoid as cumulative_trapezoid
from ingot.functional.statistics import diff as diff
from ingot.functional.statistics import gradient as gradient
from ingot.functional.statistics import histc as histc
from ingot.functional.statistics import histogram as histogram
from ingot.functional.statistics import isin as isin
from ingot.functional.statistics import median as median
from ingot.functional.statistics import mode as mode
from ingot.functional.statistics import nanmean as nanmean
from ingot.functional.statistics import nanmedian as nanmedian
from ingot.functional.statistics import nanquantile as nanquantile
from ingot.functional.statistics import quantile as quantile
from ingot.functional.statistics import trapezoid as trapezoid
from ingot.functional.statistics import trapz as trapz
from ingot.functional.strides import as_strided as as_strided
from ingot.functional.systems import det as det
from ingot.functional.systems import inverse as inverse
from ingot.functional.systems import logdet as logdet
from ingot.functional.systems import lu_unpack as lu_unpack
from ingot.functional.systems import matrix_exp as matrix_exp
from ingot.functional.systems import matrix_power as matrix_power
from ingot.functional.systems import slogdet as slogdet
from ingot.functional.systems import triangular_solve as triangular_solve
from ingot.functional.unary import abs as abs
from ingot.functional.unary import absolute as absolute
from ingot.functional.unary import acos as acos
from ingot.functional.unary import acosh as acosh
from ingot.functional.unary import arccos as arccos
from ingot.functional.unary import arccosh as arccosh
from ingot.functional.unary import arcsin as arcsin
from ingot.functional.unary import arcsinh as arcsinh
from ingot.functional.unary import arctan as arctan
from ingot.functional.unary import arctanh as arctanh
from ingot.functional.unary import asin as asin
from ingot.functional.unary import asinh as asinh
from ingot.functional.unary import atan as atan
from ingot.functional.unary import atanh as atanh
from ingot.functional.unary import bitwise_not as bitwise_not
from ingot.functional.unary import ceil as ceil
from ingot.functional.unary import clamp as clamp
from ingot.functional.unary import clamp_max as clamp_max
from ingot.functional.unary import clamp_min as clamp_min
from ingot.functional.unary import clip as clip
from ingot.functional.unary import cos as cos
from ingot.functional.unary import cosh as cosh
from ingot.functional.unary import digamma as digamma
from ingot.functional.unary import erf as erf
from ingot.functional.unary import erfinv as erfinv
from ingot.functional.unary import exp as exp
from ingot.functional.unary import exp2 as exp2
from ingot.functional.unary import expm1 as expm1
from ingot.functional.unary import fix as fix
from ingot.functional.unary import floor as floor
from ingot.functional.unary import frac as frac
from ingot.functional.unary import isfinite as isfinite
from ingot.functional.unary import isinf as isinf
from ingot.functional.unary import isnan as isnan
from ingot.functional.unary import lgamma as lgamma
from ingot.functional.unary import log as log
from ingot.functional.unary import log1p as log1p
from ingot.functional.unary import log2 as log2
from ingot.functional.unary import log10 as log10
from ingot.functional.unary import logical_not as logical_not
from ingot.functional.unary import logit as logit
from ingot.functional.unary import nan_to_num as nan_to_num
from ingot.functional.unary import neg as neg
from ingot.functional.unary import negative as negative
from ingot.functional.unary import positive as positive
from ingot.functional.unary import reciprocal as reciprocal
from ingot.functional.unary import round as round
from ingot.functional.unary import rsqrt as rsqrt
from ingot.functional.unary import sgn as sgn
from ingot.functional.unary import sigmoid as sigmoid
from ingot.functional.unary import sign as sign
from ingot.functional.unary import sin as sin
from ingot.functional.unary import sinh as sinh
from ingot.functional.unary import sqrt as sqrt
from ingot.functional.unary import square as square
from ingot.functional.unary import tan as tan
from ingot.functional.unary import tanh as tanh
from ingot.functional.unary import trunc as trunc
from ingot.indexing import index_put as index_put
from ingot.runtime import dtypes as _dtypes
from ingot.tensor import Size as _Size
from ingot.tensor import Tensor as _Tensor
from ingot.windows import bartlett_window as bartlett_window
from ingot.windows import blackman_window as blackman_window
from ingot.windows import hamming_window as hamming_window
from ingot.windows import hann_window as hann_window
from ingot.windows import kaiser_window as kaiser_window

result_type = _promote.result_dtype
adaptive_max_pool1d = _adaptive_max_pool1d

# There are no complex dtypes, whose parts and conjugates would differ.
conj = conj_physical = real = resolve_conj = resolve_neg = _memory.itself
is_conj = is_neg = is_inference = is_distributed = _memory.always_false

# Older names of linear algebra, whose arguments differ from those of `ingot.linalg`.
cholesky = _factorisations.cholesky_of
eig = _factorisations.removed_eig
lstsq = _factorisations.removed_lstsq
lu = _systems.factored
lu_solve = _systems.lu_solve_of
matrix_rank = _factorisations.removed_matrix_rank
orgqr = _factorisations.householder_product
qr = _factorisations.qr_of
solve = _factorisations.removed_solve
svd = _factorisations.svd_of

# Those of `ingot.nn.functional` take their arguments in another order.
batch_norm = _normalization.batch_norm_by_weight
embedding = _embedding.rows_of
instance_norm = _normalization.instance_norm_by_weight


def is_tensor(obj: object) -> bool:
    """Whether the object is a Tensor."""
    return isinstance(obj, _Tensor)


def is_floating_point(input: _Tensor) -> bool:
    """Whether the tensor has a floating dtype."""
    return input.dtype.is_floating_point


def is_storage(obj: object) -> bool:
    """Whether the object is the memory behind tensors."""
    return isinstance(obj, _memory.UntypedStorage)


def is_complex(input: _Tensor) -> bool:
    """False: there are no complex dtypes."""
    return False


def promote_types(type1: _dtypes.DType, type2: _dtypes.DType) -> _dtypes.DType:
    """The dtype that holds both kinds of numbers."""
    return _dtypes.promote(type1, type2)


def broadcast_shapes(*shapes: _Any) -> _Size:
    """The shape that several shapes broadcast to. Raises ShapeError (IG201)."""
    return _Size(_broadcast_shapes(*shapes))


def typename(obj: object) -> str:
    """The name of a tensor's type ("torch.FloatTensor" there), or of an object's class with its module."""
    if isinstance(obj, _Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def detach(input: _Tensor) -> _Tensor:
    """The same memory, off the tape."""
    return input.detach()


def detach_(input: _Tensor) -> _Tensor:
    """Take the tensor off the tape."""
    return input.detach_()


def get_device(input: _Tensor) -> int:
    """-1: the CPU."""
    return -1


def numel(input: _Tensor) -> _Any:
    """The number of elements."""
    return input.numel()
