"""The base of all layers, and hooks for all of them, under the place that PyTorch has for them."""

from ingot.nn.hooks import register_module_forward_hook as register_module_forward_hook
from ingot.nn.hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from ingot.nn.hooks import register_module_full_backward_hook as register_module_full_backward_hook
from ingot.nn.hooks import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from ingot.nn.module import Module as Module
