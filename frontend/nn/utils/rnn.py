"""Sequences of different lengths: padded to one tensor, packed without padding, and as a list.

Lengths decide shapes, so they must be known: inside a compiled function they are Python ints, not traced tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ingot.core import TensorBase
from ingot.creation import full, tensor
from ingot.functional.conversion import elements
from ingot.functional.gathering import index_select
from ingot.functional.joining import cat, stack
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

Self = TypeVar("Self", bound="PackedSequence")
Integers = np.ndarray[Any, np.dtype[np.int64]]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences, the longest first, without padding: the rows of step 0, then those of step 1, and so on.

    data [sum of the lengths, ...]; batch_sizes int64 [steps], how many sequences have that step; sorted_indices, the
    order in which the given sequences stand here, and unsorted_indices, the way back, or None where it is their own.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            raise ShapeError("IG332", "a PackedSequence needs batch_sizes", where=user_line(), fix="pack_sequence(...)")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def with_data(self, data: Tensor) -> PackedSequence:
        """Other elements for the same sequences."""
        return PackedSequence(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The elements in another dtype."""
        return self.with_data(self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        """The sequences themselves: they live on the CPU."""
        return self

    pin_memory = cpu

    def double(self) -> PackedSequence:
        """The elements in float64."""
        return self.with_data(self.data.double())

    def float(self) -> PackedSequence:
        """The elements in float32."""
        return self.with_data(self.data.float())

    def half(self) -> PackedSequence:
        """The elements in float16."""
        return self.with_data(self.data.half())

    def long(self) -> PackedSequence:
        """The elements in int64."""
        return self.with_data(self.data.long())

    def int(self) -> PackedSequence:
        """The elements in int32."""
        return self.with_data(self.data.int())

    def type(self, dtype: DType) -> PackedSequence:
        """The elements in another dtype."""
        return self.with_data(self.data.type(dtype))

    @property
    def is_cuda(self) -> bool:
        """False: the elements are in the CPU's memory."""
        return False

    def is_pinned(self) -> bool:
        """False: there is no pinned memory."""
        return False


def _ints(values: Any, name: str, use: str) -> Integers:
    """Lengths given as a tensor or as a sequence of ints. Raises ShapeError (IG332) unless there is one dimension."""
    array = elements(values, use) if isinstance(values, TensorBase) else np.asarray(values)
    if array.ndim != 1:
        raise ShapeError("IG332", f"{use}: {name} should be one-dimensional, not {array.ndim}-d", where=user_line())
    return array.astype(np.int64)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one."""
    if permutation is None:
        return None
    return tensor(np.argsort(_ints(permutation, "the permutation", "invert_permutation()"), kind="stable"))


def _packing(lengths: Integers) -> tuple[Integers, Integers, Integers]:
    """(step, sequence, sequences per step) of every row, for lengths that do not rise."""
    steps = int(lengths[0]) if len(lengths) else 0
    present = np.arange(steps)[:, None] < lengths[None, :]
    step, sequence = np.nonzero(present)
    return step, sequence, present.sum(1)


def lengths_of(batch_sizes: Integers) -> Integers:
    """How long each sequence is, given how many sequences have each step."""
    most = int(batch_sizes[0]) if len(batch_sizes) else 0
    lengths: Integers = (batch_sizes[:, None] > np.arange(most)[None, :]).sum(0)
    return lengths


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Drop the padding of input [steps, sequences, ...] (or [sequences, steps, ...] with `batch_first`).

    `lengths`: one per sequence, at least 1. With `enforce_sorted` they must not rise; else the sequences are sorted.
    Raises ShapeError (IG332) for lengths that do not fit. Inside compiled code, lengths are a list of ints.
    """
    long = _ints(lengths, "lengths", "pack_padded_sequence()")
    x = input.transpose(0, 1) if batch_first else input
    steps, count = (int(n) for n in x.shape[:2])
    order: Integers | None = None
    if len(long) != count:
        raise _unfit(f"Expected `len(lengths)` to be equal to batch_size, but got {len(long)} (batch_size={count})")
    if (long <= 0).any():
        raise _unfit("Length of all samples has to be greater than 0", f"lengths: {long.tolist()}")
    if (long > steps).any():
        raise _unfit(f"a length is greater than the number of steps, {steps}", f"lengths: {long.tolist()}")
    if not enforce_sorted:
        order = np.argsort(-long, kind="stable")
        long = long[order]
    elif (np.diff(long) > 0).any():
        raise _unfit(
            "`lengths` must be sorted in decreasing order when `enforce_sorted` is True",
            f"lengths: {long.tolist()}",
            fix="enforce_sorted=False",
        )
    step, sequence, sizes = _packing(long)
    column = sequence if order is None else order[sequence]
    rows = x.reshape(steps * count, *x.shape[2:])
    data = index_select(rows, 0, tensor(step * count + column))
    return PackedSequence(data, tensor(sizes), None if order is None else tensor(order))


def _unfit(what: str, *detail: str, fix: str | None = None) -> ShapeError:
    return ShapeError("IG332", f"pack_padded_sequence: {what}", where=user_line(), detail=detail, fix=fix)


def padded(sequence: PackedSequence, data: Tensor, padding_value: float = 0.0) -> tuple[Tensor, Integers]:
    """Packed rows as [steps, sequences, ...] in the packed order, and the lengths."""
    sizes = _ints(sequence.batch_sizes, "batch_sizes", "a PackedSequence")
    lengths = lengths_of(sizes)
    step, column, _ = _packing(lengths)
    steps, count = len(sizes), len(lengths)
    # Every place reads the row that is packed there, or the row of padding behind all of them.
    place = np.full((steps, count), len(step), np.int64)
    place[step, column] = np.arange(len(step))
    padding = full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    rows = index_select(cat([data, padding]), 0, tensor(place.reshape(-1)))
    return rows.reshape(steps, count, *data.shape[1:]), lengths


def repacked(x: Tensor, lengths: Integers) -> Tensor:
    """The rows of x [steps, sequences, ...] that are no padding, in the packed order."""
    step, column, _ = _packing(lengths)
    count = len(lengths)
    return index_select(x.reshape(x.shape[0] * count, *x.shape[2:]), 0, tensor(step * count + column))


def mask_of(lengths: Integers) -> Tensor | None:
    """bool [steps, sequences, 1], True where a sequence has the step; None if all are equally long."""
    steps = int(lengths[0]) if len(lengths) else 0
    if (lengths == steps).all():
        return None
    return tensor(np.arange(steps)[:, None, None] < lengths[None, :, None])


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """([steps, sequences, ...], lengths) in the order that was packed, padded with a number.

    `total_length`: at least as many steps as the longest sequence has (SpecError IG332 for fewer).
    """
    x, lengths = padded(sequence, sequence.data, padding_value)
    steps = x.shape[0]
    if total_length is not None and total_length < steps:
        raise SpecError(
            "IG332",
            f"Expected total_length to be at least the length of the longest sequence, but got {total_length} for "
            f"{steps}",
            where=user_line(),
        )
    if total_length is not None and total_length > steps:
        rest = full((total_length - steps, *x.shape[1:]), padding_value, dtype=x.dtype)
        x = cat([x, rest])
    if sequence.unsorted_indices is not None:
        x = index_select(x, 1, sequence.unsorted_indices)
        lengths = lengths[_ints(sequence.unsorted_indices, "unsorted_indices", "pad_packed_sequence()")]
    return x.transpose(0, 1) if batch_first else x, tensor(lengths)


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors [length, ...] of different lengths as one [longest, sequences, ...] (sequences first if `batch_first`).

    Raises ShapeError (IG332) for no tensors or an unknown `padding_side` ("right" or "left").
    """
    tensors = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    if not tensors:
        raise ShapeError("IG332", "pad_sequence: received an empty list of sequences", where=user_line())
    if padding_side not in ("left", "right"):
        raise ShapeError("IG332", f"pad_sequence: padding_side is left or right, not {padding_side}", where=user_line())
    longest = max(int(t.shape[0]) for t in tensors)
    first = tensors[0]
    filled: list[Tensor] = []
    for t in tensors:
        if t.shape[1:] != first.shape[1:]:
            raise ShapeError(
                "IG332",
                f"pad_sequence: sequences {list(first.shape)} and {list(t.shape)} differ after the first dimension",
                where=user_line(),
            )
        t = t.to(first.dtype)
        missing = longest - int(t.shape[0])
        padding = [full((missing, *t.shape[1:]), padding_value, dtype=t.dtype)] if missing else []
        parts = [*padding, t] if padding_side == "left" else [t, *padding]
        filled.append(cat(parts) if padding else t)
    return stack(filled, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of [steps, sequences, ...] without their padding."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    long = _ints(lengths, "lengths", "unpad_sequence()")
    return [x.select(0, i).narrow(0, 0, int(n)) for i, n in enumerate(long)]


def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors [length, ...] of different lengths, packed; see `pack_padded_sequence`."""
    tensors = list(sequences)
    lengths = [int(t.shape[0]) for t in tensors]
    return pack_padded_sequence(pad_sequence(tensors), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a PackedSequence, in the order that was packed."""
    x, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(x, lengths, batch_first=True)
