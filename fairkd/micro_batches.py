"""Micro-batches: several batches of an update, read in one forward pass. A matter of execution: no result's key has it.

The recipe's batches are small (8 sequences), and a GPU would wait for the host between them. The loss of an update is
the mean of its batches' losses, each a mean over its own rows. Of k batches that are joined each row counts 1 / (k ·
rows of its batch), so the joined loss is that mean. Masks, λ and the rows that the losses look at stay those of each
batch. Only dropout draws otherwise: a pass draws from the seed of the first batch that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from fairkd.batches import MaskedBatch, MaskedBatches
from fairkd.engine.world import ONE_PROCESS, World
from fairkd.masking import IGNORED
from fairkd.mixup import Mixing


def read(batches: MaskedBatches, numbers: Sequence[int]) -> MaskedBatch:
    """The batches of these numbers as one, on the device."""
    if len(numbers) == 1:
        return batches[numbers[0]]
    return joined([batches.on_host(number) for number in numbers], batches.pad_id).on(batches.device)


def shares_of(batches: MaskedBatches, numbers: Sequence[int], *, everyone: World = ONE_PROCESS) -> list[list[int]]:
    """The batches of an update that this process reads, in the groups that one pass reads.

    They are dealt to the processes in the order of their widths, so that all have about as much to do.
    """
    if everyone.size == 1 and batches.at_once is None:
        return [[number] for number in numbers]
    sizes = {number: batches.size(number) for number in numbers}
    own = sorted(numbers, key=lambda number: (sizes[number][1], number))[everyone.rank :: everyone.size]
    return grouped(own, [sizes[number] for number in own], batches.at_once)


def grouped(numbers: Sequence[int], sizes: Sequence[tuple[int, int]], most: int | None) -> list[list[int]]:
    """Batches in groups that one forward pass reads: those of like width together, so that little is padded.

    Args:
        numbers: of the batches.
        sizes: sequences and tokens of the longest one, of each.
        most: tokens of a group, padding included; a batch that has more is a group of its own, and None makes each one
            that, in the order given.

    >>> grouped([4, 5, 6, 7], [(2, 10), (2, 30), (2, 11), (2, 40)], 90)
    [[4, 6], [5], [7]]
    """
    if most is None:
        return [[number] for number in numbers]
    groups: list[list[int]] = []
    rows = 0
    for (sequences, width), number in sorted(zip(sizes, numbers, strict=True), key=lambda one: (one[0][1], one[1])):
        if groups and (rows + sequences) * width <= most:
            groups[-1].append(number)
            rows += sequences
        else:
            groups.append([number])
            rows = sequences
    return groups


def joined(batches: Sequence[MaskedBatch], pad_id: int) -> MaskedBatch:
    """Batches on the host as one, padded to the widest, with the share of each row in the losses."""
    if len(batches) == 1:
        return batches[0]
    width = max(batch.input_ids.shape[1] for batch in batches)
    rows = list(accumulate((len(batch.input_ids) for batch in batches), initial=0))
    taught, both, labelled = (
        torch.cat([_moved(batch, _parts(batch)[part], row, width) for batch, row in zip(batches, rows, strict=False)])
        for part in range(3)
    )
    return MaskedBatch(
        input_ids=_padded([batch.input_ids for batch in batches], width, pad_id),
        corrupted=_padded([batch.corrupted for batch in batches], width, pad_id),
        labels=_padded([batch.labels for batch in batches], width, IGNORED),
        attention_mask=_padded([batch.attention_mask for batch in batches], width, 0),
        token_rows=torch.cat(
            [_moved(batch, batch.token_rows, row, width) for batch, row in zip(batches, rows, strict=False)]
        ),
        head_rows=torch.cat([taught, both, labelled]),
        ce_rows=torch.cat([taught, both]),
        mlm_rows=torch.cat([both, labelled]),
        tokens=sum(batch.tokens for batch in batches),
        mixing=_joined_mixing(batches, rows, width, pad_id),
        counterpart=batches[0].counterpart,
        rows_of=tuple(batch.tokens for batch in batches),
        ce_shares=_shares(batches, (0, 1)),
        mlm_shares=_shares(batches, (1, 2)),
        token_shares=torch.cat([torch.full((batch.tokens,), 1 / (len(batches) * batch.tokens)) for batch in batches]),
    )


def _parts(batch: MaskedBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that L_ce looks at alone, that both losses look at, and that L_mlm does alone."""
    n, n_ce, n_mlm = len(batch.head_rows), len(batch.ce_rows), len(batch.mlm_rows)
    taught, both, labelled = batch.head_rows.split([n - n_mlm, n_ce + n_mlm - n, n - n_ce])
    return taught, both, labelled


