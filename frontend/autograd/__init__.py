"""`torch.autograd`: derivatives of what the tape recorded."""

from typing import TYPE_CHECKING

from ingot.autograd.anomaly import detect_anomaly as detect_anomaly
from ingot.autograd.anomaly import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from ingot.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled
from ingot.autograd.anomaly import set_detect_anomaly as set_detect_anomaly

# The functions hide the module of their name, which `from ingot.autograd.gradcheck import ...` still finds.
from ingot.autograd.gradcheck import gradcheck as gradcheck
from ingot.autograd.gradcheck import gradgradcheck as gradgradcheck
from ingot.autograd.walk import backward as backward
from ingot.autograd.walk import grad as grad
from ingot.modes import enable_grad as enable_grad
from ingot.modes import inference_mode as inference_mode
from ingot.modes import no_grad as no_grad
from ingot.modes import set_grad_enabled as set_grad_enabled
from ingot.runtime.lazy import lazy as _lazy

if TYPE_CHECKING:
    from ingot.autograd import function as function
    from ingot.autograd import functional as functional
    from ingot.autograd import graph as graph
    from ingot.autograd import profiler as profiler
    from ingot.autograd.function import Function as Function
    from ingot.autograd.variable import Variable as Variable
else:
    # What few programs use.
    __getattr__ = _lazy(
        __name__,
        modules="function functional graph profiler",
        names={"ingot.autograd.function": "Function", "ingot.autograd.variable": "Variable"},
    )
