"""What training code does with the parameters and gradients of modules, under PyTorch's names."""

from ingot.nn.utils import rnn as rnn
from ingot.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm_
from ingot.nn.utils.clip_grad import clip_grad_value_ as clip_grad_value_
from ingot.nn.utils.clip_grad import clip_grads_with_norm_ as clip_grads_with_norm_
from ingot.nn.utils.clip_grad import get_total_norm as get_total_norm
from ingot.nn.utils.convert_parameters import parameters_to_vector as parameters_to_vector
from ingot.nn.utils.convert_parameters import vector_to_parameters as vector_to_parameters
