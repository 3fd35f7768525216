"""The feed: how rows and targets reach the device, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from amalgam.errors import AmalgamError
from amalgam.signals import Rows, Targets

_RESIDENT_SHARE = 0.5  # of the device's free memory: the rest is for the student


class Feed:
    """Batches of rows with their targets.

    Data that fits lives on the device whole, and a batch is an index selection; other rows come through a DataLoader.

    Args:
        rows: the inputs.
        targets: what is to be learnt from each.
        device: where batches are wanted.
        workers: processes that read rows which do not fit.
    """

    def __init__(self, rows: Rows, targets: Targets, device: torch.device, workers: int) -> None:
        self.rows, self.device, self.workers = rows, device, workers
        whole = rows.resident
        fits = whole is not None and (device.type == "cpu" or whole.nbytes < _RESIDENT_SHARE * _free(device))
        self.inputs = whole.to(device) if whole is not None and fits else None
        stored = not all(isinstance(array, Tensor) for array in targets.arrays().values())
        self.targets_here = self.inputs is not None and not stored
        self.targets = targets.to(device) if self.targets_here else targets

    def batches(self, indices: Sequence[Tensor]) -> Iterator[tuple[Tensor, Targets]]:
        """One (inputs, targets) for each tensor of row numbers, in order."""
        if self.inputs is not None:
            for index in indices:
                where = index.to(self.device)
                yield self.inputs[where], self._targets(where if self.targets_here else index)
            return
        loader = torch.utils.data.DataLoader(
            _Batches(self.rows, indices),
            batch_size=None,
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its workers' seeds are not drawn from the numbers that dropout draws from
        )
        for index, inputs in zip(indices, loader, strict=True):
            if isinstance(inputs, AmalgamError):
                raise inputs
            yield inputs.to(self.device, non_blocking=True), self._targets(index)

    def _targets(self, index: Tensor) -> Targets:
        return self.targets.at(index).to(self.device)


class _Batches(torch.utils.data.Dataset[Tensor | AmalgamError]):
    """A dataset whose items are whole batches.

    What is wrong with a row is handed over, not raised: a worker's error would reach the user inside a traceback.
    """

    def __init__(self, rows: Rows, indices: Sequence[Tensor]) -> None:
        self.rows, self.indices = rows, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, batch: int) -> Tensor | AmalgamError:
        if batch >= len(self):
            raise IndexError(batch)
        try:
            return self.rows.inputs(self.indices[batch])
        except AmalgamError as error:
            return error


def _free(device: torch.device) -> int:
    free: int = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 2**62
    return free
