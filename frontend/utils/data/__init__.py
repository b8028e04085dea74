"""Data loading: datasets, samplers, batches, and the loader that puts them together."""

from ingot.utils.data.collate import default_collate as default_collate
from ingot.utils.data.collate import default_convert as default_convert
from ingot.utils.data.dataloader import DataLoader as DataLoader
from ingot.utils.data.dataset import ChainDataset as ChainDataset
from ingot.utils.data.dataset import ConcatDataset as ConcatDataset
from ingot.utils.data.dataset import Dataset as Dataset
from ingot.utils.data.dataset import IterableDataset as IterableDataset
from ingot.utils.data.dataset import StackDataset as StackDataset
from ingot.utils.data.dataset import Subset as Subset
from ingot.utils.data.dataset import TensorDataset as TensorDataset
from ingot.utils.data.dataset import random_split as random_split
from ingot.utils.data.distributed import DistributedSampler as DistributedSampler
from ingot.utils.data.sampler import BatchSampler as BatchSampler
from ingot.utils.data.sampler import RandomSampler as RandomSampler
from ingot.utils.data.sampler import Sampler as Sampler
from ingot.utils.data.sampler import SequentialSampler as SequentialSampler
from ingot.utils.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from ingot.utils.data.sampler import WeightedRandomSampler as WeightedRandomSampler
from ingot.utils.data.worker import WorkerInfo as WorkerInfo
from ingot.utils.data.worker import get_worker_info as get_worker_info
