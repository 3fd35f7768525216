"""L2TL (Learning to Transfer Learn: Eqs. 1, 2, 4, 5, Algorithm 1, Supplementary A) in plain loops, row by row.

There are C_s source classes and C_t target classes, 0, 1, …. The policy takes no input: for each source class it has n
logits, of which an action k is drawn that weighs the class's rows by λ = k / (n − 1), and it has n' more, of which the
action k' is drawn that weighs the whole source loss by α = β k' / (n' − 1). What is drawn (the actions, the rows) is
given to the functions here; nothing here is random. DATL's weights (Ngiam et al. 2018), with which the paper compares,
are here, too.

All is in Python's floats. A matrix is a list of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Vector = Sequence[float]
Matrix = Sequence[Vector]


# ---------------------------------------------------------------- the actions


def weights_of(actions: Sequence[int], n: int) -> list[float]:
    """λ(y) = k / (n − 1) (Sec. 4) of the action k = 0, …, n − 1 of each class: from 0 to 1."""
    weights = []
    for action in actions:
        assert 0 <= action < n
        weights.append(action / (n - 1))
    return weights


def alpha_of(action: int, n: int, beta: float) -> float:
    """α = β k' / (n' − 1) (Sec. 4) of the action k' = 0, …, n' − 1 (here `action` and `n`): from 0 to β."""
    assert 0 <= action < n
    return beta * action / (n - 1)


def chances(logits: Vector) -> list[float]:
    """π(k) = exp(z_k) / Σ_j exp(z_j) of the logits z of one class, or of those of α.

    The paper says only that the policy "does not take inputs and it is parameterized by a random variable"; that this
    is a softmax of free logits, of each class independently of the others, is our reading.
    """
    highest = max(logits)
    total = 0.0
    for logit in logits:
        total += math.exp(logit - highest)
    return [math.exp(logit - highest) / total for logit in logits]


# ---------------------------------------------------------------- the first phase: the loss


def chosen(weights: Vector, size: int) -> list[int]:
    """The places of the B_S = `size` rows of highest weight among the M_S · B_S candidates (Sec. 4).

    The highest weight comes first. Of rows of one weight the earlier candidate goes first, which is no preference, as
    candidates are drawn at random. Rows of weight 0 are chosen, too, where there are not enough others.

    Args:
        weights: λ of each candidate row (not of each class).
        size: no more than there are candidates.
    """
    assert size <= len(weights)
    left = list(range(len(weights)))
    rows = []
    for _ in range(size):
        best = left[0]
        for row in left:
            if weights[row] > weights[best]:
                best = row
        rows.append(best)
        left.remove(best)
    return rows


def joint_loss(source_losses: Vector, source_weights: Vector, target_losses: Vector, alpha: float) -> float:
    """Eq. (1) with α_t = 1, of means: α / B_S · Σ_j λ_j L_S,j + 1 / B_T · Σ_k L_T,k.

    The paper prints sums, with B_S = B_T in most experiments, where this is the same but for a factor. Means are the
    choice of this project, so that the sizes of the batches may differ. The mean of the source is over the B_S chosen
    rows, whatever they weigh: it is not divided by Σ λ, so that low weights mean a low loss.

    Algorithm 1 prints l_s = α l_s (and the loop over the target's rows) inside the loop over the source's rows; Eq. 1
    has α once, before the sum, and so has this.

    Args:
        source_losses: L_S of each chosen source row.
        source_weights: λ of each chosen source row.
        target_losses: L_T of each target row.
        alpha: α.
    """
    of_source = 0.0
    for weight, loss in zip(source_weights, source_losses, strict=True):
        of_source += weight * loss
    of_target = 0.0
    for loss in target_losses:
        of_target += loss
    return alpha * of_source / len(source_losses) + of_target / len(target_losses)


def warm_cosine(step: int, steps: int, warm: int, rate: float) -> float:
    """The learning rate of a step (Supplementary A): a linear warm-up, and then a cosine to zero.

    The paper gives no more than "cosine decayed after first 2,000 iterations warmup". Here steps are 0, …, steps − 1:
    in step i < warm it is rate (i + 1) / warm, so rate / warm in the first and rate in the last one of the warm-up;
    afterwards rate / 2 (1 + cos(π (i − warm) / (steps − warm))), so rate once more in step `warm`, and zero in the step
    `steps` that is never taken. With warm = 0 the cosine begins at once.
    """
    assert 0 <= step <= steps
    assert 0 <= warm <= steps
    if step < warm:
        return rate * (step + 1) / warm
    if warm == steps:
        return 0.0  # the step after the last, of a warm-up alone
    return rate / 2 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


# ---------------------------------------------------------------- the second phase: the policy


def log_chance(logits: Matrix, actions: Sequence[int], present: Sequence[bool]) -> float:
    """Σ_y log π_y(k_y), over the classes y that are present among the candidate rows.

    Classes that no candidate row has are left out: no λ of theirs is used in this iteration, so that the reward cannot
    depend on their actions; their part of REINFORCE's gradient is 0 in expectation, and only noise. The paper does not
    say so. A class is present, too, if none of its rows was chosen: that is what its action did.

    Args:
        logits: n of each class.
        actions: the action of each class, also of those that are not present.
        present: of each class, whether a candidate row (not: a chosen row) has it.
    """
    total = 0.0
    for z, action, here in zip(logits, actions, present, strict=True):
        if not here:
            continue
        highest = max(z)
        partition = 0.0
        for logit in z:
            partition += math.exp(logit - highest)
        total += z[action] - highest - math.log(partition)
    return total


def baseline(old: float | None, reward: float, gamma: float) -> float:
    """b ← (1 − γ) b + γ R (Sec. 4); `old` is None before the first reward, with which the baseline begins.

    The paper does not say with what it begins. With b = 0 the first advantages would all be as large as the reward, and
    whatever was drawn would be reinforced.
    """
    if old is None:
        return reward
    return (1 - gamma) * old + gamma * reward


def advantage_of(reward: float, old: float | None) -> float:
    """A = R − b (Sec. 4), of the baseline before this reward is mixed in; 0 where there is none yet.

    The paper writes b_t on both sides of its update, A_t = R_t − b_t and b_t = (1 − γ) b_t + γ R_t. With the baseline
    before the update a step's own reward is not in its baseline, so that it does not depend on the step's actions; with
    the one after it every advantage would be (1 − γ) times as large, which Adam hardly notices.
    """
    return 0.0 if old is None else reward - old


def policy_gradient(
    logits: Matrix, actions: Sequence[int], advantage: float, present: Sequence[bool]
) -> list[list[float]]:
    """The gradient of −A Σ_y log π_y(k_y) (see `log_chance`): −A (1[j = k_y] − π_y(j)) for logit j of class y.

    REINFORCE (Williams 1992) ascends A ∇ log π, so this is to be descended. Classes that are not present have zeros.
    """
    gradient = []
    for z, action, here in zip(logits, actions, present, strict=True):
        of_class = []
        for j, chance in enumerate(chances(z)):
            taken = 1.0 if j == action else 0.0
            of_class.append(-advantage * (taken - chance) if here else 0.0)
        gradient.append(of_class)
    return gradient


def policy_gradient_numeric(
    logits: Matrix, actions: Sequence[int], advantage: float, present: Sequence[bool], step: float = 1e-5
) -> list[list[float]]:
    """`policy_gradient` by central differences: every logit is moved by `step`, both ways. Off by about 1e-10 · A."""
    moved = [list(z) for z in logits]
    gradient = []
    for z in moved:
        of_class = []
        for j in range(len(z)):
            here = z[j]
            z[j] = here + step
            above = -advantage * log_chance(moved, actions, present)
            z[j] = here - step
            below = -advantage * log_chance(moved, actions, present)
            z[j] = here
            of_class.append((above - below) / (2 * step))
        gradient.append(of_class)
    return gradient


class Moments(NamedTuple):
    """Adam's m and v, a number of each parameter; both begin as zeros."""

    first: list[float]
    second: list[float]


def adam(parameters: Vector, gradients: Vector, state: Moments, rate: float, step: int) -> tuple[list[float], Moments]:
    """Algorithm 1 of Kingma & Ba with β1 = .9, β2 = .999 and ε = 1e-8: the new parameters, and the new state.

    Args:
        parameters: θ.
        gradients: of what is to be minimised.
        state: m and v of the step before, of zeros for the first.
        rate: the paper's α, which is another one than L2TL's.
        step: t, which is 1 in the first step.
    """
    assert step >= 1
    new: list[float] = []
    moments = Moments([], [])
    for theta, g, m, v in zip(parameters, gradients, state.first, state.second, strict=True):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        unbiased_m = m / (1 - 0.9**step)
        unbiased_v = v / (1 - 0.999**step)
        new.append(theta - rate * unbiased_m / (math.sqrt(unbiased_v) + 1e-8))
        moments.first.append(m)
        moments.second.append(v)
    return new, moments


# ---------------------------------------------------------------- what it is compared with


def prior_matching(target_probabilities: Matrix, source_counts: Sequence[int]) -> list[float]:
    """DATL (Ngiam et al. 2018): λ(y) = P_t(y) / P_s(y) of each source class, scaled so that the largest is 1.

    P_t(y) is the mean over the target's rows of the probability of y that a model trained on the source gives; P_s(y)
    is the share of y among the source's rows. A class without rows in the source has weight 0 (there is nothing to
    weigh), and so have all classes where all target rows give 0 to each class that has rows. DATL draws rows by these
    ratios; here they are weights, with the same expected loss but for a factor where rows are not chosen by weight.

    Args:
        target_probabilities: of each target row, a probability of each source class.
        source_counts: the source's rows of each class.
    """
    rows = 0
    for count in source_counts:
        rows += count
    ratios = []
    for y, count in enumerate(source_counts):
        total = 0.0
        for probabilities in target_probabilities:
            assert len(probabilities) == len(source_counts)
            total += probabilities[y]
        wanted = total / len(target_probabilities)
        ratios.append(wanted / (count / rows) if count > 0 else 0.0)
    largest = max(ratios)
    return [ratio / largest if largest > 0 else 0.0 for ratio in ratios]


# ---------------------------------------------------------------- a small model


class Model(NamedTuple):
    """relu(x W) S for the source's classes and relu(x W) T for the target's, without biases.

    Attributes:
        W: the trunk Ω, (D, H).
        S: the source's head ζ_S, (H, C_s).
        T: the target's head ζ_T, (H, C_t).
    """

    W: Matrix
    S: Matrix
    T: Matrix


class Batch(NamedTuple):
    """Rows of D numbers, and the class of each."""

    rows: Matrix
    classes: Sequence[int]


def times(x: Vector, matrix: Matrix) -> list[float]:
    """x · matrix."""
    assert len(x) == len(matrix)
    product = []
    for column in range(len(matrix[0])):
        total = 0.0
        for row in range(len(matrix)):
            total += x[row] * matrix[row][column]
        product.append(total)
    return product


def zeros_like(matrix: Matrix) -> list[list[float]]:
    """As many zeros."""
    return [[0.0] * len(row) for row in matrix]


def hidden_of(model: Model, x: Vector) -> list[float]:
    """relu(x W), (H,)."""
    return [max(0.0, one) for one in times(x, model.W)]


def cross_entropy(logits: Vector, y: int) -> float:
    """−log softmax(logits)_y."""
    return -log_chance([logits], [y], [True])


def accuracy(model: Model, batch: Batch) -> float:
    """R: the share of rows whose highest target logit is their class's; of equal logits the first class counts.

    Eq. 2 and Algorithm 1 have the sum over the B_P rows; the text has top-1 accuracy as the reward, as here.
    """
    right = 0
    for x, y in zip(batch.rows, batch.classes, strict=True):
        logits = times(hidden_of(model, x), model.T)
        best = 0
        for one in range(len(logits)):
            if logits[one] > logits[best]:
                best = one
        right += best == y
    return right / len(batch.rows)


def model_loss(model: Model, source: Batch, weights: Vector, target: Batch, alpha: float) -> float:
    """Eq. (1) (`joint_loss`) of cross-entropies of the model.

    Args:
        model: the weights.
        source: the chosen source rows.
        weights: λ of each of these rows.
        target: the target rows.
        alpha: α.
    """
    of_source = []
    for x, y in zip(source.rows, source.classes, strict=True):
        of_source.append(cross_entropy(times(hidden_of(model, x), model.S), y))
    of_target = []
    for x, y in zip(target.rows, target.classes, strict=True):
        of_target.append(cross_entropy(times(hidden_of(model, x), model.T), y))
    return joint_loss(of_source, weights, of_target, alpha)


def model_gradient(model: Model, source: Batch, weights: Vector, target: Batch, alpha: float) -> Model:
    """The gradient of `model_loss` with respect to W, S and T, by the chain rule, row by row.

    Of a row with the factor c in the loss: ∂/∂logits = c (softmax − one-hot); ∂/∂head = hidden ⊗ that; ∂/∂hidden =
    head · that; ∂/∂W = x ⊗ that where the hidden unit is above 0 (at 0 the slope of the ReLU counts as 0).
    """
    W, S, T = zeros_like(model.W), zeros_like(model.S), zeros_like(model.T)

    def add(x: Vector, y: int, factor: float, head: Matrix, of_head: list[list[float]]) -> None:
        hidden = hidden_of(model, x)
        slopes = []
        for one, chance in enumerate(chances(times(hidden, head))):
            slopes.append(factor * (chance - (1.0 if one == y else 0.0)))
        for h in range(len(hidden)):
            at_hidden = 0.0
            for one, slope in enumerate(slopes):
                of_head[h][one] += hidden[h] * slope
                at_hidden += head[h][one] * slope
            if hidden[h] > 0:
                for d in range(len(x)):
                    W[d][h] += x[d] * at_hidden

    for x, y, weight in zip(source.rows, source.classes, weights, strict=True):
        add(x, y, alpha * weight / len(source.rows), model.S, S)
    for x, y in zip(target.rows, target.classes, strict=True):
        add(x, y, 1 / len(target.rows), model.T, T)
    return Model(W, S, T)


# ---------------------------------------------------------------- a whole iteration


class Policy(NamedTuple):
    """Φ: the logits of the actions.

    Attributes:
        classes: n of each source class, (C_s, n).
        alpha: n' of them.
    """

    classes: Matrix
    alpha: Vector


class State(NamedTuple):
    """What an iteration takes over from the one before.

    Attributes:
        model: the weights.
        velocity: the momentum of each weight; zeros at first.
        policy: the policy's logits.
        moments: Adam's, of all logits of the policy: those of class 0, of class 1, …, of α; zeros at first.
        baseline: None before the first reward.
        steps: how many iterations there were; 0 at first.
    """

    model: Model
    velocity: Model
    policy: Policy
    moments: Moments
    baseline: float | None
    steps: int


class Iteration(NamedTuple):
    """What came of an iteration.

    Attributes:
        state: what the next one takes over: new weights, velocity, policy, moments and baseline.
        rows: the places of the chosen ones among the candidates (see `chosen`).
        loss: Eq. 1, of the weights before the step.
        reward: R, of the weights after it.
        advantage: A.
    """

    state: State
    rows: list[int]
    loss: float
    reward: float
    advantage: float


def beginning(model: Model, policy: Policy) -> State:
    """The state before the first iteration."""
    count = len(policy.alpha)
    for z in policy.classes:
        count += len(z)
    velocity = Model(zeros_like(model.W), zeros_like(model.S), zeros_like(model.T))
    return State(model, velocity, policy, Moments([0.0] * count, [0.0] * count), None, 0)


def descended(weights: Matrix, velocity: Matrix, slopes: Matrix, rate: float, momentum: float) -> tuple[Matrix, Matrix]:
    """SGD with momentum of one matrix: v ← μ v + g, w ← w − rate v; the new weights and the new velocity.

    So it is in PyTorch and in TensorFlow; a rate that changes scales older momentum, too. The paper does not say.
    """
    new_weights, new_velocity = zeros_like(weights), zeros_like(weights)
    for i in range(len(weights)):
        for j in range(len(weights[i])):
            new_velocity[i][j] = momentum * velocity[i][j] + slopes[i][j]
            new_weights[i][j] = weights[i][j] - rate * new_velocity[i][j]
    return new_weights, new_velocity


def one_iteration(
    state: State,
    candidates: Batch,
    target: Batch,
    validation: Batch,
    actions: Sequence[int],
    alpha_action: int,
    *,
    size: int,
    rate: float,
    momentum: float = 0.9,
    beta: float = 0.5,
    gamma: float = 0.05,
    policy_rate: float = 1e-4,
) -> Iteration:
    """One iteration i of Algorithm 1, for actions that were drawn before.

    First phase (Eq. 4, of which an iteration takes one step of SGD): each candidate row has the weight of its class's
    action; the `size` of highest weight are trained on, with the target batch, by Eq. 1. Second phase (Eq. 5): the
    reward is the accuracy of the *new* weights on the validation batch, and Adam moves the policy's logits, those from
    which the actions were drawn, by −A ∇ log π of the actions of all present classes and of α, each action with the
    whole advantage.

    The paper says "A_t = R_t − b_t, b_t = (1 − γ) b_t + γ R_t" and not which b_t is in A_t. Here A_t has the baseline
    from *before* this step's reward is mixed in, so that a step's own reward is not in its baseline; and the first
    reward begins the baseline, with advantage 0 in the first step, which leaves the policy as it was.

    α's action always counts as present. λ's actions count also where α = 0, though the reward does not depend on them
    then. Adam sees all logits in every step: classes that are not present have a gradient of 0, their moments decay,
    and older momentum moves them still. There is no weight decay (the paper chooses 0 or 4e-5) and no entropy bonus.

    Args:
        state: from `beginning`, or from the iteration before.
        candidates: M_S · B_S source rows.
        target: B_T target rows to train on.
        validation: B_P target rows, held out.
        actions: k of each source class.
        alpha_action: k'.
        size: B_S.
        rate: the learning rate of the weights in this iteration (see `warm_cosine`).
        momentum: μ.
        beta: β.
        gamma: γ.
        policy_rate: the learning rate of the policy's logits.
    """
    policy = state.policy

    # The weights: of each class, and so of each candidate row; the highest are chosen.
    of_class = weights_of(actions, len(policy.classes[0]))
    alpha = alpha_of(alpha_action, len(policy.alpha), beta)
    of_candidate = [of_class[y] for y in candidates.classes]
    rows = chosen(of_candidate, size)
    source = Batch([candidates.rows[row] for row in rows], [candidates.classes[row] for row in rows])
    weights = [of_candidate[row] for row in rows]

    # The first phase.
    loss = model_loss(state.model, source, weights, target, alpha)
    slopes = model_gradient(state.model, source, weights, target, alpha)
    W, of_W = descended(state.model.W, state.velocity.W, slopes.W, rate, momentum)
    S, of_S = descended(state.model.S, state.velocity.S, slopes.S, rate, momentum)
    T, of_T = descended(state.model.T, state.velocity.T, slopes.T, rate, momentum)
    model = Model(W, S, T)

    # The second phase.
    reward = accuracy(model, validation)
    advantage = advantage_of(reward, state.baseline)
    present = [y in candidates.classes for y in range(len(policy.classes))]
    logits: list[float] = []
    gradient: list[float] = []
    for z in policy.classes:
        logits.extend(z)
    for g in policy_gradient(policy.classes, actions, advantage, present):
        gradient.extend(g)
    logits.extend(policy.alpha)
    gradient.extend(policy_gradient([policy.alpha], [alpha_action], advantage, [True])[0])
    logits, moments = adam(logits, gradient, state.moments, policy_rate, state.steps + 1)

    classes = []
    place = 0
    for z in policy.classes:
        classes.append(logits[place : place + len(z)])
        place += len(z)
    new = State(
        model,
        Model(of_W, of_S, of_T),
        Policy(classes, logits[place:]),
        moments,
        baseline(state.baseline, reward, gamma),
        state.steps + 1,
    )
    return Iteration(new, rows, loss, reward, advantage)
