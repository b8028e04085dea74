"""Containers, under the place that PyTorch has for them."""

from ingot.nn.containers import ModuleDict as ModuleDict
from ingot.nn.containers import ModuleList as ModuleList
from ingot.nn.containers import Sequential as Sequential
from ingot.nn.parameter_containers import ParameterDict as ParameterDict
from ingot.nn.parameter_containers import ParameterList as ParameterList
