"""ingot: a JIT tracing compiler for static tensor graphs, with PyTorch's conventions."""

if __name__ != "ingot":
    raise ImportError(f"this folder is the package ingot; it was imported as {__name__!r}")

import math as _math
from typing import TYPE_CHECKING

from ingot import autograd as autograd
from ingot import func as func
from ingot import nn as nn
from ingot import operators as operators
from ingot import tree as tree
from ingot.amp import GradScaler as GradScaler
from ingot.amp import autocast as autocast
from ingot.amp import get_autocast_dtype as get_autocast_dtype
from ingot.amp import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from ingot.amp import is_autocast_cache_enabled as is_autocast_cache_enabled
from ingot.amp import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from ingot.amp import is_autocast_enabled as is_autocast_enabled
from ingot.amp import set_autocast_cache_enabled as set_autocast_cache_enabled
from ingot.amp import set_autocast_enabled as set_autocast_enabled
from ingot.calls import can_cast as can_cast
from ingot.calls import make_public as _make_public
from ingot.compilation import compile as compile
from ingot.complex_numbers import complex as complex
from ingot.complex_numbers import complex32 as complex32
from ingot.complex_numbers import complex64 as complex64
from ingot.complex_numbers import complex128 as complex128
from ingot.complex_numbers import imag as imag
from ingot.complex_numbers import istft as istft
from ingot.complex_numbers import polar as polar
from ingot.complex_numbers import stft as stft
from ingot.complex_numbers import view_as_complex as view_as_complex
from ingot.complex_numbers import view_as_real as view_as_real
from ingot.func import vmap as vmap
from ingot.functional.memory import TypedStorage as TypedStorage
from ingot.functional.memory import UntypedStorage as UntypedStorage
from ingot.functions import *
from ingot.legacy import BFloat16Tensor as BFloat16Tensor
from ingot.legacy import BoolTensor as BoolTensor
from ingot.legacy import ByteTensor as ByteTensor
from ingot.legacy import CharTensor as CharTensor
from ingot.legacy import DoubleTensor as DoubleTensor
from ingot.legacy import FloatTensor as FloatTensor
from ingot.legacy import HalfTensor as HalfTensor
from ingot.legacy import IntTensor as IntTensor
from ingot.legacy import LongTensor as LongTensor
from ingot.legacy import ShortTensor as ShortTensor
from ingot.legacy import set_default_tensor_type as set_default_tensor_type
from ingot.limits import channels_last as channels_last
from ingot.limits import channels_last_3d as channels_last_3d
from ingot.limits import contiguous_format as contiguous_format
from ingot.limits import finfo as finfo
from ingot.limits import iinfo as iinfo
from ingot.limits import layout as layout
from ingot.limits import memory_format as memory_format
from ingot.limits import preserve_format as preserve_format
from ingot.limits import strided as strided
from ingot.modes import enable_grad as enable_grad
from ingot.modes import get_default_dtype as get_default_dtype
from ingot.modes import inference_mode as inference_mode
from ingot.modes import is_grad_enabled as is_grad_enabled
from ingot.modes import is_inference_mode_enabled as is_inference_mode_enabled
from ingot.modes import no_grad as no_grad
from ingot.modes import set_default_dtype as set_default_dtype
from ingot.modes import set_grad_enabled as set_grad_enabled
from ingot.printing import set_printoptions as set_printoptions
from ingot.rng import Generator as Generator
from ingot.rng import default_generator as default_generator
from ingot.rng import get_rng_state as get_rng_state
from ingot.rng import initial_seed as initial_seed
from ingot.rng import manual_seed as manual_seed
from ingot.rng import seed as seed
from ingot.rng import set_rng_state as set_rng_state
from ingot.runtime import dtypes as _dtypes
from ingot.runtime.errors import IngotError as IngotError
from ingot.runtime.lazy import lazy as _lazy
from ingot.scripting import jit as jit
from ingot.settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from ingot.settings import get_default_device as get_default_device
from ingot.settings import get_deterministic_debug_mode as get_deterministic_debug_mode
from ingot.settings import get_float32_matmul_precision as get_float32_matmul_precision
from ingot.settings import get_num_interop_threads as get_num_interop_threads
from ingot.settings import get_num_threads as get_num_threads
from ingot.settings import (
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
)
from ingot.settings import is_warn_always_enabled as is_warn_always_enabled
from ingot.settings import set_default_device as set_default_device
from ingot.settings import set_deterministic_debug_mode as set_deterministic_debug_mode
from ingot.settings import set_float32_matmul_precision as set_float32_matmul_precision
from ingot.settings import set_flush_denormal as set_flush_denormal
from ingot.settings import set_num_interop_threads as set_num_interop_threads
from ingot.settings import set_num_threads as set_num_threads
from ingot.settings import set_warn_always as set_warn_always
from ingot.settings import use_deterministic_algorithms as use_deterministic_algorithms
from ingot.tensor import Device as _Device
from ingot.tensor import Parameter as Parameter
from ingot.tensor import Size as Size
from ingot.tensor import Tensor as Tensor
from ingot.version import __version__ as __version__

# Dtypes, under PyTorch's names.
dtype = _dtypes.DType
bfloat16 = _dtypes.bfloat16
bool = _dtypes.bool_
float16 = _dtypes.float16
half = _dtypes.float16
float = _dtypes.float32
float32 = _dtypes.float32
double = _dtypes.float64
float64 = _dtypes.float64
int8 = _dtypes.int8
int16 = _dtypes.int16
short = _dtypes.int16
int = _dtypes.int32
int32 = _dtypes.int32
int64 = _dtypes.int64
long = _dtypes.int64
uint8 = _dtypes.uint8
uint32 = _dtypes.uint32
uint64 = _dtypes.uint64
cfloat, cdouble, chalf = complex64, complex128, complex32

device = _Device
inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None

_make_public(globals())

if TYPE_CHECKING:
    from ingot import accelerator as accelerator
    from ingot import amp as amp
    from ingot import aot as aot
    from ingot import backends as backends
    from ingot import cuda as cuda
    from ingot import distributed as distributed
    from ingot import distributions as distributions
    from ingot import fft as fft
    from ingot import linalg as linalg
    from ingot import optim as optim
    from ingot import profiler as profiler
    from ingot import random as random
    from ingot import serialization as serialization
    from ingot import special as special
    from ingot import testing as testing
    from ingot import utils as utils
    from ingot import version as version
    from ingot.serialization import load as load
    from ingot.serialization import save as save
else:
    # What few programs use, or what brings the whole compiler with it.
    __getattr__ = _lazy(
        __name__,
        "accelerator amp aot backends cuda distributed distributions fft linalg optim "
        "profiler random serialization special testing utils version",
        {"ingot.serialization": "load save"},
    )
