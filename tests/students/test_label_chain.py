"""The chain: the batched network equals the slow transcription of Eqs. (29)–(36), cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.students.label_chain import LabelChain
from tests.reference.chain import ChainWeights, chain


def slow_weights(student: LabelChain) -> ChainWeights:
    labels, state = len(student.labels), {name: value.double().numpy() for name, value in student.state_dict().items()}
    hidden = student.settings.hidden

    def gates(weight: np.ndarray) -> np.ndarray:  # the student keeps in, forget, out, new, as the reference does
        return weight.reshape(4 * hidden, -1)

    of_state = gates(state["gates_of_state.weight"])
    return ChainWeights(
        W=state["start.weight"],
        b=state["start.bias"],
        W_x=gates(state["gates_of_inputs.weight"]),
        W_l=of_state[:, :labels],
        W_y=of_state[:, labels : 2 * labels],
        W_h=of_state[:, 2 * labels :],
        bias=state["gates_of_inputs.bias"],
        W_out=state["decide.weight"],
        b_out=state["decide.bias"],
    )


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    labels=st.integers(1, 5),
    accept=st.sampled_from(["joint", "own", "always"]),
    unchosen=st.sampled_from(["first", "last"]),
    told=st.lists(st.sampled_from([None, -2.5, -0.5, 0.75, 3.0]), min_size=5, max_size=5),
    clamp=st.booleans(),
)
def test_fast_equals_slow(
    seed: int, labels: int, accept: str, unchosen: str, told: list[float | None], clamp: bool
) -> None:
    torch.manual_seed(seed)
    kind = LabelChain.Settings(hidden=3, accept=accept, unchosen=unchosen)
    student = LabelChain((4,), [f"label {number}" for number in range(labels)], kind).double()
    for weight in student.parameters():  # large enough that labels are chosen, refused and reordered
        weight.data.mul_(4)
    inputs = torch.randn(6, 4, dtype=torch.float64)
    believed = torch.full((6, labels), torch.nan, dtype=torch.float64)
    beliefs = {label: value for label, value in enumerate(told[:labels]) if value is not None}
    for label, value in beliefs.items():
        believed[:, label] = value
    output = student(inputs, believed, clamp)
    weights = slow_weights(student)
    for row in range(6):
        final, steps = chain(
            inputs[row].numpy(), weights, accept=accept, unchosen=unchosen, believed=beliefs or None, clamp=clamp
        )
        np.testing.assert_allclose(output.logits[row].detach(), final, atol=1e-9)
        assert output.steps is not None
        np.testing.assert_allclose(output.steps[:, row].detach(), steps, atol=1e-9)


def test_no_belief_is_the_plain_chain() -> None:
    torch.manual_seed(0)
    student = LabelChain((4,), ["a", "b", "c"])
    inputs = torch.randn(5, 4)
    nothing = torch.full((5, 3), torch.nan)
    for clamp in (False, True):
        assert torch.equal(student.score_given(inputs, nothing, clamp), student.score(inputs))


def test_a_clamped_belief_is_kept_and_changes_the_others() -> None:
    torch.manual_seed(0)
    student = LabelChain((4,), ["a", "b", "c"])
    inputs, believed = torch.randn(50, 4), torch.full((50, 3), torch.nan)
    believed[:, 1] = 5.0
    told = student.score_given(inputs, believed, True)
    assert told[:, 1].eq(5.0).all()
    assert (told[:, [0, 2]] - student.score(inputs)[:, [0, 2]]).abs().max() > 1e-3


def test_a_batch_says_what_its_rows_say() -> None:
    torch.manual_seed(0)
    student = LabelChain((4,), ["a", "b", "c"])
    inputs = torch.randn(7, 4)
    alone = torch.cat([student.score(one[None]) for one in inputs])
    torch.testing.assert_close(student.score(inputs), alone)


def test_pinned_value() -> None:
    torch.manual_seed(0)
    student = LabelChain((2,), ["a", "b"], LabelChain.Settings(hidden=4))
    logits = student.score(torch.tensor([[1.0, -1.0]]))[0].tolist()
    assert logits == pytest.approx([0.396530, 0.394591], abs=1e-5)
