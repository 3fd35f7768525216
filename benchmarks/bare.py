"""The floor, a process of its own: one teacher pass, then a bare PyTorch loop. `python -m benchmarks.bare JOB.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from amalgam.signals import TensorRows
from amalgam.student import build, load


def main(job: Path) -> None:
    """Do the least that a distillation can do: the job names rows, teachers, student, epochs, batch size and rate."""
    told = json.loads(job.read_text())
    inputs = torch.from_numpy(np.load(told["rows"]))
    teachers = [load(folder) for folder in told["teachers"]]
    labels = sorted({label for teacher in teachers for label in teacher.labels})

    total, votes = torch.zeros(len(inputs), len(labels)), torch.zeros(len(labels))
    with torch.inference_mode():
        for teacher in teachers:
            columns = [labels.index(label) for label in teacher.labels]
            votes[columns] += 1
            for start in range(0, len(inputs), 4096):
                total[start : start + 4096, columns] += teacher(inputs[start : start + 4096]).logits
    targets = (total / votes).sigmoid().clone()

    torch.manual_seed(told["seed"])
    student = build(told["student"], inputs.shape[1:], labels, "the floor")
    student.scaling.fit(TensorRows(values=inputs))
    optimizer = torch.optim.Adam(student.parameters(), told["learning_rate"], fused=True)
    student.train()
    for _ in range(told["epochs"]):
        for batch in torch.split(torch.randperm(len(inputs)), told["batch_size"]):
            steps = student(inputs[batch]).steps
            wanted = targets[batch].expand_as(steps)
            loss = F.binary_cross_entropy_with_logits(steps, wanted, reduction="sum") / len(batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(student.parameters(), told["clip_norm"])
            optimizer.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
