"""The share of a dataset that one of several processes works on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ingot.functional.sampling import randperm
from ingot.rng import Generator
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.utils.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index, from `rank` on, of an order that all processes agree on by `seed` and epoch.

    The order is repeated from its start until it divides evenly, or cut if `drop_last`. Call `set_epoch` before each
    pass for another order. Raises SpecError (IG412).
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise SpecError(
                "IG412",
                "DistributedSampler needs to know the number of processes and which one this is",
                where=user_line(),
                fix="DistributedSampler(dataset, num_replicas=4, rank=0)",
            )
        if not 0 <= rank < num_replicas:
            raise SpecError(
                "IG412",
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]",
                where=user_line(),
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        share = len(dataset) / num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(len(self.dataset), generator=generator).tolist()
        else:
            order = list(range(len(self.dataset)))
        if not self.drop_last and order:
            order = (order * math.ceil(self.total_size / len(order)))[: self.total_size]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Which of the orders the next pass takes."""
        self.epoch = epoch
