"""Pages in headless Chromium: given rows by their own inputs, they say what torch says."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from amalgam.datasets.pictures import Reading as PictureReading
from amalgam.datasets.pictures import decoded
from amalgam.embeddings.graph import export as export_words
from amalgam.embeddings.words import WordVectors
from amalgam.errors import WorkError
from amalgam.page import About, Samples, Vocabulary, build, runtime
from amalgam.student import Student
from amalgam.tokens import NUMBERS, number, tokens
from tests.page import made
from tests.page.browser import launched, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Paged = Callable[..., Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """onnxruntime-web, fetched once for all processes of this test run."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine; install Node.js")
    shared = tmp_path_factory.getbasetemp().parent / "onnxruntime-web"
    with FileLock(f"{shared}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMALGAM_HOME", str(shared))
        try:
            files = runtime.found()
        except WorkError as error:
            pytest.skip(str(error))
        dist = shared / "package" / "dist"
        dist.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            shutil.copyfile(path, dist / name)
    return shared


@pytest.fixture
def paged(package: Path, tmp_path: Path) -> Paged:
    """A page of a student and its rows."""

    def make(student: Student, samples: Samples, rows: Any, about: About | None = None) -> Path:
        graph = student.export(tmp_path / "student.onnx", rows)
        return build(graph, tmp_path / "page", samples, about, package=package).folder

    return make


def test_images_are_drawn_chosen_and_picked(browser: Browser, paged: Paged, tmp_path: Path) -> None:
    rows, labels = made.images(3, 9, 12), ("day", "dusk", "night")
    student = made.student({"name": "mlp"}, rows, labels)
    page = paged(student, Samples(rows), rows)
    noise = np.random.default_rng(3).integers(0, 256, (50, 81, 4), dtype=np.uint8)
    Image.fromarray(noise[..., :3]).save(tmp_path / "photo.png")
    with opened(browser, page) as one:
        for place in range(3):
            one.example(place)
            chosen = one.page.locator(f".example[data-example='{place}']").inner_text()
            own = rows[[int(chosen.removeprefix("row ")) - 1]]
            one.agrees(labels, student.predict_proba(own))
            assert one.decided() == {name for name, yes in zip(labels, student.predict(own)[0], strict=True) if yes}

        one.page.set_input_files("#file", tmp_path / "photo.png")
        wanted = decoded(tmp_path / "photo.png", PictureReading((9, 12), 3))[None]
        one.page.wait_for_selector(".example[aria-pressed=true]", state="detached")
        one.agrees(labels, student.predict_proba(wanted))
        one.page.check("#invert")
        one.agrees(labels, student.predict_proba(1 - wanted))

        one.page.click("#clear")
        assert one.shown() == {}
        assert one.page.inner_text("#status") == "Nothing is drawn yet."
        box = one.page.locator("#pad").bounding_box()
        assert box is not None
        one.page.fill("#colour", "#3366ff")
        one.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
        one.page.mouse.down()
        one.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
        one.page.mouse.up()
        one.page.wait_for_selector(".bar[data-probability]")
        one.page.wait_for_timeout(300)  # a frame for the last stroke
        pad = one.page.evaluate(
            "() => { const pad = document.getElementById('pad'); return [pad.width, pad.height,"
            " Array.from(pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data)]; }"
        )
        drawn = np.array(pad[2], np.float64).reshape(9, pad[1] // 9, 12, pad[0] // 12, 4).mean((1, 3))[..., :3] / 255
        assert 0.02 < drawn.mean() < 0.5
        assert drawn[..., 2].max() > 0.9  # the pen is mostly blue
        one.agrees(labels, student.predict_proba(drawn.transpose(2, 0, 1)[None]))


def test_images_are_brought_to_a_size_as_python_does(browser: Browser, paged: Paged, tmp_path: Path) -> None:
    rows = made.images(1, 6, 6)
    page = paged(made.student({"name": "mlp"}, rows, ("a", "b")), Samples(rows), rows)
    script = """async ([rgba, width, height, input]) => {
        const { asStudentReads } = await import(new URL('js/resize.js', document.baseURI).href);
        return Array.from(asStudentReads(Uint8ClampedArray.from(rgba), width, height, input)); }"""
    with opened(browser, page) as one:
        for channels, height, width, to in (
            (1, 50, 81, (6, 7)),
            (3, 8, 8, (8, 8)),
            (3, 5, 7, (12, 12)),
            (1, 64, 64, (8, 8)),
        ):
            pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "one.png")
            wanted = decoded(tmp_path / "one.png", PictureReading(to, channels))
            rgba = np.dstack([pixels, np.full((height, width), 255, np.uint8)]).ravel().tolist()
            asked = [rgba, width, height, {"channels": channels, "height": to[0], "width": to[1]}]
            found = np.array(one.page.evaluate(script, asked), np.float32)
            np.testing.assert_array_equal(found, wanted.ravel())


