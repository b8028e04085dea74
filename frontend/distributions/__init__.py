"""`ingot.distributions`: probability distributions under PyTorch's names.

Samples of Normal, Uniform, Bernoulli, Categorical, Exponential and what is made of them are those of PyTorch for the
same seed; those of Gamma, Beta, Dirichlet, StudentT, Chi2, Poisson and Binomial are not.
"""

from ingot.distributions import constraints as constraints
from ingot.distributions import transforms as transforms
from ingot.distributions.bernoulli import Bernoulli as Bernoulli
from ingot.distributions.beta import Beta as Beta
from ingot.distributions.binomial import Binomial as Binomial
from ingot.distributions.categorical import Categorical as Categorical
from ingot.distributions.cauchy import Cauchy as Cauchy
from ingot.distributions.chi2 import Chi2 as Chi2
from ingot.distributions.dirichlet import Dirichlet as Dirichlet
from ingot.distributions.distribution import Distribution as Distribution
from ingot.distributions.distribution import ExponentialFamily as ExponentialFamily
from ingot.distributions.exponential import Exponential as Exponential
from ingot.distributions.gamma import Gamma as Gamma
from ingot.distributions.geometric import Geometric as Geometric
from ingot.distributions.gumbel import Gumbel as Gumbel
from ingot.distributions.half_cauchy import HalfCauchy as HalfCauchy
from ingot.distributions.half_normal import HalfNormal as HalfNormal
from ingot.distributions.independent import Independent as Independent
from ingot.distributions.kl import kl_divergence as kl_divergence
from ingot.distributions.kl import register_kl as register_kl
from ingot.distributions.laplace import Laplace as Laplace
from ingot.distributions.log_normal import LogNormal as LogNormal
from ingot.distributions.mixture_same_family import MixtureSameFamily as MixtureSameFamily
from ingot.distributions.multinomial import Multinomial as Multinomial
from ingot.distributions.multivariate_normal import MultivariateNormal as MultivariateNormal
from ingot.distributions.normal import Normal as Normal
from ingot.distributions.one_hot_categorical import OneHotCategorical as OneHotCategorical
from ingot.distributions.one_hot_categorical import OneHotCategoricalStraightThrough as OneHotCategoricalStraightThrough
from ingot.distributions.poisson import Poisson as Poisson
from ingot.distributions.relaxed import LogitRelaxedBernoulli as LogitRelaxedBernoulli
from ingot.distributions.relaxed import RelaxedBernoulli as RelaxedBernoulli
from ingot.distributions.relaxed import RelaxedOneHotCategorical as RelaxedOneHotCategorical
from ingot.distributions.studentT import StudentT as StudentT
from ingot.distributions.transformed_distribution import TransformedDistribution as TransformedDistribution
from ingot.distributions.transforms import AbsTransform as AbsTransform
from ingot.distributions.transforms import AffineTransform as AffineTransform
from ingot.distributions.transforms import ComposeTransform as ComposeTransform
from ingot.distributions.transforms import ExpTransform as ExpTransform
from ingot.distributions.transforms import IndependentTransform as IndependentTransform
from ingot.distributions.transforms import LowerCholeskyTransform as LowerCholeskyTransform
from ingot.distributions.transforms import PowerTransform as PowerTransform
from ingot.distributions.transforms import SigmoidTransform as SigmoidTransform
from ingot.distributions.transforms import SoftmaxTransform as SoftmaxTransform
from ingot.distributions.transforms import SoftplusTransform as SoftplusTransform
from ingot.distributions.transforms import StickBreakingTransform as StickBreakingTransform
from ingot.distributions.transforms import TanhTransform as TanhTransform
from ingot.distributions.transforms import Transform as Transform
from ingot.distributions.transforms import identity_transform as identity_transform
from ingot.distributions.uniform import Uniform as Uniform
