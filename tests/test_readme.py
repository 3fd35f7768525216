"""README tells the truth: its example runs, its two commands are what CI runs, its files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"```python\n(import .*?)```", README, re.DOTALL
    )  # the other one names a reader's own files
    scope: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), scope)
    labels, f1 = capsys.readouterr().out.splitlines()[:2]
    assert labels == "('heavy', 'large', 'loop', 'odd')"
    assert float(f1) > 0.8
    assert (tmp_path / "student.onnx").is_file()
    assert {path.name for path in (tmp_path / "my-student").iterdir()} == {
        "model.safetensors",
        "config.json",
        "trained_on.npy",
    }


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("amalgam distill --strategy ant")
    assert commands[1].endswith("pytest")
    ci = (CHECKOUT / ".ci" / "run").read_text()
    assert "README.md" in ci
    assert "pytest$" in ci
    assert "amalgam distill --strategy ant$" in ci


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"@[A-Z]+@|TODO|TBD", README)


def test_what_documents_link_to_exists() -> None:
    for name in ("README.md", "docs/architecture.md", "docs/benchmarks.md"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (CHECKOUT / name).parent.joinpath(link).exists(), f"{name} links to {link}"


def test_the_architecture_names_every_room() -> None:
    text = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = CHECKOUT / "amalgam"
    for path in package.iterdir():
        if path.name.startswith("_") or path.suffix == ".jinja" or path.name == "py.typed":
            continue
        assert path.name in text, f"docs/architecture.md does not name {path.name}"
    for name in set(re.findall(r"`(\w+\.py)`", text)):
        assert list(package.rglob(name)), f"docs/architecture.md names {name}, which is gone"
