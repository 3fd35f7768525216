"""VENUS's floor, a process of its own: a pass a teacher, then a bare loop. `python -m benchmarks.bare_images JOB`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from amalgam.signals import TensorRows
from amalgam.student import build, load


def main(job: Path) -> None:
    """Do the least that VENUS can do: the job names pictures, teachers, student, epochs, batch size and rate."""
    told = json.loads(job.read_text())
    inputs = torch.from_numpy(np.load(told["rows"]))
    teachers = [load(folder) for folder in told["teachers"]]
    labels = sorted({label for teacher in teachers for label in teacher.labels})

    total, votes = torch.zeros(len(inputs), len(labels)), torch.zeros(len(labels))
    shown = list[torch.Tensor]()
    with torch.inference_mode():
        for teacher in teachers:
            columns = [labels.index(label) for label in teacher.labels]
            votes[columns] += 1
            features = []
            for start in range(0, len(inputs), 256):
                said = teacher(inputs[start : start + 256])
                total[start : start + 256, columns] += said.logits
                features.append(said.features)
            every = torch.cat(features)
            shown.append(every / every.square().mean().sqrt())
    targets, shown = (total / votes).sigmoid().clone(), [one.clone() for one in shown]

    torch.manual_seed(told["seed"])
    student = build(told["student"], inputs.shape[1:], labels, "the floor")
    student.scaling.fit(TensorRows(values=inputs))
    adaptors = nn.ModuleList(nn.Linear(student.width(inputs[:1]), one.shape[1]) for one in shown)
    weights = [*student.parameters(), *adaptors.parameters()]
    optimizer = torch.optim.Adam(weights, told["learning_rate"], fused=True)
    student.train()
    for _ in range(told["epochs"]):
        for batch in torch.split(torch.randperm(len(inputs)), told["batch_size"]):
            output = student(inputs[batch])
            apart = [F.mse_loss(adapt(output.features), one[batch]) for adapt, one in zip(adaptors, shown, strict=True)]
            loss = F.binary_cross_entropy_with_logits(output.logits, targets[batch]) + torch.stack(apart).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, told["clip_norm"])
            optimizer.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
