"""Runs of words as a user types them: distil, report, neighbours, export, extend, stop and go on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml

import amalgam
from amalgam import lexical, wordmeasures
from amalgam.embeddings import from_arrays
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.journal import Journal
from amalgam.progress import Silent
from amalgam.recipe import WordRecipe, read_any
from amalgam.wordreport import WordReport
from tests.conftest import Cli
from tests.page import made as pages

QUICK = ("--set", "training.epochs=3", "--set", "student.width=20")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smallest recipe; never written to."""
    folder = tmp_path_factory.mktemp("made") / "simme"
    recipe = read_any("simme", assignments=("training.epochs=3", "student.width=20"))
    assert isinstance(recipe, WordRecipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMALGAM_HOME", str(folder.parent / "home"))
        lexical.distill(recipe, out=folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """The same, of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "simme"))


def test_the_command_shows_the_tests_and_where_everything_lies(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("distill", "--strategy", "simme", *QUICK, "--out", tmp_path / "run")
    assert code == 0, err
    for shown in ("wordsim353", "simlex999", "news", "films", "3,069 words of 20 numbers", "report.html to look at"):
        assert shown in out, shown
    for step in ("reading news", "training", "word tests", "export"):
        assert f"{step}: " in err, step
    assert "pairs/s" in err
    assert "films: 5 left out, no UTF-8 text" in err


def test_what_lies_in_the_run(run: Path) -> None:
    assert {path.name for path in run.iterdir()} >= {
        "recipe.yaml", "report.json", "report.html", "README.md", "student", "student.onnx",
    }  # fmt: skip
    assert not (run / "checkpoints").exists()
    words = amalgam.load_words(run)
    assert (len(words.words), words.vectors.shape) == (3069, (3069, 20))
    session = onnxruntime.InferenceSession(run / "student.onnx", providers=["CPUExecutionProvider"])
    ids = np.array([5, 0, 3068])
    assert np.array_equal(session.run(None, {"ids": ids})[0], words.vectors[ids])
    report = WordReport.read(run)
    assert [one.name for one in report.sources] == ["news", "films"]
    assert report.words == 3069
    assert len(report.history) == 3
    assert {test.set: test.asked for test in report.tests} == {"wordsim353": 68, "simlex999": 136}
    assert set(report.tests[0].values) == {"student", "news", "films"}
    assert [one.source for one in report.sources] == [
        "gensim:lee_fasttext.vec",
        "gensim:pang_lee_polarity_fasttext.vec",
    ]
    assert all(one.fingerprint and one.licence is None for one in report.sources)
    assert report.fingerprint == words.fingerprint
    assert report.settings["strategy"]["name"] == "simme"
    card, page = (run / "README.md").read_text(), (run / "report.html").read_text()
    assert "The licence of sources 'news', 'films' is unknown" in card
    assert "<details><summary>The recipe</summary><pre>name: simme" in page
    assert "| `wordsim353` | spearman | 68<br>of 353 |" in card
    assert "amalgam.load_words" in card
    assert "<svg" in page
    assert "wordsim353" in page


def test_everyone_is_asked_the_same_as_the_library_does(run: Path) -> None:
    from amalgam import wordtests

    words, report = amalgam.load_words(run), WordReport.read(run)
    own = wordtests.measure("simlex999", words, 0, among=words.places)
    assert report.tests[1].values["student"] == pytest.approx(own.main[1])
    assert report.tests[1].covered == {"student": 136, "news": 77, "films": 52}
    assert report.tests[1].others["pearson"]["student"] == pytest.approx(own.measures["pearson"])
    assert set(report.tests[1].others["pearson"]) == {"student", "news", "films"}
    assert "simlex999: pearson" in (run / "README.md").read_text()


def test_the_report_says_how_far_cosines_are_from_the_sources_and_from_what_is_learned(run: Path) -> None:
    """Of 3,069 words, all of whose held-out pairs are looked at; nothing is taken off ten numbers."""
    from amalgam.embeddings import specs
    from amalgam.embeddings.relations import groups_of

    words, report = amalgam.load_words(run), WordReport.read(run)
    groups = groups_of(len(words.words)).int().numpy()
    first, second = (one[(groups[one] + groups[other]) % 128 == 0] for one, other in (
        np.triu_indices(len(groups), 1), np.triu_indices(len(groups), 1)[::-1],
    ))  # fmt: skip
    for without, found in ((False, report.error), (True, report.error_without)):
        squares = []
        for spec in ("lee_fasttext.vec", "pang_lee_polarity_fasttext.vec"):
            source = specs.find(f"gensim:{spec}")
            own = source.vectors / np.linalg.norm(source.vectors, axis=1, keepdims=True)
            if without and source.dimensions >= 24:
                own = own - own.mean(0)
                top = np.linalg.svd(own, full_matrices=False)[2][:2]
                own = own - own @ top.T @ top
                own /= np.linalg.norm(own, axis=1, keepdims=True)
            place = {word: number for number, word in enumerate(source.words)}
            rows = np.array([place.get(word, -1) for word in words.words])
            both = (rows[first] >= 0) & (rows[second] >= 0)
            one, other = own[rows[first[both]]], own[rows[second[both]]]
            mine = words.vectors / np.linalg.norm(words.vectors, axis=1, keepdims=True)
            said = (mine[first[both]] * mine[second[both]]).sum(1)
            squares += ((said - (one * other).sum(1)) ** 2).tolist()
        assert found == pytest.approx(np.mean(squares), rel=1e-3)
    assert (
        "from what it learns, the sources' without what all of their words have in common"
        in (run / "README.md").read_text()
    )


def test_the_code_of_a_model_card_runs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    import gensim

    monkeypatch.chdir(run)
    names: dict[str, object] = {"gensim": gensim, "ids": np.array([0, 2])}
    code = re.findall("```python\n(.*?)```", (run / "README.md").read_text(), re.DOTALL)
    assert len(code) == 3
    for block in code:
        exec(block.replace('"water"', '"film"'), names)
    assert names["vectors"].shape == (2, 20)  # type: ignore[attr-defined]


def test_what_is_learned_is_not_lost_when_a_test_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> list[object]:
        raise RuntimeError("the disk is gone")

    recipe = read_any("average", assignments=("measured=[wordsim353]",))
    assert isinstance(recipe, WordRecipe)
    monkeypatch.setattr(lexical, "measured", fails)
    with pytest.raises(RuntimeError):
        lexical.distill(recipe, out=tmp_path / "run")
    assert len(amalgam.load_words(tmp_path / "run").words) == 3069


def test_a_run_does_not_go_on_with_other_pairs(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("film war\nfilm people\nwar people\n" * 40)
    recipe = read_any("simme-paper", assignments=(
        "strategy.pairs=list", f"strategy.list={pairs}", "measured=[]", "training.epochs=3", "training.learning_rate=1",
        "training.batch_size=16", "training.checkpoint_seconds=0",
    ))  # fmt: skip
    assert isinstance(recipe, WordRecipe)

    class Stop(Silent):
        def advance(self, rows: int, note: str = "") -> None:
            if note.startswith("epoch 2"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lexical.distill(recipe, out=tmp_path / "run", progress=Stop())
    pairs.write_text("film war\n" * 120)
    with pytest.raises(RequestError, match="was made from other rows, teachers or settings"):
        lexical.distill(recipe, out=tmp_path / "run", resume=True)


def test_files_of_gensim_are_names_even_where_such_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lee_fasttext.vec").write_text("")
    monkeypatch.chdir(tmp_path)
    assert read_any("simme").teachers[0] == "gensim:lee_fasttext.vec?name=news"


def test_a_finished_run_is_not_run_again(run: Path, cli: Cli) -> None:
    before = (run / "report.json").read_bytes()
    code, out, err = cli("distill", "--resume", "--out", run)
    assert (code, "is finished; nothing is left to do" in err) == (0, True)
    assert "3,069 words of 20 numbers" in out
    assert (run / "report.json").read_bytes() == before


def test_a_stopped_run_goes_on_bit_for_bit(made: Path, tmp_path: Path) -> None:
    class Stop(Silent):
        """Interrupts in the training."""

        left = 8

        def advance(self, rows: int, note: str = "") -> None:
            """Of whatever step."""
            self.left -= note.startswith("epoch")
            if self.left == 0:
                raise KeyboardInterrupt

    recipe = read_any("simme", assignments=("training.epochs=3", "student.width=20", "training.checkpoint_seconds=0"))
    assert isinstance(recipe, WordRecipe)
    with pytest.raises(KeyboardInterrupt):
        lexical.distill(recipe, out=tmp_path / "run", progress=Stop())
    assert not (tmp_path / "run" / "report.json").exists()
    words, _ = lexical.distill(recipe, out=tmp_path / "run", resume=True)
    assert np.array_equal(words.vectors, WordVectors.load(made).vectors)


def test_neighbours(run: Path, cli: Cli) -> None:
    code, out, _ = cli("predict", run, "--nearest", "film", "--nearest", "war", "--count", 2)
    assert code == 0
    nearest = amalgam.load_words(run).nearest("film", 2)
    assert nearest[0][0] in out
    assert f"{nearest[1][1]:.3f}" in out
    code, _, err = cli("predict", run, "--nearest", "fillm")
    assert (code, "no word 'fillm' among 3,069; did you mean 'film'?" in err) == (2, True)


def test_neighbours_need_no_torch(run: Path) -> None:
    """Nor does who asks wait for it."""
    script = (
        f"import sys; sys.argv[1:] = {['predict', str(run), '--nearest', 'film']!r}\nfrom amalgam.cli import app\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr == ""


def test_gensim_reads_what_is_exported(run: Path, cli: Cli, tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    for name, binary in (("w.bin", True), ("w.txt", False)):
        code, _, err = cli("export", run, "--out", tmp_path / name)
        assert code == 0, err
        read = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=binary)
        assert np.array_equal(read["film"], amalgam.load_words(run)["film"])
    code, _, err = cli("export", run, "--out", tmp_path / "w.csv")
    assert (code, "should end in .onnx" in err) == (2, True)


def test_a_page_of_words_is_built_and_refused_before_any_file_without_npm(
    run: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages.pretend(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AMALGAM_HOME", str(tmp_path / "home"))
    asked = ("export", run, "--out", tmp_path / "w.onnx", "--page", tmp_path / "page")
    code, _, err = cli(*asked)
    assert (code, "there is no npm on this machine" in err) == (2, True)
    assert not (tmp_path / "w.onnx").exists()
    code, out, err = cli(*asked, "--runtime", pages.package(tmp_path / "package.tgz"))
    assert code == 0, err
    assert f"lies in {tmp_path / 'page'}; look at it with" in out
    assert (tmp_path / "page" / "words.txt").is_file()


def test_evaluate_asks_again(run: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cli("evaluate", run, "--data", "wordsim353")
    assert code == 0, err
    assert "wordsim353" in out
    assert "simlex999" not in out
    code, _, err = cli("evaluate", run, "--data", "wordsim-353")
    assert (code, "wordsim353" in err) == (2, True)


def test_report_shows_one_and_compares_several(run: Path, made: Path, cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("report", run)
    assert (code, "3,069 words of 20 numbers" in out) == (0, True)
    other = Path(shutil.copytree(made, tmp_path / "other"))
    code, out, err = cli("report", run, other, "--out", tmp_path / "both.html")
    assert code == 0, err
    assert "First, of 2 word tests: simme in 0, other in 0." in out  # alike, so that nobody is better
    assert "<h2>Word tests</h2>" in (tmp_path / "both.html").read_text()
    code, out, _ = cli("report", run, other, "--json")
    assert json.loads(out)["other"]["words"] == 3069


def test_an_extension_keeps_every_old_vector(run: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "new.vec").write_text("film 1 0 .2\nwar 0 1 .1\npeople .5 .5 .5\nblorp 1 .1 .2\nflurp .1 1 .1\n")
    code, out, err = cli(
        "distill", "--strategy", "simme", "--extend", run, "--teacher", tmp_path / "new.vec", *QUICK,
        "--set", "measured=[]", "--out", tmp_path / "more",
    )  # fmt: skip
    assert code == 0, err
    assert "2 words were added to 3,069, of which none moved more than 0" in out
    old, new = amalgam.load_words(run), amalgam.load_words(tmp_path / "more")
    assert new.words == (*old.words, "blorp", "flurp")
    assert np.array_equal(new.vectors[:3069], old.vectors)
    report = WordReport.read(tmp_path / "more")
    assert [one.name for one in report.sources] == ["extended", "new"]
    assert "strategy.common: too few words or dimensions, whole as they are: 'extended', 'new'" in report.notes
    assert report.error is None or report.error_without is None  # of five words, nothing is taken off
    assert yaml.safe_load((tmp_path / "more" / "recipe.yaml").read_text())["extend"]["run"] == str(run)


@pytest.mark.parametrize(("key", "text"), [("list", "film war\npeople film\n"), ("texts", "the film is good\n")])
def test_pairs_of_the_users_own(key: str, text: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    recipe = yaml.safe_load(Path(__file__).parents[1].joinpath("recipes", "simme.yaml").read_text())
    recipe["strategy"] = {"name": "simme", "pairs": key, key: "pairs.txt"}  # beside the recipe
    recipe |= {"measured": [], "export": False, "name": "own"}
    recipe["training"] |= {"epochs": 1, "learning_rate": 1.0}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe))
    code, out, err = cli("distill", tmp_path / "own.yaml", "--out", tmp_path / "run")
    assert code == 0, err
    assert "3,069 words of 50 numbers" in out


def test_the_python_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    words = [f"w{n}" for n in range(40)]
    one, other = draw.normal(size=(30, 4)), draw.normal(size=(30, 6))
    found = amalgam.distill_words(
        [(words[:30], one), (words[10:], other)], width=5, training={"epochs": 2, "batch_size": 16}, out=tmp_path / "r"
    )
    assert (found.words, found.vectors.shape) == (tuple(words), (40, 5))
    assert amalgam.load_words(tmp_path / "r").words == found.words
    mean = amalgam.distill_words([(words[:30], one), (words[10:], other)], "average")
    assert mean.vectors.shape == (40, 6)
    assert found.report is not None
    assert [one.source for one in found.report.sources] == ["", ""]
    assert found.save_pretrained(tmp_path / "published").is_dir()
    assert "Its sources were in memory" in (tmp_path / "r" / "README.md").read_text()
    with pytest.raises(RequestError, match="were in memory and are gone; distil it anew with them"):
        lexical.evaluate_again(tmp_path / "r")
    with pytest.raises(RequestError, match="two sources are called 'mine'; name them apart"):
        amalgam.distill_words([from_arrays("mine", words[:30], one)] * 2)
    assert not (tmp_path / "runs").exists()


PAIR = (["a", "b", "c"], np.eye(3))


@pytest.mark.parametrize(
    ("sources", "options", "says"),
    [
        (None, {}, "sources is None, expected a list of embeddings"),
        ({"news": PAIR}, {}, "sources is of the type dict, expected a list of embeddings"),
        ([PAIR, (5, 6)], {}, "source 2 is a tuple, expected a path"),
        ([PAIR, PAIR], {"vocabulary": ["a"]}, "vocabulary is of the type list, expected a mapping of keys to values"),
        ([PAIR, PAIR], {"training": ["a"]}, "training is of the type list, expected a mapping of keys to values"),
        ([PAIR, PAIR], {"strategy": None}, "strategy is None, expected a name, or a mapping with `name`"),
        ([PAIR, PAIR], {"tests": None}, "tests is None, expected a list of names of word tests"),
        ([PAIR, PAIR], {"tests": "wordsim353"}, "tests is of the type str, expected a list of names of word tests"),
        ([PAIR, PAIR], {"out": 5}, "out is of the type int, expected the path of a run directory"),
        ([PAIR, PAIR], {"extend": 5}, "extend is of the type int, expected the path of a run directory"),
    ],
)
def test_a_mistake_in_python(sources: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=re.escape(says)):
        amalgam.distill_words(sources, **options)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("distill", "simme", "--data", "digits"), "simme makes one embedding of several; name them with --teacher"),
        (("distill", "simme", "--teacher", "gensim:lee_fasttext.vec"), "1 embeddings are too few to make one of"),
        (("distill", "simme", "--teacher", "a.vec", "--teacher", "b.vec"), "embeddings a.vec: no such file"),
        (("distill", "simme", "--set", "measured=[wordsim]"), "wordsim353"),
        (("distill", "simme", "--set", "measured=[mc-30]"), "mc-30"),
        (("distill", "simme", "--set", "strategy.stepp=1"), "unknown key 'strategy.stepp'; did you mean 'step'?"),
        (("distill", "simme", "--set", "training.optimizer=adam"), "training.optimizer is adam"),
        (("distill", "average", "--extend", "{run}", "--teacher", "gensim:lee_fasttext.vec"),
          "strategy 'average' computes all vectors anew"),
        (("distill", "simme", "--extend", "{run}", "--set", "teachers=[]"), "which embeddings to add to {run}; name"),
        (("distill", "simme", "--teacher", "gensim:lee_fasttext.vec?name=student", "--teacher",
          "gensim:pang_lee_polarity_fasttext.vec"), "no source is called 'student', as the result is"),
        (("distill", "--strategy", "simme", "--extend", "{run}"), "which embeddings to add to {run}; name"),
        (("distill", "simme", "--extend", "{run}"), "which embeddings to add to {run}; name"),
        (("distill", "simme", "--set", "student.width=1000000"), "student.width is 1,000,000, which takes"),
        (("predict", "{run}", "--nearest", "Film"), "did you mean 'film'?"),
        (("distill", "simme", "--extend", "{run}", "--teacher", "gensim:lee_fasttext.vec", "--set",
          "vocabulary.minimum=2"), "leave vocabulary.minimum and"),
        (("explain", "{run}", "--row", "1"), "is a run of words, which has no rows to explain"),
        (("distill", "simme", "--student", "mlp"), "student: name is 'mlp', expected 'embedding'"),
        (("predict", "{run}"), "which has no rows; ask for a word's neighbours: amalgam predict {run} --nearest WORD"),
        (("predict", "{run}", "--nearest", "film", "--out", "a.csv"), "--out is of runs of rows, and"),
        (("evaluate", "{run}", "--labels", "a"), "--labels is of runs of rows, and"),
        (("export", "{run}", "--check", "digits"), "--check is of runs of rows, and"),
        (("export", "{run}", "--option", "a=b"), "--option is of runs of rows, and"),
        (("report", "{run}", "{run}"), "is named twice"),
    ],
)  # fmt: skip
def test_a_users_mistake(
    arguments: tuple[str, ...], says: str, made: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    given = [one.format(run=made) for one in arguments]
    if given[0] == "distill":
        given += ["--out", str(tmp_path / "run")]
    code, _, err = cli(*given)
    assert code == 2, err
    assert says.format(run=made) in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "report.json").exists()


def test_a_width_that_is_not_chosen_is_told(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(
        "distill", "concat", "--set", "student.width=10", "--set", "measured=[]", "--out", tmp_path / "r"
    )
    assert code == 0, err
    assert "student.width is 10, and the student's 110: concat has its own" in out


def test_weights_are_written_as_a_list(cli: Cli, tmp_path: Path) -> None:
    """On the command line, and in the recipe of the run, which makes it again."""
    given = (*QUICK, "--set", "strategy.weights=[1, 2.5]", "--set", "measured=[]", "--set", "export=false")
    code, _, err = cli("distill", "simme", *given, "--out", tmp_path / "one")
    assert code == 0, err
    code, _, err = cli("distill", tmp_path / "one" / "recipe.yaml", "--out", tmp_path / "two")
    assert code == 0, err
    one, two = (amalgam.load_words(tmp_path / name) for name in ("one", "two"))
    assert np.array_equal(one.vectors, two.vectors)


def test_an_extension_says_which_words_differ_in_their_case_alone(run: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "new.vec").write_text("film 1 0 .2\nFilm 0 1 .1\npeople .5 .5 .5\nWAR 1 .1 .2\nBlorp .1 1 .1\n")
    code, out, err = cli(
        "distill", "simme", "--extend", run, "--teacher", tmp_path / "new.vec", *QUICK, "--set", "measured=[]",
        "--out", tmp_path / "more",
    )  # fmt: skip
    assert code == 0, err
    assert "2 words are added that" in out
    assert "has in lower case ('Film', 'WAR')" in out


def test_a_run_is_read_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    for name in ("plain", "a:b.txt", "c@d.txt"):
        (here / name).write_text("film 1 0 .2\nwar 0 1 .1\npeople .5 .5 .5\n")
    monkeypatch.chdir(here)
    given = [part for name in ("plain?form=text", "a:b.txt", "c@d.txt") for part in ("--teacher", name)]
    code, _, err = cli("distill", "average", *given, "--set", "measured=[]", "--out", "run")
    assert code == 0, err
    monkeypatch.chdir(there)
    code, _, err = cli("evaluate", here / "run", "--data", "wordsim353")
    assert code == 0, err


def test_a_recipe_that_is_neither_of_rows_nor_of_words(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "mine.yaml").write_text("name: a\nstrategy: simme\nvocabluary: {fold: true}\n")
    code, _, err = cli("distill", tmp_path / "mine.yaml")
    assert (code, "a `vocabulary`, of words, but 'vocabluary'; is that misspelt?" in err) == (2, True)


def test_an_embedding_is_a_container(run: Path) -> None:
    words = amalgam.load_words(run)
    assert ("film" in words, "blorp" in words, 3 in words, len(words)) == (True, False, False, 3069)
    assert repr(words) == "WordVectors(3,069 words of 20 numbers)"
    with pytest.raises(RequestError, match="0 neighbours of 'film' are asked for; ask for one or more"):
        words.nearest("film", 0)


def test_what_is_too_large_for_onnx_is_left_out(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lexical", "embeddings.graph"):
        monkeypatch.setattr(f"amalgam.{module}.LARGEST", 1000)
    code, out, err = cli("distill", "average", "--set", "measured=[]", "--out", tmp_path / "run")
    assert code == 0, err
    assert "an ONNX file cannot hold so many numbers" in out
    assert not (tmp_path / "run" / "student.onnx").exists()
    code, _, err = cli("export", tmp_path / "run")
    assert (code, "more than an ONNX file can hold" in err) == (2, True)


def test_several_processes_are_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = cli("distill", "simme", "--out", tmp_path / "run")
    assert (code, "embeddings are distilled by one process" in err) == (2, True)


def test_sources_are_asked_for_their_words_in_lower_case_where_the_vocabulary_is(tmp_path: Path) -> None:
    """The first of two words that become one counts, in training and in tests."""
    words = ["Film", "film", "War", "peace"]
    vectors = np.eye(4, dtype=np.float32)
    recipe = read_any("average", {"vocabulary": {"fold": True}, "measured": [], "teachers": ["memory:1", "memory:2"]})
    assert isinstance(recipe, WordRecipe)
    lexicon = lexical.gathered(
        [(words, vectors), (["peace", "war"], vectors[:2])], recipe, Journal(Silent(), "", ExitStack())
    )
    own = dict(wordmeasures.beside(WordVectors(("x",), vectors[:1]), lexicon))
    assert own["source-1"].words == ("film", "war", "peace")
    assert own["source-1"]["film"].tolist() == [1, 0, 0, 0]
    assert set(own["source-2"].words) == {"peace", "war"}
    assert own["source-2"]["war"].tolist() == [0, 1, 0, 0]


def test_what_is_counted_while_training() -> None:
    from amalgam.embeddings.maskout import all_pairs, some_pairs
    from amalgam.losses import stepwise

    asked = ((all_pairs, 1), (all_pairs, 3), (some_pairs, 2), (stepwise, 1))
    said = [(unit, count(10)) for unit, count in (lexical.counted(loss, words) for loss, words in asked)]
    assert said == [("pairs", 10 * 9 // 2), ("words", 30), ("pairs", 10), ("words", 10)]


def test_load_says_what_reads_words(run: Path) -> None:
    with pytest.raises(RequestError, match=r"amalgam\.load_words reads it"):
        amalgam.load(run)
