"""The picture of a ranking: what stands where, that names can be read, and that nothing is overwritten."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from amalgam.ranking.bubbles import Box, draw, placed
from amalgam.ranking.entries import Entry, Ranking

from .given import refused

SVG = "{http://www.w3.org/2000/svg}"


def entry(name: str, estimate: float | None, size: int | None, far: float | None) -> Entry:
    return Entry(name, "source", estimate, estimate, estimate, 0.5, size, far, None, None, {})


def ranking(*entries: Entry, by: str = "p2l") -> Ranking:
    return Ranking("birds", 100, "images", by, "random filters", "kl", -1.0, entries)  # type: ignore[arg-type]


THREE = ranking(entry("near", 1.5, 1000, 0.1), entry("large", 0.5, 100_000, 0.3), entry("poor", -2.0, 100, 0.5))


def drawn(path: Path) -> tuple[list[str], list[tuple[float, float, float, str]]]:
    """The texts of a picture, and its bubbles: middle, radius and colour."""
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    texts = [str(node.text) for node in root.iter(f"{SVG}text")]
    bubbles = []
    for node in root.iter(f"{SVG}path"):
        if "C " in str(node.get("d")) and "fill: #" in str(node.get("style")):
            numbers = np.array(re.findall(r"-?[\d.]+", str(node.get("d"))), dtype=float).reshape(-1, 2)
            middle, radius = (numbers.max(0) + numbers.min(0)) / 2, (numbers.max(0) - numbers.min(0))[0] / 2
            colour = re.findall(r"fill: (#\w+)", str(node.get("style")))[0]
            bubbles.append((float(middle[0]), float(middle[1]), float(radius), colour))
    return texts, bubbles


def test_bubbles_stand_by_size_and_nearness_and_grow_with_the_estimate(tmp_path: Path) -> None:
    draw(THREE, tmp_path / "three.svg")
    texts, bubbles = drawn(tmp_path / "three.svg")
    assert {"near", "large", "poor", "rows (logarithmic)"} <= set(texts)
    assert any(text.startswith("KL divergence") for text in texts)
    assert any("What a transfer to birds promises, by P2L (k = −1)" in text for text in texts)
    assert len(bubbles) == 3
    near, large, poor = sorted(bubbles, key=lambda one: -one[2])
    assert poor[0] < near[0] < large[0]
    assert near[1] < large[1] < poor[1]  # the first line of a picture is its highest
    shades = [sum(int(one[3][at : at + 2], 16) for at in (1, 3, 5)) for one in (near, large, poor)]
    assert shades == sorted(shades)
    # Sizes lie on a logarithmic scale: 100, 1,000 and 100,000 are 1 and 2 apart.
    assert (large[0] - near[0]) / (near[0] - poor[0]) == pytest.approx(2, rel=1e-3)


def test_a_picture_is_the_same_each_time_and_a_png_has_a_white_border(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg", "x.png"):
        draw(THREE, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
    with Image.open(tmp_path / "x.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()
    assert (pixels != 255).any()


def test_names_are_shown_as_they_are_and_what_has_no_place_is_told(tmp_path: Path) -> None:
    odd = ["a $x_2$ b", "<b>&", "_under", "猫", "x" * 60]
    entries = [entry(name, float(at), 100 * (at + 1), 0.1 * at) for at, name in enumerate(odd)]
    draw(ranking(*entries, entry("unknown", None, None, None), by="log_me"), tmp_path / "odd.svg")
    texts, bubbles = drawn(tmp_path / "odd.svg")
    assert {"a $x_2$ b", "<b>&", "_under", "猫", "x" * 29 + "…"} <= set(texts)
    assert any("by LogME" in text for text in texts)
    assert any("nothing says what they were trained on: 'unknown'" in text for text in texts)
    assert len(bubbles) == 5


def test_candidates_without_an_estimate_are_white(tmp_path: Path) -> None:
    draw(ranking(entry("a", 0.3, 100, 0.1), entry("b", None, 200, 0.2), by="log_me"), tmp_path / "x.svg")
    _, bubbles = drawn(tmp_path / "x.svg")
    assert "#ffffff" in {one[3] for one in bubbles}


@pytest.mark.parametrize("far", [[0.0, 0.0, 0.0], [1e-4, 1e-2, 1.0], [0.2], [0.0, 5.0]])
def test_divergences_of_any_range_have_an_axis(tmp_path: Path, far: list[float]) -> None:
    """Also one of which all are 0, a single one, and one of several orders of magnitude."""
    draw(ranking(*(entry(f"n{at}", float(-at), 50, one) for at, one in enumerate(far))), tmp_path / "x.svg")
    texts, bubbles = drawn(tmp_path / "x.svg")
    heights = [one[1] for one in sorted(bubbles, key=lambda one: -one[2])]
    assert len(bubbles) == len(far)
    assert heights == sorted(heights)
    assert all(math.isfinite(value) for one in bubbles for value in one[:3])
    assert not any(text.startswith(("-", "−")) for text in texts)  # no divergence is below 0


@pytest.mark.parametrize("seed", range(4))
def test_names_lie_on_no_bubble_and_on_no_other_name(seed: int) -> None:
    chance = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in chance.random((17, 2)) * [6, 3.5] + [0.2, 0.2]]
    radii = [float(one) for one in chance.random(17) * 0.2 + 0.08]
    sizes = [(float(one), 0.13) for one in chance.random(17) * 0.8 + 0.2]
    whole = Box(0, 0, 6.4, 3.95)
    found = placed(points, radii, sizes, whole)
    for box, size in zip(found, sizes, strict=True):
        assert (box.right - box.left, box.high - box.low) == pytest.approx(size)
        assert box.shared(whole) == pytest.approx(box.area)
        for point, radius in zip(points, radii, strict=True):
            assert math.dist(box.nearest(point), point) >= radius
    assert all(one.shared(other) == 0 for one, other in combinations(found, 2))


def test_a_name_stands_right_of_its_bubble_where_it_can() -> None:
    (alone,) = placed([(1.0, 1.0)], [0.2], [(0.5, 0.1)], Box(0, 0, 5, 5))
    assert (alone.left, alone.low) == pytest.approx((1.24, 0.95))
    (edge,) = placed([(4.7, 1.0)], [0.2], [(0.5, 0.1)], Box(0, 0, 5, 5))
    assert (edge.right, edge.low) == pytest.approx((4.46, 0.95))


def test_pictures_are_never_overwritten_and_have_a_known_ending(tmp_path: Path) -> None:
    path = tmp_path / "there.png"
    path.write_text("mine")
    assert "is there already and is never overwritten; name a new file" in refused(lambda: draw(THREE, path))
    assert path.read_text() == "mine"
    assert "should end in .svg or .png, as pictures do" in refused(lambda: draw(THREE, tmp_path / "x.jpg"))
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(lambda: draw(THREE, tmp_path / "file" / "x.svg"))
    nothing = ranking(entry("a", 1.0, None, None), by="log_me")
    assert "nothing says what any of these was trained on" in refused(lambda: draw(nothing, tmp_path / "y.svg"))
    assert not (tmp_path / "y.svg").exists()
