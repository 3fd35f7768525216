"""Small pictures of rows: only where rows are images, only of those asked for, and kept beside the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from amalgam.errors import RequestError
from amalgam.signals import DatasetRows, TensorRows
from amalgam.thumbnails import SIDE, Thumbnails, pixel_grid, taken

DIGITS = load_digits()


def test_columns_that_are_named_for_pixels_are_an_image() -> None:
    rows = TensorRows(values=torch.from_numpy(DIGITS.data).float(), ids=torch.arange(1797) + 5)
    found = taken(rows, DIGITS.feature_names, [9, 5])
    assert found is not None
    assert found.rows.tolist() == [5, 9]
    assert found.pixels.shape == (2, 8, 8, 1)
    wanted = np.round(DIGITS.images[[0, 4]] / DIGITS.images[[0, 4]].max() * 255)
    np.testing.assert_array_equal(found.pixels[..., 0], wanted)
    np.testing.assert_array_equal(found.of(9), found.pixels[1])
    assert found.of(6) is None


@pytest.mark.parametrize(
    ("names", "grid"),
    [
        (["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1"], [[0, 1], [2, 3]]),
        (["pixel_1_2", "pixel_1_1", "pixel_1_0"], [[2, 1, 0]]),
        (["pixel_0_0", "pixel_0_10", "pixel_0_9"], [[0, 2, 1]]),
        (["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_2_1"], None),  # three rows and two columns, two of them missing
        (["pixel_0_0", "pixel_0_0"], None),
        (["pixel_0_0", "width"], None),
        (["a", "b", "c", "d"], None),
        ([], None),
    ],
)
def test_names_say_where_a_pixel_is(names: list[str], grid: list[list[int]] | None) -> None:
    found = pixel_grid(names)
    assert (found if found is None else found.tolist()) == grid


@pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 8, 8)])
def test_other_rows_are_no_images(shape: tuple[int, ...]) -> None:
    assert taken(TensorRows(values=torch.rand(5, *shape)), (), [1, 2]) is None


class Album:
    """A thousand large images of one colour each; which were opened is noted."""

    def __init__(self) -> None:
        self.opened = list[int]()

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, number: int) -> torch.Tensor:
        self.opened.append(number)
        return torch.full((3, 200, 100), number / 1000) * torch.tensor([1.0, 0.5, 0.0])[:, None, None]


def test_only_rows_that_are_shown_are_read_and_large_ones_become_small() -> None:
    album = Album()
    found = taken(DatasetRows(dataset=album), (), [900, 400, 900])
    assert found is not None
    assert set(album.opened) == {400, 900}
    assert found.pixels.shape == (2, SIDE, SIDE // 2, 3)
    assert found.pixels[0, 0, 0].tolist() == [102, 51, 0]
    assert taken(DatasetRows(dataset=album), (), []) is None


def test_values_below_nothing_are_black() -> None:
    found = taken(TensorRows(values=torch.tensor([-1.0, 0.0, 1.0, 3.0]).reshape(1, 1, 2, 2)), (), [0])
    assert found is not None
    assert found.pixels.ravel().tolist() == [0, 64, 128, 255]


def test_they_are_kept_in_the_run_directory(tmp_path: Path) -> None:
    assert Thumbnails.read(tmp_path) is None
    kept = Thumbnails(np.array([3, 1]), np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3))
    kept.write(tmp_path)
    again = Thumbnails.read(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.rows, kept.rows)
    np.testing.assert_array_equal(again.pixels, kept.pixels)
    (tmp_path / "thumbnails.npz").write_bytes(b"PK")
    with pytest.raises(RequestError, match=r"thumbnails.npz is damaged; delete it"):
        Thumbnails.read(tmp_path)
