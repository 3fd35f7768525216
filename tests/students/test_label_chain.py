"""The chain: the batched network equals the slow transcription of Eqs. (29)–(36), cell by cell."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.students import label_chain
from amalgam.students.label_chain import LabelChain
from amalgam.training.stacked import stack
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


def gradients(chain: torch.nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Of something that follows from everything a chain says, in its weights and its inputs."""
    inputs = inputs.clone().requires_grad_()
    output = chain(inputs)
    torch.manual_seed(9)
    said = sum((torch.randn_like(one) * one).sum() for one in (output.logits, output.features, output.steps))
    return list(torch.autograd.grad(said, [inputs, *chain.parameters()]))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("steps", [None, 1, 2])
@pytest.mark.parametrize("unchosen", ["first", "last"])
@pytest.mark.parametrize("accept", ["joint", "own", "always"])
def test_the_way_back_by_hand_is_autograds(
    accept: str, unchosen: str, steps: int | None, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(7)
    kind = LabelChain.Settings(hidden=3, accept=accept, unchosen=unchosen, steps=steps)
    chains = [LabelChain((4,), ["a", "b", "c", "d"], kind).double() for _ in range(members)]
    for weight in (weight for one in chains for weight in one.parameters()):
        weight.data.mul_(4)
    student, inputs = stack(chains) if members > 1 else chains[0], torch.randn(6, 4, dtype=torch.float64)
    by_hand = gradients(student, inputs)
    assert type(student(inputs).logits.grad_fn).__name__ == "WayBackBackward"
    monkeypatch.setattr(label_chain, "_by_hand", lambda start: False)
    assert type(student(inputs).logits.grad_fn).__name__ != "WayBackBackward"
    for one, other in zip(by_hand, gradients(student, inputs), strict=True):
        assert other.abs().max() > 1e-3 or steps == 1  # a single step reads no label and no state
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 3])
def test_what_is_kept_for_the_way_back_is_let_go(steps: int) -> None:
    """An output among what a function keeps would hold itself, for ever."""
    student = LabelChain((4,), ["a", "b", "c"], LabelChain.Settings(hidden=3, steps=steps))
    output = student(torch.randn(5, 4))
    way = weakref.ref(output.logits.grad_fn)
    output.logits.sum().backward()
    assert way() is not None
    gc.disable()
    try:
        del output
        assert way() is None
    finally:
        gc.enable()


def test_a_chain_says_the_same_to_those_who_train_it_and_to_those_who_ask_or_trace_it() -> None:
    torch.manual_seed(3)
    chain, inputs = LabelChain((4,), ["a", "b", "c"]), torch.randn(5, 4)
    trained = chain(inputs)
    with torch.no_grad():
        asked = chain(inputs)
    assert torch.equal(trained.logits, asked.logits)
    assert torch.equal(trained.steps, asked.steps)
    assert torch.equal(trained.features, asked.features)

    def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        said: torch.Tensor = torch.func.functional_call(chain, weights, (inputs,)).logits.sum()
        return said

    functional = torch.func.grad(loss)(dict(chain.named_parameters()))
    trained.logits.sum().backward()
    for name, weight in chain.named_parameters():
        torch.testing.assert_close(functional[name], weight.grad)
    with torch.autocast("cpu", torch.bfloat16):
        halved = chain(inputs)
    halved.logits.float().sum().backward()
    torch.testing.assert_close(halved.logits.float(), trained.logits, atol=0.05, rtol=0.05)


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_chooses_and_counts_as_well(dtype: torch.dtype) -> None:
    logits, closed = torch.tensor([[3.0, 2.0, -1.0]], dtype=dtype), torch.tensor([[1.0, 0, 0]], dtype=dtype)
    best, joins, _ = label_chain.choose(logits, closed, torch.ones(1, 1, dtype=dtype), "own")
    assert (int(best), bool(joins)) == (1, True)
    for accept in ("joint", "own", "always"):
        shut = label_chain.choose(logits, torch.ones_like(closed), torch.ones(1, 1, dtype=dtype), accept)
        assert not shut[1]
    added = [torch.zeros(1, 2, dtype=dtype) for _ in range(300)]
    added[257][0, 0] = 1
    assert label_chain.final_steps(added, "first").tolist() == [[[257, 0]]]
    assert label_chain.final_steps(added, "last").tolist() == [[[257, 299]]]
