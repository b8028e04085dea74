"""`torch.autograd`: derivatives of what the tape recorded."""

from ingot.autograd.walk import backward as backward
from ingot.autograd.walk import grad as grad
