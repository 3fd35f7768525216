"""Images in archives, read where they lie."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError


def picture(shade: int, size: tuple[int, int] = (6, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (shade, 0, 255 - shade)).save(stream, format="PNG")
    return stream.getvalue()


def packed(path: Path, members: dict[str, bytes]) -> str:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return str(path)
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return str(path)


CLASSES = {"all/cat/1.png": picture(10), "all/cat/2.png": picture(20), "all/dog/1.png": picture(200),
           "all/read.me": b"no image", "all/.hidden/1.png": picture(0)}  # fmt: skip


def load(spec: str, **options: object) -> datasets.Loaded:
    return datasets.load(spec, DataOptions.model_validate(options))


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip"])
def test_folders_in_an_archive_are_classes(tmp_path: Path, name: str) -> None:
    rows = load(packed(tmp_path / name, CLASSES)).rows
    assert rows.labels == ("cat", "dog")
    assert rows.annotated is not None
    assert rows.annotated.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert rows.shape == (3, 4, 6)
    np.testing.assert_allclose(rows.inputs(slice(None))[:, 0, 0, 0] * 255, [10, 20, 200], atol=0.01)


def test_a_folder_in_an_archive_can_be_named(tmp_path: Path) -> None:
    spec = packed(tmp_path / "x.tar", CLASSES)
    rows = load(f"{spec}/all/cat", channels=1, size=8).rows
    assert rows.annotated is None
    assert rows.shape == (1, 8, 8)
    assert len(rows) == 2
    with pytest.raises(RequestError, match=r"has no images in 'all/cow'.*\(its folders: "):
        load(f"{spec}/all/cow")


def test_the_17_flowers_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("daffodil\nsnowdrop\n")
    members = {f"jpg/image_{number:04d}.png": picture(number % 255) for number in (1, 80, 81, 160)}
    rows = load(packed(tmp_path / "17flowers-x.tar", members)).rows
    assert rows.labels == ("daffodil", "snowdrop")
    assert rows.annotated is not None
    assert rows.annotated.argmax(1).tolist() == [0, 0, 1, 1]


def test_a_folder_with_one_archive_is_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images" / "pets").mkdir(parents=True)
    packed(tmp_path / "images" / "pets" / "pets.tar", CLASSES)
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    assert "pets" in datasets.names()
    assert load("pets").rows.labels == ("cat", "dog")
    assert load("images/pets/pets.tar/all/cat").rows.shape == (3, 4, 6)


def test_members_cannot_lead_out_of_an_archive(tmp_path: Path) -> None:
    """Nothing is written: a path like this is a name and no more."""
    (tmp_path / "deep").mkdir()
    members = {"../../evil/cat/1.png": picture(1), "../../evil/dog/1.png": picture(2)}
    load(packed(tmp_path / "deep" / "x.tar", members))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "x.tar"]


def test_what_cannot_be_read_is_named_or_left_out(tmp_path: Path) -> None:
    spec = packed(tmp_path / "x.tar", {**CLASSES, "all/dog/2.png": picture(5)[:40]})
    with pytest.raises(
        RequestError, match=r"x\.tar: all/dog/2\.png is no image that can be read.*the first of 1 such images; set the"
    ):
        load(spec)
    loaded = load(spec, missing="drop_rows")
    assert len(loaded.rows) == 3
    assert loaded.notes[0] == "1 of 4 images were left out, since they cannot be read"
    spec = packed(tmp_path / "y.tar", {**CLASSES, "all/dog/2.png": picture(5, (3, 3))})
    with pytest.raises(RequestError, match=r"has images of several sizes; set the data option `size`"):
        load(spec)
    assert load(spec, size=5).rows.shape == (3, 5, 5)
    (tmp_path / "z.tar").write_bytes(b"nothing")
    with pytest.raises(RequestError, match=r"z\.tar is damaged"):
        load(str(tmp_path / "z.tar"))
    spec = packed(tmp_path / "w.tar", {"a/1.png": picture(1), "1.png": picture(2)})
    with pytest.raises(RequestError, match="holds images beside folders of images"):
        load(spec)
