"""Special functions under PyTorch's names: `ingot.special.expit`, ..."""

from __future__ import annotations

from ingot.calls import make_public
from ingot.functional.activations import log_softmax as log_softmax
from ingot.functional.activations import softmax as softmax
from ingot.functional.arithmetic import xlog1py as xlog1py
from ingot.functional.arithmetic import xlogy as xlogy
from ingot.functional.reductions import logsumexp as logsumexp
from ingot.functional.special import entr as entr
from ingot.functional.special import erfc as erfc
from ingot.functional.special import erfcx as erfcx
from ingot.functional.special import gammainc as gammainc
from ingot.functional.special import gammaincc as gammaincc
from ingot.functional.special import gammaln as gammaln
from ingot.functional.special import i0 as i0
from ingot.functional.special import i0e as i0e
from ingot.functional.special import i1 as i1
from ingot.functional.special import i1e as i1e
from ingot.functional.special import log_ndtr as log_ndtr
from ingot.functional.special import multigammaln as multigammaln
from ingot.functional.special import ndtr as ndtr
from ingot.functional.special import ndtri as ndtri
from ingot.functional.special import polygamma as polygamma
from ingot.functional.special import psi as psi
from ingot.functional.special import sinc as sinc
from ingot.functional.special import zeta as zeta
from ingot.functional.unary import digamma as digamma
from ingot.functional.unary import erf as erf
from ingot.functional.unary import erfinv as erfinv
from ingot.functional.unary import exp2 as exp2
from ingot.functional.unary import expm1 as expm1
from ingot.functional.unary import log1p as log1p
from ingot.functional.unary import logit as logit
from ingot.functional.unary import round as round
from ingot.functional.unary import sigmoid

expit = sigmoid

make_public(globals())
