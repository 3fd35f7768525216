"""How well a source would transfer to a target (P2L, and five scores of the literature), in plain float64 loops.

P2L is written from the paper; NCE, LEEP, the H-score, LogME and TransRate from their published formulas. A function
says which formula it is, what the paper leaves open, and, where a public implementation computes something else, what.
All logarithms are natural. N is the number of instances, D of features, M of sources. Labels are anything that can be
sorted; the classes are those that occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Vector = Sequence[float] | Array
Matrix = Sequence[Sequence[float]] | Array
Labels = Sequence[Any] | NDArray[Any]
Divergence = Literal["kl", "js", "chi2", "euclidean", "cityblock"]


# ---------------------------------------------------------------- P2L (Bhattacharjee et al.)


def summary(features: Matrix, trim: float = 0.0) -> Array:
    """F(t), (D,) (P2L, Secs. 3.1 and 3.2): the mean of (N, D) vectors, or a trimmed mean, divided by its L1 norm.

    The paper has "a mean or a trimmed mean", and does not say of what share, nor that it is of each feature by itself,
    as here. Nor does it say what a mean of zeros becomes: here it stays one.

    Args:
        features: (N, D).
        trim: the share cut off at either end of each column; floor(trim N) values there and as many here.
    """
    rows = len(features)
    cut = math.floor(trim * rows)
    assert 0 <= 2 * cut < rows, "nothing remains"
    means = []
    for column in range(len(features[0])):
        values = sorted(float(features[row][column]) for row in range(rows))
        kept = values[cut : rows - cut]
        means.append(sum(kept) / len(kept))
    norm = sum(abs(mean) for mean in means)
    return np.array([mean / norm if norm > 0 else 0.0 for mean in means])


def smoothed(vector: Vector, epsilon: float) -> list[float]:
    """A summary as a distribution (P2L, Sec. 3.2: "smoothing any zero components by adding an appropriate ε value").

    The paper says no more. Here a component that is not above 0 becomes ε, the others stay, and all are divided by
    their sum. (The paper's features cannot be negative; for those that are, a negative component counts as 0.)
    """
    raised = [float(value) if value > 0 else epsilon for value in vector]
    total = sum(raised)
    return [value / total for value in raised]


def kullback_leibler(p: Vector, q: Vector) -> float:
    """KL(p ‖ q) = Σ p_d log(p_d / q_d) in nats, of two distributions; 0 log 0 is 0."""
    total = 0.0
    for one, other in zip(p, q, strict=True):
        if one > 0:
            total += one * math.log(one / other) if other > 0 else math.inf
    return total


def divergence(kind: Divergence, target: Vector, source: Vector, epsilon: float) -> float:
    """D(t, s) of two summaries (D,) (P2L, Sec. 3.1: its candidates).

    The paper only names them, and leaves open which way round KL goes, whether the Jensen-Shannon *divergence* is meant
    (so Secs. 3.1 and 4.3.1) or its root, the distance (so the caption of Fig. 1), and χ²'s factor and root. Here:

    - kl: KL(target ‖ source), in nats.
    - js: the mean of KL(target ‖ m) and KL(source ‖ m), with m the mean of both, in nats; no root is taken.
    - chi2: ½ Σ (p_d − q_d)² / (p_d + q_d).
    - euclidean: √Σ (p_d − q_d)².
    - cityblock: Σ |p_d − q_d|.

    The first three smooth both summaries, the last two neither.
    """
    if kind == "euclidean":
        return math.sqrt(sum((float(p) - float(q)) ** 2 for p, q in zip(target, source, strict=True)))
    if kind == "cityblock":
        return sum(abs(float(p) - float(q)) for p, q in zip(target, source, strict=True))
    p, q = smoothed(target, epsilon), smoothed(source, epsilon)
    if kind == "kl":
        return kullback_leibler(p, q)
    if kind == "js":
        middle = [(one + other) / 2 for one, other in zip(p, q, strict=True)]
        return (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
    assert kind == "chi2", kind
    total = 0.0
    for one, other in zip(p, q, strict=True):
        if one + other > 0:
            total += (one - other) ** 2 / (one + other)
    return total / 2


def z(values: Vector) -> Array:
    """z(x) = (x − μ) / σ (P2L, below Eq. 2), with the population's σ; zeros where all values are the same.

    The paper does not say which σ, nor what becomes of σ = 0. That all values are the same is asked of the values: the
    σ of three times 0.1 is 1e-17 in floats.
    """
    numbers = [float(value) for value in values]
    if all(number == numbers[0] for number in numbers):
        return np.zeros(len(numbers))
    mean = sum(numbers) / len(numbers)
    deviation = math.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))
    return np.array([(number - mean) / deviation for number in numbers])


def estimate(sizes: Vector, divergences: Vector, k: float) -> Array:
    """E(t, s_j) = z(log |s_j|) + k z(D(t, s_j)) for M sources (P2L, Eq. 2); k < 0 where divergence harms.

    Both z are over the sources of this one target, on which the paper is silent.
    """
    assert len(sizes) == len(divergences)
    by_size = z([math.log(size) for size in sizes])
    by_divergence = z(divergences)
    return np.array([one + k * other for one, other in zip(by_size, by_divergence, strict=True)])


def ranks(values: Vector) -> list[float]:
    """1 for the smallest value, 2 for the next ...; equal values share the mean of their ranks."""
    given = []
    for value in values:
        smaller = sum(1 for other in values if other < value)
        equal = sum(1 for other in values if other == value)
        given.append(smaller + (equal + 1) / 2)
    return given


def spearman(a: Vector, b: Vector) -> float:
    """Spearman's ρ (P2L, Sec. 3.1): Pearson's correlation of the ranks; 0 where all of a, or of b, are the same.

    Of that last case, where ρ is 0 / 0, the paper says nothing.
    """
    assert len(a) == len(b)
    one, other = ranks(a), ranks(b)
    middle = (len(one) + 1) / 2
    together = sum((x - middle) * (y - middle) for x, y in zip(one, other, strict=True))
    alone = sum((x - middle) ** 2 for x in one)
    alone_other = sum((y - middle) ** 2 for y in other)
    if alone == 0 or alone_other == 0:
        return 0.0
    return together / math.sqrt(alone * alone_other)


def mean_spearman(sizes: Sequence[Vector], divergences: Sequence[Vector], gains: Sequence[Vector], k: float) -> float:
    """The mean over targets of ρ between E(t, ·) and I(t, ·) (P2L, Secs. 3.1 and 4.3.1), over all sources of each."""
    total = 0.0
    for size, distance, gain in zip(sizes, divergences, gains, strict=True):
        total += spearman(estimate(size, distance, k), gain)
    return total / len(gains)


def fit_k(sizes: Sequence[Vector], divergences: Sequence[Vector], gains: Sequence[Vector], grid: Vector) -> float:
    """The k (P2L, Secs. 3.1 and 4.3.1) of a grid with the highest mean Spearman ρ over the targets.

    The paper tunes k so and does not say among which k, nor which of several equally good ones is taken: here, of those
    within 1e-12 of the best, the one of smallest |k|, and of two such the one the grid has first.

    Args:
        sizes: for each target, the sizes of its sources.
        divergences: for each target, D(t, s_j) of its sources.
        gains: for each target, I(t, s_j) of its sources (Eq. 1).
        grid: the k that are tried.
    """
    qualities = [mean_spearman(sizes, divergences, gains, float(k)) for k in grid]
    highest = max(qualities)
    chosen = None
    for k, quality in zip(grid, qualities, strict=True):
        if quality >= highest - 1e-12 and (chosen is None or abs(k) < abs(chosen)):
            chosen = float(k)
    assert chosen is not None
    return chosen


def picks(estimate: Vector, gains: Vector) -> int:
    """How many sources are picked, by falling estimate, until one of the highest gain is (P2L, Fig. 7); at least 1.

    Of several sources of the highest gain any will do. Of equal estimates, on which the paper is silent, the one that
    is listed first is picked first.
    """
    assert len(estimate) == len(gains)
    best = max(gains)
    left = list(range(len(estimate)))
    count = 0
    while True:
        count += 1
        pick = left[0]
        for source in left:
            if estimate[source] > estimate[pick]:
                pick = source
        if gains[pick] == best:
            return count
        left.remove(pick)


# ---------------------------------------------------------------- NCE and LEEP


def nce(source_labels: Labels, target_labels: Labels) -> float:
    """Negative conditional entropy (Tran, Nguyen, Hassner 2019): −H(Y|Z) = Σ_y Σ_z P̂(y, z) log(P̂(y, z) / P̂(z)).

    P̂ counts the N pairs of a target label y and a source label z. The Transfer-Learning-Library's code adds 1e-20
    within the logarithm, for what is 0 log 0 = 0 here.
    """
    pairs = list(zip(target_labels, source_labels, strict=True))
    total = 0.0
    for y in sorted(set(target_labels)):
        for source in sorted(set(source_labels)):
            both = sum(1 for pair in pairs if pair == (y, source)) / len(pairs)
            alone = sum(1 for pair in pairs if pair[1] == source) / len(pairs)
            if both > 0:
                total += both * math.log(both / alone)
    return total


def leep(probabilities: Matrix, labels: Labels) -> float:
    """LEEP (Nguyen et al. 2020, Sec. 3): 1/N Σ_i log(Σ_z P̂(y_i|z) θ(x_i)_z).

    P̂(y, z) = 1/N Σ_{i: y_i = y} θ(x_i)_z, P̂(z) = Σ_y P̂(y, z) and P̂(y|z) = P̂(y, z) / P̂(z). A source class z of which
    every probability is 0 has no P̂(y|z); it adds nothing (the Transfer-Learning-Library's code gives NaN).

    Args:
        probabilities: θ(x_i)_z, (N, Z), instances × source classes, as the source's classifier gives them.
        labels: (N,), the target's.
    """
    rows, sources = len(probabilities), len(probabilities[0])
    assert len(labels) == rows
    joint: dict[Any, list[float]] = {}
    for y in sorted(set(labels)):
        joint[y] = []
        for source in range(sources):
            joint[y].append(sum(float(probabilities[i][source]) for i in range(rows) if labels[i] == y) / rows)
    marginal = [sum(joint[y][source] for y in joint) for source in range(sources)]
    total = 0.0
    for i in range(rows):
        expected = 0.0
        for source in range(sources):
            if marginal[source] > 0:
                expected += joint[labels[i]][source] / marginal[source] * float(probabilities[i][source])
        total += math.log(expected)
    return total / rows


# ---------------------------------------------------------------- the H-score


def covariance(vectors: Matrix) -> Array:
    """The population's covariance (D, D) of (N, D) vectors: 1/N Σ (v − μ)(v − μ)ᵀ."""
    rows, size = len(vectors), len(vectors[0])
    means = [sum(float(vectors[row][c]) for row in range(rows)) / rows for c in range(size)]
    matrix = np.zeros((size, size))
    for one in range(size):
        for other in range(size):
            total = 0.0
            for row in range(rows):
                total += (float(vectors[row][one]) - means[one]) * (float(vectors[row][other]) - means[other])
            matrix[one, other] = total / rows
    return matrix


def class_means(features: Matrix, labels: Labels) -> Array:
    """E[f|y_i], (N, D): for each instance the mean features of its class."""
    rows, size = len(features), len(features[0])
    assert len(labels) == rows
    means = np.zeros((rows, size))
    for i in range(rows):
        members = [j for j in range(rows) if labels[j] == labels[i]]
        for c in range(size):
            means[i, c] = sum(float(features[j][c]) for j in members) / len(members)
    return means


def h_score(features: Matrix, labels: Labels, cutoff: float = 1e-12) -> float:
    """The H-score (Bao et al. 2019): tr(cov(f)⁺ cov(E[f|y])); any constant factor of both covariances cancels.

    The paper has an inverse; of a singular cov(f) it is the pseudo-inverse here, as in the authors' code. In float64
    that depends on which of its eigenvalues count as 0: here those up to `cutoff` times the largest. The public code
    has 1e-15, below rounding, so that it may invert noise; a test should keep clear of eigenvalues in between.

    Args:
        features: (N, D).
        labels: (N,).
        cutoff: see above.
    """
    inverse = np.linalg.pinv(covariance(features), rcond=cutoff, hermitian=True)
    between = covariance(class_means(features, labels))
    total = 0.0
    for one in range(len(inverse)):
        for other in range(len(inverse)):
            total += float(inverse[one, other]) * float(between[other, one])
    return total


# ---------------------------------------------------------------- LogME


def evidence(features: Matrix, y: Vector, alpha: float, beta: float) -> float:
    """log p(y | F, α, β) (You et al. 2021, Sec. 4), where y ~ N(F w, β⁻¹ I) and w ~ N(0, α⁻¹ I), of finite α, β > 0.

    L(α, β) = N/2 log β + D/2 log α − N/2 log 2π − β/2 ‖F m − y‖² − α/2 mᵀm − 1/2 log|A|,
    A = α I + β FᵀF, m = β A⁻¹ Fᵀ y. Its rounding grows with A's condition, (α + β s_max) / (α + β s_min).
    """
    F, target = np.array(features, np.float64), np.array(y, np.float64)
    rows, size = F.shape
    A = alpha * np.eye(size) + beta * F.T @ F
    m = beta * np.linalg.solve(A, F.T @ target)
    sign, log_determinant = np.linalg.slogdet(A)
    assert sign == 1
    value: float = (
        rows / 2 * math.log(beta)
        + size / 2 * math.log(alpha)
        - rows / 2 * math.log(2 * math.pi)
        - beta / 2 * float(np.sum((F @ m - target) ** 2))
        - alpha / 2 * float(np.sum(m**2))
        - float(log_determinant) / 2
    )
    return value


def spectrum(features: Matrix, y: Vector) -> tuple[list[float], list[float], float]:
    """F's positive squared singular values s_i, y's coordinates x_i along their left vectors, and y's square beyond.

    A singular value counts as 0 where it is rounding: at most eps · max(N, D) times the largest.
    """
    F, target = np.array(features, np.float64), np.array(y, np.float64)
    left, values, _ = np.linalg.svd(F, full_matrices=False)
    s, x, beyond = [], [], target.copy()
    for i in range(len(values)):
        if values[i] > values[0] * max(F.shape) * np.finfo(np.float64).eps:
            along = float(left[:, i] @ target)
            s.append(float(values[i]) ** 2)
            x.append(along)
            beyond = beyond - along * left[:, i]
    rest = float(np.sum(beyond**2)) if len(s) < len(target) else 0.0
    return s, x, rest if rest > 1e-24 * float(np.sum(target**2)) else 0.0


def fixed_point(features: Matrix, y: Vector, rounds: int = 100_000) -> tuple[float, float]:
    """The α and β that LogME's updates come to (You et al. 2021, Alg. 1), from α = β = 1.

    γ = Σ β s_i / (α + β s_i), then α = γ / mᵀm and β = (N − γ) / ‖F m − y‖², until α / β moves by less than 1e-14 of
    itself, or for so many rounds. In F's singular vectors mᵀm is Σ β² s_i x_i² / (α + β s_i)², and ‖F m − y‖² is
    Σ α² x_i² / (α + β s_i)² + rest. Where y says nothing of w, α grows without end, and is ∞ here as soon as α / β is
    1e12 s_max. Where F explains all of y, β may: it is ∞ here as soon as α / β is 1e-12 s_min.
    """
    s, x, rest = spectrum(features, y)
    rows = len(y)
    ratio = 1.0  # α / β, all that γ, m and the residual depend on
    alpha = beta = 1.0
    for _ in range(rounds):
        gamma = sum(beta * s_i / (alpha + beta * s_i) for s_i in s)
        square = sum(beta**2 * s_i * x_i**2 / (alpha + beta * s_i) ** 2 for s_i, x_i in zip(s, x, strict=True))
        residual = sum(alpha**2 * x_i**2 / (alpha + beta * s_i) ** 2 for s_i, x_i in zip(s, x, strict=True)) + rest
        whole = sum(x_i**2 for x_i in x) + rest
        if sum(x_i**2 for x_i in x) <= 1e-24 * whole:
            return math.inf, rows / whole
        alpha, beta = gamma / square, (rows - gamma) / residual
        if alpha / beta > 1e12 * max(s):
            return math.inf, rows / whole
        if rest == 0 and alpha / beta < 1e-12 * min(s):
            return alpha, math.inf
        if abs(alpha / beta - ratio) < 1e-14 * ratio:
            break
        ratio = alpha / beta
    return alpha, beta


def profile(features: Matrix, y: Vector, ratio: float) -> float:
    """The highest evidence of all α and β of one ratio t = α / β, which may be 0 or ∞.

    y is a Gaussian of covariance β⁻¹ (I + FFᵀ / t), so that ∂L/∂β = 0 gives β = N / q, with
    q = yᵀ (I + FFᵀ / t)⁻¹ y = Σ x_i² t / (t + s_i) + rest, and L = −N/2 (log(2π q / N) + 1) − 1/2 Σ log(1 + s_i / t).
    At t = ∞, s_i / t is 0. For t → 0 it goes to −∞ where F has not N independent columns and does not explain y, to ∞
    where it has not and does, and where it has, to −N/2 (log(2π/N Σ x_i² / s_i) + 1) − 1/2 Σ log s_i.
    """
    s, x, rest = spectrum(features, y)
    rows = len(y)
    if ratio == 0 and len(s) < rows:
        return -math.inf if rest > 0 else math.inf
    if ratio == 0:
        q = sum(x_i**2 / s_i for s_i, x_i in zip(s, x, strict=True))
        log_determinant = sum(math.log(s_i) for s_i in s)
    elif ratio == math.inf:
        q = sum(x_i**2 for x_i in x) + rest
        log_determinant = 0.0
    else:
        q = sum(x_i**2 / (1 + s_i / ratio) for s_i, x_i in zip(s, x, strict=True)) + rest
        log_determinant = sum(math.log1p(s_i / ratio) for s_i in s)
    return -rows / 2 * (math.log(2 * math.pi * q / rows) + 1) - log_determinant / 2


def highest_evidence(features: Matrix, y: Vector, steps: int = 2000) -> float:
    """The highest evidence of any α and β, the ends included, by trying: a grid of log(α / β), then ever finer.

    LogME's updates find one maximum; now and then (about 1 in 100 small random problems) there is a higher one.
    """
    s, _, _ = spectrum(features, y)
    tried = [profile(features, y, math.inf), profile(features, y, 0.0)]
    if not s:
        return tried[0]
    low, high = math.log(min(s)) - 30, math.log(max(s)) + 30
    grid = [low + (high - low) * step / steps for step in range(steps + 1)]
    values = [profile(features, y, math.exp(place)) for place in grid]
    for step in range(1, steps):
        if values[step] >= values[step - 1] and values[step] >= values[step + 1]:
            left, right = grid[step - 1], grid[step + 1]
            while right - left > 1e-9:
                one, other = left + (right - left) / 3, right - (right - left) / 3
                if profile(features, y, math.exp(one)) < profile(features, y, math.exp(other)):
                    left = one
                else:
                    right = other
            tried.append(profile(features, y, math.exp((left + right) / 2)))
    return max(tried)


def maximised_evidence(features: Matrix, y: Vector) -> float:
    """L at the fixed point, by `profile`, and checked: it is `evidence`'s there, and not higher at an α / β nearby."""
    alpha, beta = fixed_point(features, y)
    if alpha == math.inf or beta == math.inf:
        return profile(features, y, math.inf if alpha == math.inf else 0.0)
    here = profile(features, y, alpha / beta)
    s, _, _ = spectrum(features, y)
    if max(s) * beta / alpha < 1e6:  # A is well conditioned, whatever the rank
        literal = evidence(features, y, alpha, beta)
        assert abs(literal - here) <= 1e-8 * max(1.0, abs(here)), (literal, here)
    for factor in (0.99, 1.01):
        assert profile(features, y, alpha / beta * factor) <= here + 1e-10 * max(1.0, abs(here)), "no maximum"
    return here


def log_me(features: Matrix, labels: Labels) -> float:
    """LogME of a classification (You et al. 2021, Alg. 1): the mean over classes of the maximised log evidence / N.

    Each class that occurs is a column y, 1 for its instances and 0 for the others; F is neither centred nor given a
    constant. The maximum is that of the paper's updates, converged; see `highest_evidence` for others. It is ∞ where
    some y is a combination of fewer than N independent features. The public code (LogME, the Transfer-Learning-Library)
    differs: it stops after 11 rounds, or when α / β moves by less than 1 % (0.1 % in the later version), LogME's adds
    1e-5 to both denominators, and both count labels 0 … max, so that a class without instances has a column of zeros.
    """
    total = 0.0
    classes = sorted(set(labels))
    for one in classes:
        column = [1.0 if label == one else 0.0 for label in labels]
        total += maximised_evidence(features, column) / len(column)
    return total / len(classes)


# ---------------------------------------------------------------- TransRate


def coding_rate(vectors: Matrix, epsilon: float) -> float:
    """R(Z, ε) = 1/2 log det(I + ZᵀZ / (N ε)) of (N, D) vectors (Huang et al. 2022), which are not centred here."""
    rows, size = len(vectors), len(vectors[0])
    matrix = np.eye(size)
    for one in range(size):
        for other in range(size):
            products = [float(vectors[row][one]) * float(vectors[row][other]) for row in range(rows)]
            matrix[one, other] += sum(products) / (rows * epsilon)
    sign, log_determinant = np.linalg.slogdet(matrix)
    assert sign == 1
    return float(log_determinant) / 2


def trans_rate(features: Matrix, labels: Labels, epsilon: float) -> float:
    """TransRate (Huang et al. 2022): R(Z, ε) − R(Z, ε|Y), with R(Z, ε|Y) = Σ_c N_c/N R(Z_c, ε).

    That is Σ_c N_c / (2N) log det(I + Z_cᵀ Z_c / (N_c ε)). Z are the features less their mean over all instances; a
    class's part Z_c is not centred again. The public code (the listing that is copied from the paper, and the
    Transfer-Learning-Library) differs: it takes the plain mean of R(Z_c, ε) over classes, which is the same only where
    all are of one size, and its classes are 0 … max. Its ε is 1e-4, not squared and without a factor D, as here.
    """
    rows, size = len(features), len(features[0])
    assert len(labels) == rows
    means = [sum(float(features[row][c]) for row in range(rows)) / rows for c in range(size)]
    centred = [[float(features[row][c]) - means[c] for c in range(size)] for row in range(rows)]
    conditional = 0.0
    for one in sorted(set(labels)):
        members = [centred[row] for row in range(rows) if labels[row] == one]
        conditional += len(members) / rows * coding_rate(members, epsilon)
    return coding_rate(centred, epsilon) - conditional