def test_a_graph_over_pixels_of_a_table(browser: Browser, paged: Paged) -> None:
    """A table whose columns are pixels has a pad, and the path is drawn."""
    names = [f"pixel_{row}_{column}" for column in range(5) for row in range(4)]  # in another order than they lie in
    rows = 16 * made.images(1, 4, 5).reshape(40, 20)
    spec = {"name": "path_decoder", "graph": made.GRAPH.model_dump(), "encoder": {"name": "mlp"}, "walks": None}
    student = made.student(spec, rows, made.GRAPH.outputs, dict(made.GRAPH.tasks))
    student.features = tuple(names)
    page = paged(student, Samples(rows, names, said=["round"] * 40), rows)
    with opened(browser, page) as one:
        for place in range(4):
            one.example(place)
            own = rows[
                [int(one.page.locator(f".example[data-example='{place}']").inner_text().removeprefix("row ")) - 1]
            ]
            one.agrees(student.labels, student.predict_proba(own))
            (walked,) = student.each(own, student.walk)
            wanted = [made.GRAPH.paths.nodes[node] for node in walked.nodes[0].tolist() if node >= 0]
            shown = one.page.locator("#path li[data-node]")
            assert shown.evaluate_all("every => every.map(one => one.dataset.node)") == wanted
            chances = shown.evaluate_all("every => every.map(one => Number(one.dataset.probability))")
            np.testing.assert_allclose(chances, walked.probabilities[0, : len(wanted)], atol=1e-3)
        assert one.page.inner_text("#path li:first-child") == "thing"
        assert one.page.inner_text("#annotated") == "Annotated: round"
        assert one.page.inner_text("#seen + figcaption") == "What the student sees: 5\u00a0×\u00a04"


