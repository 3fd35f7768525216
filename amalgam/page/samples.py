"""What a page needs beside the exported file: rows, words, and what is to be said of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError
from amalgam.page.exported import Exported
from amalgam.tokens import series

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class About:
    """What a page says of the run.

    Attributes:
        title: its heading; "" names the file.
        strategy: the method's name, "" for none.
        teachers: the names of those that the student learned from.
    """

    title: str = ""
    strategy: str = ""
    teachers: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows that the student could be asked about.

    A dozen of them are shown as examples; all of them say what range a feature has, and how labels go together.

    Attributes:
        inputs: (N, *shape), raw, as the student reads them; None for texts that `texts` holds.
        features: the names of the columns, where rows have some.
        texts: N texts, of a student of texts.
        names: of the N rows; none numbers them.
        said: of each row, what it is annotated with, in words; none says nothing.
    """

    inputs: Floats | None = None
    features: Sequence[str] = ()
    texts: Sequence[str] = ()
    names: Sequence[str] = ()
    said: Sequence[str] = ()

    def rows(self, student: Exported) -> Floats:
        """The rows (N, *shape) as the file reads them, float32.

        Raises:
            RequestError: none, or some of another shape.
        """
        values = self.inputs
        if values is None and self.texts and student.reading is not None:
            values = series(student.reading.read(self.texts).numbers)
        if values is None or not len(values):
            raise RequestError(
                "a page shows some rows for people to begin with, and there are none; give at least one, such as with "
                "--check"
            )
        rows = student.fitted(np.asarray(values, dtype=np.float32))
        for what, given in (("names", self.names), ("texts", self.texts), ("annotations", self.said)):
            if given and len(given) != len(rows):
                raise RequestError(f"there are {len(rows)} rows and {len(given)} {what}; give one for each row")
        return rows


@dataclass(frozen=True)
class Vocabulary:
    """The words of an embedding.

    Attributes:
        words: each once, in the order of their ids.
    """

    words: Sequence[str]
