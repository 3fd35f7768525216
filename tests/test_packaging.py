"""The wheel carries what amalgam needs, and nothing lands beside it in site-packages."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, built from the checkout as a newcomer's pip would, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_shelf_and_only_the_package(built: Path) -> None:
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert {name.split("/")[0] for name in names} == {"amalgam", "amalgam-0.1.0.dist-info"}
    on_the_shelf = sorted(name for name in names if name.startswith("amalgam/_shelf/"))
    checkout = sorted(
        f"amalgam/_shelf/{path.relative_to(CHECKOUT).as_posix()}"
        for kind in ("teachers", "recipes", "graphs")
        for path in (CHECKOUT / kind).rglob("*.yaml")
    )
    assert on_the_shelf == checkout
    assert checkout
    of_pages = {path for path in (CHECKOUT / "amalgam" / "page").rglob("*.*") if "__pycache__" not in path.parts}
    of_pages.add(CHECKOUT / "amalgam" / "page" / "assets" / "runtime" / "LICENSE")
    assert {path.relative_to(CHECKOUT).as_posix() for path in of_pages} <= set(names)
    assert len(of_pages) > 20
    templates = {path.name for path in (CHECKOUT / "amalgam").glob("*.jinja")} | {"py.typed"}
    assert {f"amalgam/{name}" for name in templates} <= set(names)


def test_the_sdist_holds_cards_recipes_and_tests(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = sdist.getnames()
    for part in (
        "teachers/digits-shape.yaml",
        "recipes/ant.yaml",
        "graphs/pets.yaml",
        "tests/test_packaging.py",
        "CHANGELOG.md",
    ):
        assert f"amalgam-0.1.0/{part}" in names


def test_an_installed_wheel_lists_its_recipes(built: Path, tmp_path: Path) -> None:
    """Installed elsewhere, away from the checkout, with this environment's libraries."""
    site, wheel = tmp_path / "site", next(built.glob("*.whl"))
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    listed = subprocess.run(
        [sys.executable, "-m", "amalgam", "recipes", "list"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ant-paper" in listed.stdout
    where = subprocess.run(
        [sys.executable, "-c", "from amalgam.shelf import shelf; print(shelf('recipes'))"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(site)
    assert sorted(path.name for path in site.iterdir() if not path.name.endswith(".dist-info")) == ["amalgam", "bin"]