def _shares(batches: Sequence[MaskedBatch], parts: tuple[int, int]) -> Tensor:
    """Of each row of these two parts, in the order in which the joined batch has them."""
    counts = [[len(_parts(batch)[part]) for part in parts] for batch in batches]
    shares = torch.tensor([1 / (len(batches) * max(sum(own), 1)) for own in counts])
    return torch.cat([shares.repeat_interleave(torch.tensor(column)) for column in zip(*counts, strict=True)])


def _moved(batch: MaskedBatch, at: Tensor, row: int, width: int) -> Tensor:
    """Flat positions in a batch as they are where its first sequence is ``row``, and sequences are this wide."""
    tokens = batch.input_ids.shape[1]
    return (at // tokens + row) * width + at % tokens


def _padded(parts: Sequence[Tensor], width: int, value: int) -> Tensor:
    return torch.cat([F.pad(part, (0, width - part.shape[1]), value=value) for part in parts])


def _joined_mixing(batches: Sequence[MaskedBatch], rows: Sequence[int], width: int, pad_id: int) -> Mixing | None:
    """Where gender words are mixed in the joined batch; None if they are in no batch."""
    mixed = [(batch, batch.mixing, row) for batch, row in zip(batches, rows, strict=False) if batch.mixing is not None]
    if not mixed:
        return None
    swapped = list(accumulate((len(mixing.swapped) for _, mixing, _ in mixed), initial=0))
    words = list(accumulate((len(mixing.at) for _, mixing, _ in mixed), initial=0))
    taught = _places_of_ce_rows(batches)
    together = {name: torch.cat([vars(m)[name] for _, m, _ in mixed]) for name in ("own", "counterpart", "male", "lam")}
    return Mixing(
        **together,
        at=torch.cat([_moved(batch, mixing.at, row, width) for batch, mixing, row in mixed]),
        swapped=_padded([mixing.swapped for _, mixing, _ in mixed], width, pad_id),
        swapped_mask=_padded([mixing.swapped_mask for _, mixing, _ in mixed], width, 0),
        swapped_at=torch.cat(
            [
                _moved(batch, mixing.swapped_at, row, width)
                for (batch, mixing, _), row in zip(mixed, swapped, strict=False)
            ]
        ),
        ce_at=torch.cat([taught[id(batch)][mixing.ce_at] for batch, mixing, _ in mixed]),
        ce_of=torch.cat([mixing.ce_of + first for (_, mixing, _), first in zip(mixed, words, strict=False)]),
    )


def _places_of_ce_rows(batches: Sequence[MaskedBatch]) -> dict[int, Tensor]:
    """Of each batch, where its ``ce_rows`` stand among those of the joined one: what L_ce alone looks at goes first."""
    counts = [[len(part) for part in _parts(batch)[:2]] for batch in batches]
    starts = list(accumulate([alone for alone, _ in counts] + [both for _, both in counts], initial=0))
    spans = [torch.arange(first, last) for first, last in pairwise(starts)]
    return {id(batch): torch.cat([spans[n], spans[len(batches) + n]]) for n, batch in enumerate(batches)}
