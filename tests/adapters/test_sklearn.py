"""scikit-learn and scikit-multilearn teachers: every shape they answer in, and files without pickle."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from skmultilearn.problem_transform import BinaryRelevance, LabelPowerset
from skmultilearn.problem_transform import ClassifierChain as MultilearnChain
from torch import Tensor

from amalgam import adapters
from amalgam.adapters.sklearn import wrap
from amalgam.errors import RequestError
from amalgam.teacher import Card, Scorer

CPU = torch.device("cpu")
LABELS = ("cat", "dog", "emu", "fox")
X, Y = make_multilabel_classification(160, 6, n_classes=4, random_state=3)
X = StandardScaler().fit_transform(X).astype(np.float32)
INPUTS = torch.from_numpy(X)


def refused(call: Any) -> str:
    with pytest.raises(RequestError) as raised:
        call()
    return str(raised.value)


def load(folder: Path, trust: bool = False, **keys: Any) -> Scorer:
    card = Card(**({"name": "a", "adapter": "sklearn", "labels": LABELS} | keys))
    return adapters.load(card, folder, device=CPU, trust=trust)


def logistic() -> LogisticRegression:
    return LogisticRegression()


def probabilities(scores: Tensor) -> np.ndarray:
    return scores.double().sigmoid().numpy()


@pytest.mark.parametrize(
    "estimator",
    [
        ClassifierChain(logistic(), order=[2, 0, 3, 1]),
        OneVsRestClassifier(logistic()),
        MLPClassifier(8, max_iter=20, early_stopping=True, n_iter_no_change=19),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_array_of_probabilities(estimator: Any) -> None:
    teacher = wrap(estimator.fit(X, Y), LABELS)
    assert isinstance(teacher, Scorer)
    assert (teacher.kind, teacher.exclusive, teacher.labels) == ("probabilities", False, LABELS)
    assert np.allclose(probabilities(teacher.score(INPUTS)), estimator.predict_proba(X.astype(float)), atol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        KNeighborsClassifier(),
        MultiOutputClassifier(logistic()),
        GridSearchCV(RandomForestClassifier(3, random_state=0), {"max_depth": [2]}, cv=2),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_array_for_each_label(estimator: Any) -> None:
    teacher = wrap(estimator.fit(X, Y), LABELS)
    expected = np.stack([one[:, 1] for one in estimator.predict_proba(X)], axis=1)
    assert (teacher.kind, teacher.exclusive) == ("probabilities", False)
    assert np.allclose(probabilities(teacher.score(INPUTS)), expected, atol=1e-5)


def test_labels_that_never_varied() -> None:
    constant = Y.copy()
    constant[:, 1], constant[:, 2] = 0, 1
    teacher = wrap(RandomForestClassifier(5, random_state=0).fit(X, constant), LABELS)
    scores = teacher.score(INPUTS)
    assert (scores[:, 1] < -13).all()
    assert (scores[:, 2] > 13).all()


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
@pytest.mark.parametrize("scores", ["probabilities", "votes"])
def test_multilearn_columns_are_in_the_order_of_the_labels(order: list[int] | None, scores: Any) -> None:
    # scikit-multilearn's own answer is in the order of the chain; each label has a telltale column here.
    features = np.concatenate([Y, np.zeros((len(Y), 1))], axis=1)
    chain = MultilearnChain(DecisionTreeClassifier(random_state=0), order=order).fit(features, Y)
    said = wrap(chain, LABELS, scores=scores).score(torch.from_numpy(features)) > 0
    assert np.array_equal(said.numpy(), Y == 1)


def test_multilearn_sparse_answers() -> None:
    relevance = BinaryRelevance(logistic()).fit(X, Y)
    expected = np.stack([one.predict_proba(X)[:, 1] for one in relevance.classifiers_], axis=1)
    assert np.allclose(probabilities(wrap(relevance, LABELS).score(INPUTS)), expected, atol=1e-5)
    powerset = LabelPowerset(DecisionTreeClassifier(max_depth=4, random_state=0)).fit(X, Y)
    said = probabilities(wrap(powerset, LABELS).score(INPUTS))
    assert np.allclose(said, powerset.predict_proba(X).toarray(), atol=1e-5)


def test_decisions_where_there_are_no_probabilities() -> None:
    for estimator in (OneVsRestClassifier(LinearSVC()), ClassifierChain(LinearSVC()), RidgeClassifier()):
        teacher = wrap(estimator.fit(X, Y), LABELS)
        assert teacher.kind == "decisions"
        assert np.allclose(teacher.score(INPUTS), estimator.decision_function(X), atol=1e-5)


def test_votes_where_there_is_nothing_else() -> None:
    estimators = MultiOutputClassifier(Perceptron(random_state=0)), BinaryRelevance(Perceptron(random_state=0))
    for estimator in estimators:
        teacher = wrap(estimator.fit(X, Y), LABELS)
        hard = estimator.predict(X)
        expected = np.where(np.asarray(hard.toarray() if hasattr(hard, "toarray") else hard) == 1, 0.95, 0.05)
        assert teacher.kind == "votes"
        assert np.allclose(probabilities(teacher.score(INPUTS)), expected, atol=1e-6)


def test_the_card_may_choose_the_method() -> None:
    estimator = OneVsRestClassifier(logistic()).fit(X, Y)
    assert np.allclose(wrap(estimator, LABELS, scores="decisions").score(INPUTS), estimator.decision_function(X))
    assert set(np.unique(wrap(estimator, LABELS, scores="votes").score(INPUTS).sign())) == {-1.0, 1.0}
    forest = RandomForestClassifier(2).fit(X, Y)
    assert refused(lambda: wrap(forest, LABELS, "a", scores="decisions")) == (
        "teacher 'a' should give decisions, but its RandomForestClassifier has no `decision_function`; write "
        "`scores: probabilities` in its card"
    )


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    features, classes = load_iris(return_X_y=True)
    return features, np.array(["setosa", "versicolor", "virginica"])[classes]


@pytest.mark.parametrize("scores", ["probabilities", "decisions", "votes"])
def test_multiclass_excludes(iris: Any, scores: Any) -> None:
    features, names = iris
    estimator = LogisticRegression(max_iter=500).fit(features, names)
    teacher = wrap(estimator, scores=scores)
    assert teacher.exclusive
    assert teacher.labels == ("setosa", "versicolor", "virginica")
    said = teacher.score(torch.from_numpy(features)).softmax(1).numpy()
    if scores == "votes":
        hot = estimator.predict(features)[:, None] == estimator.classes_
        assert np.allclose(said, np.where(hot, 0.95, 0.025), atol=1e-6)
    else:  # a logistic regression's decisions are its logits
        assert np.allclose(said, estimator.predict_proba(features), atol=1e-4)


@pytest.mark.parametrize("scores", ["probabilities", "decisions", "votes"])
def test_two_classes(iris: Any, scores: Any) -> None:
    features, names = iris
    estimator = LogisticRegression().fit(features[:100], names[:100])
    said = wrap(estimator, scores=scores).score(torch.from_numpy(features[:100])).softmax(1).numpy()
    assert said.shape == (100, 2)
    assert np.array_equal(said.argmax(1), (names[:100] == "versicolor").astype(int))
    if scores == "decisions":
        assert np.allclose(said, estimator.predict_proba(features[:100]), atol=1e-5)


def test_multiclass_labels(iris: Any) -> None:
    features, names = iris
    named = LogisticRegression(max_iter=500).fit(features, names)
    assert refused(lambda: wrap(named, ["virginica", "setosa", "versicolor"], "a")) == (
        "teacher 'a' lists the labels 'virginica', 'setosa', 'versicolor', but its estimator's classes are 'setosa', "
        "'versicolor', 'virginica' in this order; leave `labels:` out, and rename with aliases in the recipe"
    )
    numbered = LogisticRegression(max_iter=500).fit(features, np.unique(names, return_inverse=True)[1])
    assert refused(lambda: wrap(numbered, name="a")) == (
        "teacher 'a' numbers its labels ('0', '1', '2'); labels are matched by name, never by position: list their "
        "names, and quote a name that is a number"
    )
    assert wrap(numbered, ["setosa", "versicolor", "virginica"]).labels == ("setosa", "versicolor", "virginica")
    assert refused(lambda: wrap(numbered, ["x", "y"], "a")) == (
        "teacher 'a' lists 2 labels ('x', 'y') for its estimator's 3 classes '0', '1', '2'; name each class once, in "
        "this order"
    )


@pytest.mark.parametrize("scores", ["probabilities", "decisions", "votes"])
def test_one_label_of_its_own(scores: Any) -> None:
    estimator = LogisticRegression().fit(X, Y[:, 0])
    teacher = wrap(estimator, ["cat"], scores=scores)
    said = teacher.score(INPUTS)
    assert not teacher.exclusive
    assert said.shape == (160, 1)
    assert np.array_equal(said[:, 0] > 0, estimator.predict(X) == 1)


def test_inputs_are_flattened_and_keep_their_columns_names() -> None:
    frame = pd.DataFrame(X, columns=list("uvwxyz"))
    estimator = OneVsRestClassifier(logistic()).fit(frame, Y)
    expected = wrap(OneVsRestClassifier(logistic()).fit(X, Y), LABELS).score(INPUTS)
    assert torch.allclose(wrap(estimator, LABELS).score(INPUTS.reshape(160, 2, 3)), expected, atol=1e-5)


def test_what_cannot_teach() -> None:
    assert refused(lambda: wrap(ClassifierChain(logistic()), LABELS, "a")) == (
        "teacher 'a': its ClassifierChain is not fitted; fit it before it teaches"
    )
    assert refused(lambda: wrap(StandardScaler().fit(X), LABELS, "a")) == (
        "teacher 'a' is a StandardScaler, which cannot predict; expected a fitted classifier"
    )
    estimator = OneVsRestClassifier(logistic()).fit(X, Y)
    assert refused(lambda: wrap(estimator, name="a")) == (
        "teacher 'a' names no labels; labels are matched by name, so list one name an output"
    )
    with pytest.raises(ValueError, match="features") as sklearns:
        estimator.predict_proba(X[:8, :5])
    assert refused(lambda: wrap(estimator, LABELS, "a").score(INPUTS[:8, :5])) == (
        f"teacher 'a' could not score inputs of shape (8, 5): {sklearns.value}; give it data with the features it was "
        "trained on"
    )


@pytest.mark.parametrize(
    "estimator", [ClassifierChain(logistic()), BinaryRelevance(logistic())], ids=["ClassifierChain", "BinaryRelevance"]
)
def test_skops_files(tmp_path: Path, estimator: Any) -> None:
    skops.io.dump(estimator.fit(X, Y), tmp_path / "m.skops")
    teacher = load(tmp_path, source="m.skops")
    assert torch.equal(teacher.score(INPUTS), wrap(estimator, LABELS).score(INPUTS))
    chosen = load(tmp_path, source="m.skops", scores="votes")
    assert torch.equal(chosen.score(INPUTS), wrap(estimator, LABELS, scores="votes").score(INPUTS))
    assert chosen.fingerprint != teacher.fingerprint  # type: ignore[attr-defined]
    assert teacher.fingerprint == load(tmp_path, source="m.skops").fingerprint  # type: ignore[attr-defined]


def test_types_nobody_vouched_for(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    estimator = RandomForestClassifier(2, random_state=0).fit(X, Y)
    expected = wrap(estimator, LABELS).score(INPUTS)
    skops.io.dump(estimator, path)
    assert refused(lambda: load(tmp_path, source="m.skops")) == (
        f"teacher 'a': {path} holds 'sklearn.tree._tree.Tree', which could run code when loaded; if you trust the "
        "file, say so with --trust-code (in Python: trust=True)"
    )
    assert torch.equal(load(tmp_path, trust=True, source="m.skops").score(INPUTS), expected)


@pytest.mark.parametrize("damage", ["cut", "junk", "empty", "zip"])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(OneVsRestClassifier(logistic()).fit(X, Y), path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "junk": b"junk", "empty": b""}.get(damage, b""))
    if damage == "zip":
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "x")
    error = "KeyError" if damage == "zip" else "BadZipFile"
    assert refused(lambda: load(tmp_path, source="m.skops")) == (
        f"teacher 'a': {path} is damaged or cut short ({error}); fetch or save it again"
    )


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pickle"])
@pytest.mark.parametrize("trust", [False, True])
def test_pickles_are_never_loaded(tmp_path: Path, suffix: str, trust: bool) -> None:
    path = tmp_path / f"m{suffix}"
    joblib.dump(Evil(tmp_path / "planted"), path)
    assert refused(lambda: load(tmp_path, trust=trust, source=path.name)) == (
        f"teacher 'a': {path} is a pickle, which can run any code; it was not loaded. Save the estimator again where "
        "you trust it: `import skops.io; skops.io.dump(estimator, 'm.skops')`"
    )
    assert not (tmp_path / "planted").exists()


def test_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.h5").write_bytes(b"x")
    assert refused(lambda: load(tmp_path, source="m.h5")) == (
        f"teacher 'a': {tmp_path / 'm.h5'} is no .skops file; save it with `skops.io.dump(estimator, path)`"
    )
    skops.io.dump(OneVsRestClassifier(logistic()).fit(X, Y), tmp_path / "m.skops")
    assert refused(lambda: load(tmp_path, source="m.skops", exclusive=True)) == (
        "teacher 'a': its card says `exclusive: true`, but its OneVsRestClassifier is multi-label; leave `exclusive:` "
        "out"
    )
    assert refused(lambda: load(tmp_path, constructor="sklearn.svm:SVC")) == (
        "teacher 'a': its SVC is not fitted; fit it before it teaches"
    )
    (tmp_path / "fitted_by_user.py").write_text(
        "from sklearn.datasets import make_multilabel_classification as make\n"
        "from sklearn.neighbors import KNeighborsClassifier\n"
        "def build(k):\n"
        "    return KNeighborsClassifier(k).fit(*make(50, 6, n_classes=4, random_state=0))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    keys = {"constructor": "fitted_by_user:build", "arguments": {"k": 3}}
    assert "which would run on this machine" in refused(lambda: load(tmp_path, **keys))
    assert load(tmp_path, trust=True, **keys).estimator.n_neighbors == 3  # type: ignore[attr-defined]


def test_fingerprints() -> None:
    script = (
        "from tests.adapters.test_sklearn import *; "
        "print(wrap(RandomForestClassifier(5, random_state=0).fit(X, Y), LABELS).fingerprint)"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=root
    )
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    own = wrap(forest, LABELS).fingerprint
    assert own == other.stdout.strip()
    another = RandomForestClassifier(5, random_state=1).fit(X, Y)
    changed = [wrap(forest, LABELS[::-1]), wrap(forest, LABELS, scores="votes"), wrap(another, LABELS)]
    assert len({own, *(one.fingerprint for one in changed)}) == 4
    untold = make_pipeline(FunctionTransformer(lambda rows: rows), KNeighborsClassifier()).fit(X, Y)
    assert wrap(untold, LABELS).fingerprint is None


def series(channels: int) -> tuple[Tensor, list[str]]:
    """Series (30, 12, C) of two classes, every third one shorter."""
    made = torch.randn(30, 12, channels, generator=torch.Generator().manual_seed(0))
    made[1::2] += 2
    made[::3, 9:] = torch.nan
    return made, ["down", "up"] * 15


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("piped", [False, True])
def test_estimators_of_tslearn_read_series(channels: int, piped: bool) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="h5py not installed")
        from tslearn.neighbors import KNeighborsTimeSeriesClassifier
        from tslearn.preprocessing import TimeSeriesScalerMinMax
    rows, classes = series(channels)
    nearest = KNeighborsTimeSeriesClassifier(1)
    estimator: Any = make_pipeline(TimeSeriesScalerMinMax(value_range=(0, 3)), nearest) if piped else nearest
    teacher = wrap(estimator.fit(rows.double().numpy(), classes), name="near")
    assert (teacher.labels, teacher.exclusive, teacher.kind) == (("down", "up"), True, "probabilities")
    assert teacher.fingerprint is not None
    scores = teacher.score(rows)
    assert [teacher.labels[one] for one in scores.argmax(1).tolist()] == classes
    torch.testing.assert_close(teacher.score(rows[7:8]), scores[7:8])
    rows[4, 3, channels - 1] = torch.nan
    with pytest.raises(RequestError) as raised:
        teacher.score(rows)
    assert "row 4 of them misses values before its end, which it cannot read" in str(raised.value)