def test_a_table_is_pasted_slid_and_typed(browser: Browser, paged: Paged) -> None:
    labels = ("red", "green", "blue", made.HOSTILE, "ripe")
    features = ("weight", made.HOSTILE, "age", "length")
    rows = made.rows(4)
    rows[:, 2] = np.round(rows[:, 2])
    student = made.student({"name": "mlp"}, rows, labels, {"colour": labels[:3]})
    about = About(f"Fruit {made.HOSTILE}", "kd", ("one", made.HOSTILE))
    page = paged(student, Samples(rows, features), rows, about)
    assert "<img" not in (page / "index.html").read_text()
    with opened(browser, page) as one:
        assert one.page.inner_text("h1") == f"Fruit {made.HOSTILE}"
        assert one.page.title() == f"Fruit {made.HOSTILE}"  # no script of a label's ran
        assert one.page.locator("#together th[scope=row]").all_inner_texts() == [made.HOSTILE, "ripe"]
        for row in rows[:4]:
            one.page.fill("#paste", "\t".join(map(repr, row.tolist())))
            one.agrees(labels, student.predict_proba(row[None]))
            assert one.decided() == {
                name for name, yes in zip(labels, student.predict(row[None])[0], strict=True) if yes
            }
        turned = [3, 1, 0, 2]
        given = [
            ",".join(features[place] for place in turned),
            ",".join(repr(float(rows[7, place])) for place in turned),
        ]
        one.page.fill("#paste", "\n".join(given))
        one.agrees(labels, student.predict_proba(rows[[7]]))

        changed = rows[[7]].copy()
        changed[0, 0] = 0.125
        one.page.fill("#number-0", "0.125")
        one.agrees(labels, student.predict_proba(changed))
        one.page.focus("[data-feature='2'] [type=range]")
        one.page.keyboard.press("Home")
        changed[0, 2] = rows[:, 2].min()
        assert one.page.input_value("#number-2") == f"{changed[0, 2]:g}"
        one.agrees(labels, student.predict_proba(changed))

        one.page.fill("#number-0", "")
        assert one.shown() == {}
        assert one.page.inner_text("#status") == "“weight” has no value yet."
        one.page.fill("#paste", "1, 2, 3")
        assert one.page.inner_text("#complaint") == "These are 3 values, and the student reads 4."
        one.page.fill("#paste", "1, 2, x, 3")
        assert one.page.inner_text("#complaint") == "“x” (value 3) is no number."
        one.example(0)
        one.settle()
        one.page.click("#measure")
        one.page.wait_for_selector("#latency[data-milliseconds]", timeout=30_000)
        assert "ms, the median of" in one.page.inner_text("#latency")


def test_series_are_pasted(browser: Browser, paged: Paged) -> None:
    rows, labels = made.rows(30, 2), ("up", "down", "level")
    rows[1, 4, 1] = rows[2, 20:] = np.nan
    student = made.student({"name": "convolutional", "channels": 4, "kernels": [3]}, rows, labels, {"class": labels})
    page = paged(student, Samples(rows), rows)
    with opened(browser, page) as one:
        for row in rows[:3]:
            lines = [", ".join("?" if np.isnan(cell) else repr(float(cell)) for cell in step) for step in row]
            one.page.fill("#paste", "\n".join(lines))
            one.agrees(labels, student.predict_proba(row[None]))
            assert sum(one.shown().values()) == pytest.approx(1)
        short = rows[5:6, :11]
        one.page.fill("#paste", "\n".join(" ".join(map(repr, channel.tolist())) for channel in short[0].T))
        one.agrees(labels, student.predict_proba(short))  # a channel a line, and shorter
        assert one.page.locator("#chart path").count() == 2
        one.example(2)
        own = rows[[int(one.page.locator(".example[data-example='2']").inner_text().removeprefix("row ")) - 1]]
        one.agrees(labels, student.predict_proba(own))
        one.page.fill("#paste", "1 2 3\n1 2\n")
        assert one.page.inner_text("#complaint") == "Line 1 has 3 values, and each step has 2, one for each channel."
        assert one.page.inner_text("#status") == "There is no series yet."


ODD = [
    *(
        "",
        "'",
        "a'b''c'",
        "don’t ’tis",
        "foo_bar 3.14 e-mail",
        "tab\tnew\nline\u00a0nb\u200bzw",
        "日本語 한국어 ไทย हिन्दी",
    ),
    *(
        "&amp;amp; &lt;b&gt; &notit; &ampx",
        "&#x41;&#66;&#1;c&#150;&#xD800;z",
        "don&rsquo;t &amp;rsquo;s",
        "&" * 40 + "quot;",
    ),
    *("&#99999999;a &#0; &NotEqualTilde; &nosuch; &a", "&CounterClockwiseContourIntegral;x", "a" * 400),
    *("ÀÉÎ ßẞ İstanbul ΌΣΟΣ ΑΣ Σ", "x² ½ ⅷ 四 ٣ 𝔸𝟙 🙂ok", "naïve e\u0301t\u00e9"),
]


