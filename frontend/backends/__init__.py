"""`ingot.backends`: switches of libraries that PyTorch calls. They can be set and read, and change nothing here."""

from __future__ import annotations

from ingot.backends import cuda as cuda
from ingot.backends import cudnn as cudnn
from ingot.backends import mkldnn as mkldnn
from ingot.backends import mps as mps

# The precision of products of float32 that set_float32_matmul_precision names; ingot's is always "highest".
fp32_precision = "none"
