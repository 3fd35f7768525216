"""FFN: the target's rows and classes, and nothing else."""

from __future__ import annotations

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.strategies.ffn import FFN
from tests.labelgraph.drawn import BRITISH
from tests.strategies.test_label_graph import annotated, asked

SAID = ["Cat", "Maine-Coon", None, "British-Shorthair", "Dog"]


@pytest.mark.parametrize("target", [None, "breeds", "dogs-vs-cats"])
def test_targets_are_the_target_s_annotations(target: str | None) -> None:
    strategy = FFN(BRITISH, target)
    found = asked(strategy, annotated(BRITISH, SAID))
    wanted = BRITISH.labels[target or "breeds"]
    assert strategy.labels().names == wanted
    for row, label in enumerate(SAID):
        own = label in wanted
        assert found.weights[row].tolist() == [float(own)] * len(wanted)
        assert found.probabilities[row].tolist() == [float(own and one == label) for one in wanted]
    assert found.spans == ((0, len(wanted)),)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(RequestError, match=r"strategy.target is 'cats', .* its sources are breeds, dogs-vs-cats"):
        FFN(BRITISH, "cats").labels()


def test_a_teacher_is_refused_that_knows_other_labels() -> None:
    class Says:
        labels, exclusive = ("Cat", "Dog"), True

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs[:, :2]

    with pytest.raises(RequestError, match="teacher 't0' knows 'Cat', which is not in the label graph pets"):
        asked(FFN(BRITISH), annotated(BRITISH, SAID), Says())