def test_texts_are_read_as_python_reads_them(browser: Browser, paged: Paged) -> None:
    student, rows = made.of_texts(), made.of_texts_rows()
    page = paged(student, Samples(texts=made.TEXTS), rows)
    drawn = random.Random(0)
    signs = [
        "&",
        "#",
        ";",
        "x",
        "amp",
        "lt",
        "'",
        "’",
        "_",
        " ",
        "1",
        "é",
        "Σ",
        "ß",
        "Ⅷ",
        "\u0301",
        "not",
        "in",
        "&#12",
        "😀",
    ]
    odd = ODD + ["".join(drawn.choices(signs, k=12)) for _ in range(300)]
    script = """async (texts) => {
        const { numberOf, tokens } = await import(new URL('js/tokens.js', document.baseURI).href);
        const entities = await (await fetch('entities.json')).json();
        return texts.map((text) => tokens(text, entities).map((word) => [word, numberOf(word)])); }"""
    with opened(browser, page) as one:
        one.page.context.set_offline(False)  # the file is fetched once more
        found = one.page.evaluate(script, odd)
        for text, own in zip(odd, found, strict=True):
            assert own == [[word, number(word)] for word in tokens(text)], text
        assert all(0 <= own[1] < NUMBERS for every in found for own in every)
        labels = student.labels
        for text in (*made.TEXTS, *ODD[3:7], *ODD[14:]):
            one.page.fill("#words", text)
            one.agrees(labels, student.predict_proba([text]))
        one.page.fill("#words", made.TEXTS[3])
        assert one.page.locator(".token").count() == 12
        assert one.page.inner_text(".cut") == "and 18 more, not read"
        one.page.fill("#words", " _ & ")
        assert one.shown() == {}
        assert one.page.inner_text("#status") == "There are no words yet."
        one.example(1)
        one.agrees(labels, student.predict_proba([one.page.input_value("#words")]))


def test_words_have_neighbours(browser: Browser, package: Path, tmp_path: Path) -> None:
    vectors = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).numpy()
    embedding = WordVectors((*(f"word{place}" for place in range(49)), made.HOSTILE), vectors)
    export_words(embedding, tmp_path / "words.onnx")
    page = build(tmp_path / "words.onnx", tmp_path / "page", Vocabulary(embedding.words), package=package).folder
    with opened(browser, page) as one:
        for word in ("word7", made.HOSTILE):
            one.page.fill("#word", word)
            shown = one.page.locator("#neighbours li").evaluate_all(
                "every => every.map(one => [one.dataset.label, Number(one.dataset.cosine)])"
            )
            wanted = embedding.nearest(word)
            assert [name for name, _ in shown] == [name for name, _ in wanted]
            np.testing.assert_allclose([own for _, own in shown], [own for _, own in wanted], atol=1e-5)
        one.page.fill("#word", "zebra")
        assert one.page.inner_text("#complaint") == "“zebra” is none of the 50 words."
        one.page.click("#neighbours button >> nth=0")
        assert one.page.input_value("#word") == wanted[0][0]


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_and_nothing_runs_from_the_disk(width: int, browser: Browser, paged: Paged) -> None:
    rows = made.rows(3)
    student = made.student({"name": "mlp"}, rows, tuple(f"a rather long label, number_{place}" for place in range(14)))
    page = paged(student, Samples(rows), rows)
    with opened(browser, page, width) as one:
        wide = one.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert wide == [width, width]
        assert one.page.locator(".bar:visible").count() == 10
        one.page.click(".more")
        assert one.page.locator(".bar:visible").count() == 14
    disk = browser.new_page()
    disk.goto(f"file://{page}/index.html")
    assert "python -m http.server" in disk.inner_text("#warning")
    assert disk.inner_text("#status") == "Nothing can run here."
    disk.close()
