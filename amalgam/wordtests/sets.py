"""The sets of word tests by name: in `$AMALGAM_DATA`, and those that gensim brings for its own tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from amalgam.errors import RequestError, listed, nearest
from amalgam.wordtests import corpora, readers
from amalgam.wordtests.analogies import Analogy
from amalgam.wordtests.concepts import Concepts
from amalgam.wordtests.similarity import Rated
from amalgam.wordtests.synonyms import Question, Synonyms
from amalgam.wordtests.texts import Texts

Content: TypeAlias = Rated | Synonyms | Sequence[Question] | Texts | Concepts | Mapping[str, Sequence[Analogy]]
"""What a set holds, by its kind."""

Kind: TypeAlias = Literal["similarity", "synonyms", "choices", "texts", "concepts", "analogies"]
"""What is asked: the content is `Rated`, `Synonyms`, questions, `Texts`, `Concepts`, or sections of analogies."""

GENSIM = "gensim:"
"""How the file of a set begins that gensim brings."""


@dataclass(frozen=True)
class WordSet:
    """A set of a word test.

    Attributes:
        name: what it is called.
        kind: what is asked, and so what `read` returns.
        file: under `$AMALGAM_DATA`, or among gensim's.
        reader: reads it.
        part_of: the set that holds the same questions, which an average should count once; "" if none does, or it is
            not there.
    """

    name: str
    kind: Kind
    file: str
    reader: Callable[[Path], Content]
    part_of: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it can be read now."""
        if self.file.startswith(GENSIM):
            return find_spec("gensim") is not None  # to ask gensim for the file would import it
        return self._place().is_file()

    def read(self) -> Content:
        """What it holds.

        Raises:
            RequestError: it is not there, or damaged, by file and line.
        """
        if not self.is_here:
            where = f"there is no {self._place()}" if os.environ.get("AMALGAM_DATA") else "AMALGAM_DATA is not set"
            raise RequestError(f"word test {self.name!r} is {self.file} in the folder $AMALGAM_DATA, and {where}")
        return self.reader(self._place())

    def _place(self) -> Path:
        if self.file.startswith(GENSIM):
            from gensim.test.utils import datapath

            return Path(datapath(self.file.removeprefix(GENSIM)))
        return Path(os.environ.get("AMALGAM_DATA") or os.devnull).expanduser() / self.file


_POLARITY = {"sentence_polarity/rt-polarity.pos": "positive", "sentence_polarity/rt-polarity.neg": "negative"}
_SUBJECTIVITY = {"subjectivity/plot.tok.gt9.5000": "objective", "subjectivity/quote.tok.gt9.5000": "subjective"}
_REVIEWS = {"pros_cons/IntegratedPros.txt": "pros", "pros_cons/IntegratedCons.txt": "cons"}

EVERY = (
    WordSet("card-660", "similarity", "wordsim/card-660/dataset.tsv", readers.pairs),
    WordSet("rare-words", "similarity", "wordsim/rare-words/rw.txt", partial(readers.pairs, more=True)),
    WordSet("simlex-999", "similarity", "wordsim/EN-SIMLEX-999.txt", readers.pairs),
    WordSet("simverb-3500", "similarity", "wordsim/EN-SimVerb-3500.txt", readers.pairs),
    WordSet("ws-353", "similarity", "wordsim/EN-WS-353-ALL.txt", readers.pairs),
    WordSet("ws-353-rel", "similarity", "wordsim/EN-WS-353-REL.txt", readers.pairs, "ws-353"),
    WordSet("ws-353-sim", "similarity", "wordsim/EN-WS-353-SIM.txt", readers.pairs, "ws-353"),
    WordSet("mturk-287", "similarity", "wordsim/EN-MTurk-287.txt", readers.pairs),
    WordSet("rg-65", "similarity", "wordsim/EN-RG-65.txt", readers.pairs),
    WordSet("mc-30", "similarity", "wordsim/EN-MC-30.txt", readers.pairs, "rg-65"),
    WordSet("yp-130", "similarity", "wordsim/EN-YP-130.txt", readers.pairs),
    WordSet("semeval-17", "similarity", "wordsim/semeval17-task2-en.csv", readers.semeval),
    WordSet("umnsrs-sim", "similarity", "wordsim/umnsrs-sim.json", readers.umnsrs),
    WordSet("umnsrs-rel", "similarity", "wordsim/umnsrs-rel.json", readers.umnsrs),
    WordSet("wordsim353", "similarity", f"{GENSIM}wordsim353.tsv", readers.pairs, "ws-353"),
    WordSet("simlex999", "similarity", f"{GENSIM}simlex999.txt", readers.pairs, "simlex-999"),
    WordSet("wordnet", "synonyms", "synonyms/imagenet22k_synset_to_lemma.tsv.xz", readers.synsets),
    WordSet("ppdb-xl", "synonyms", "synonyms/ppdb-xl.txt.xz", readers.paraphrases),
    WordSet("cs124", "choices", "synonyms/cs124-synonym-questions.tsv", readers.questions),
    WordSet("airline", "texts", "textcls/us-airline-tweets.csv.xz", corpora.tweets),
    WordSet("movies", "texts", "textcls/sentence_polarity.zip", partial(corpora.sentences, members=_POLARITY)),
    WordSet("subjectivity", "texts", "textcls/subjectivity.zip", partial(corpora.sentences, members=_SUBJECTIVITY)),
    WordSet("pros-cons", "texts", "textcls/pros_cons.zip", partial(corpora.reviews, members=_REVIEWS)),
    WordSet("essli-2008", "concepts", "concepts/essli-2008.csv", readers.concepts),
    WordSet("essli-2008-coarse", "concepts", "concepts/essli-2008.csv", partial(readers.concepts, coarse=True),
            "essli-2008"),
    WordSet("ap", "concepts", "concepts/ap.csv", readers.concepts),
    WordSet("bless", "concepts", "concepts/bless.csv", readers.concepts),
    WordSet("questions-words", "analogies", f"{GENSIM}questions-words.txt", readers.analogies),
)  # fmt: skip
"""All sets there are, here or not."""


def names() -> tuple[str, ...]:
    """The sets that can be read now; `$AMALGAM_DATA` is looked at anew at each call."""
    return tuple(one.name for one in EVERY if one.is_here)


def find(name: str) -> WordSet:
    """The set of a name, by which it is known what it asks and how it is read; it need not be there.

    Raises:
        RequestError: no set has the name.
    """
    known = {one.name: one for one in EVERY}
    if name not in known:
        raise RequestError(f"unknown word test {name!r}{nearest(name, known)} (known: {listed(known, len(known))})")
    found = known[name]
    whole = known.get(found.part_of)
    return found if whole is None or whole.is_here else replace(found, part_of="")
