"""The sets of word tests by name: in the folder that `AMALGAM_DATA` names, and those that gensim brings with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

_GENSIM = "gensim:"  # how the file of a set begins that gensim brings with it


@dataclass(frozen=True)
class WordSet:
    """A set of a word test.

    Attributes:
        name: what it is called.
        kind: what is asked, and so what `read` returns.
        about: what it holds.
        source: who made it, and where it was published.
        file: below the folder that `AMALGAM_DATA` names, or among gensim's.
        reader: reads it.
    """

    name: str
    kind: Kind
    about: str
    source: str
    file: str
    reader: Callable[[Path], Content]

    @property
    def is_here(self) -> bool:
        """Whether it can be read now."""
        place = self._place()
        return place is not None and place.is_file()

    def read(self) -> Content:
        """What it holds.

        Raises:
            RequestError: it is not there, or damaged, by file and line.
        """
        return self.reader(self.require())

    def require(self) -> Path:
        """Its file; RequestError when it is not there."""
        place = self._place()
        if place is not None and place.is_file():
            return place
        if self.file.startswith(_GENSIM):
            raise RequestError(
                f"word test {self.name!r} is a file of gensim's, and there is no {place}; install it anew"
            )
        raise RequestError(
            f"word test {self.name!r} is not here: "
            + ("AMALGAM_DATA is not set" if place is None else f"there is no {place}")
            + f"; let the environment variable AMALGAM_DATA name a folder that has {self.file} ({self.source})"
        )

    def _place(self) -> Path | None:
        """Where it should be; gensim's are found without importing it."""
        if self.file.startswith(_GENSIM):
            spec = find_spec("gensim")
            brought = Path(spec.origin).parent / "test" / "test_data" if spec is not None and spec.origin else None
            return brought and brought / self.file.removeprefix(_GENSIM)
        home = os.environ.get("AMALGAM_DATA")
        return Path(home).expanduser() / self.file if home else None


_POLARITY = {"sentence_polarity/rt-polarity.pos": "positive", "sentence_polarity/rt-polarity.neg": "negative"}
_SUBJECTIVITY = {"subjectivity/plot.tok.gt9.5000": "objective", "subjectivity/quote.tok.gt9.5000": "subjective"}
_REVIEWS = {"pros_cons/IntegratedPros.txt": "pros", "pros_cons/IntegratedCons.txt": "cons"}

EVERY = (
    WordSet("card-660", "similarity", "660 pairs of rare words, names, slang and terms; Table 1's Card",
            "Pilehvar et al., Card-660, EMNLP 2018",
            "wordsim/card-660/dataset.tsv", readers.pairs),
    WordSet("rare-words", "similarity", "2,034 pairs with a rare word; Table 1's RareWord",
            "Luong, Socher, Manning, Better word representations with recursive neural networks, CoNLL 2013",
            "wordsim/rare-words/rw.txt", partial(readers.pairs, more=True)),
    WordSet("simlex999", "similarity", "999 pairs, rated by likeness and not by association",
            "Hill, Reichart, Korhonen, SimLex-999, Computational Linguistics 41(4), 2015",
            f"{_GENSIM}simlex999.txt", readers.pairs),
    WordSet("simverb-3500", "similarity", "3,500 pairs of verbs, rated by likeness",
            "Gerz et al., SimVerb-3500, EMNLP 2016",
            "wordsim/EN-SimVerb-3500.txt", readers.pairs),
    WordSet("wordsim353", "similarity", "353 pairs, rated by how related they are",
            "Finkelstein et al., Placing search in context, ACM TOIS 20(1), 2002",
            f"{_GENSIM}wordsim353.tsv", readers.pairs),
    WordSet("wordsim353-rel", "similarity", "252 of the pairs of wordsim353: associated, or neither",
            "Agirre et al., A study on similarity and relatedness, NAACL 2009",
            "wordsim/EN-WS-353-REL.txt", readers.pairs),
    WordSet("wordsim353-sim", "similarity", "203 of the pairs of wordsim353: alike, or neither",
            "Agirre et al., A study on similarity and relatedness, NAACL 2009",
            "wordsim/EN-WS-353-SIM.txt", readers.pairs),
    WordSet("mturk-287", "similarity", "287 pairs of words from news, rated by how related they are",
            "Radinsky et al., A word at a time, WWW 2011",
            "wordsim/EN-MTurk-287.txt", readers.pairs),
    WordSet("rg-65", "similarity", "65 pairs of nouns",
            "Rubenstein, Goodenough, Contextual correlates of synonymy, CACM 8(10), 1965",
            "wordsim/EN-RG-65.txt", readers.pairs),
    WordSet("mc-30", "similarity", "30 of the pairs of rg-65, rated anew",
            "Miller, Charles, Contextual correlates of semantic similarity, LCP 6(1), 1991",
            "wordsim/EN-MC-30.txt", readers.pairs),
    WordSet("yp-130", "similarity", "130 pairs of verbs",
            "Yang, Powers, Verb similarity on the taxonomy of WordNet, GWC 2006",
            "wordsim/EN-YP-130.txt", readers.pairs),
    WordSet("semeval-17", "similarity", "500 pairs of nouns, names and terms of several words",
            "Camacho-Collados et al., SemEval-2017 task 2",
            "wordsim/semeval17-task2-en.csv", readers.semeval),
    WordSet("umnsrs-sim", "similarity", "566 pairs of drugs, disorders and symptoms, rated by likeness",
            "Pakhomov et al., Semantic similarity and relatedness between clinical terms, AMIA 2010",
            "wordsim/umnsrs-sim.json", readers.umnsrs),
    WordSet("umnsrs-rel", "similarity", "587 pairs of drugs, disorders and symptoms, rated by how related they are",
            "Pakhomov et al., Semantic similarity and relatedness between clinical terms, AMIA 2010",
            "wordsim/umnsrs-rel.json", readers.umnsrs),
    WordSet("wordnet", "synonyms", "32,072 pairs of nouns that share a synset; Table 1's WordNet",
            "Miller, WordNet, CACM 38(11), 1995",
            "synonyms/imagenet22k_synset_to_lemma.tsv.xz", readers.synsets),
    WordSet("ppdb-xl", "synonyms", "187,278 pairs of paraphrases, found by translation; not in Table 1",
            "Ganitkevitch, Van Durme, Callison-Burch, PPDB, NAACL 2013",
            "synonyms/ppdb-xl.txt.xz", readers.paraphrases),
    WordSet("cs124", "choices", "30 questions which of four words is a synonym",
            "course CS124, Stanford",
            "synonyms/cs124-synonym-questions.tsv", readers.questions),
    WordSet("airline", "texts", "14,640 tweets on airlines: negative, neutral or positive; Table 1's Airline",
            "Twitter US Airline Sentiment, CrowdFlower, 2015",
            "textcls/us-airline-tweets.csv.xz", corpora.tweets),
    WordSet("movies", "texts", "10,662 sentences of film reviews: negative or positive; Table 1's Movie",
            "Pang, Lee, Seeing stars, ACL 2005",
            "textcls/sentence_polarity.zip", partial(corpora.sentences, members=_POLARITY)),
    WordSet("subjectivity", "texts", "10,000 sentences on films: of a plot or of a review",
            "Pang, Lee, A sentimental education, ACL 2004",
            "textcls/subjectivity.zip", partial(corpora.sentences, members=_SUBJECTIVITY)),
    WordSet("pros-cons", "texts", "45,875 pros and cons from product reviews; Table 1's ProCon",
            "Ganapathibhotla, Liu, Mining opinions in comparative sentences, COLING 2008",
            "textcls/pros_cons.zip", partial(corpora.reviews, members=_REVIEWS)),
    WordSet("esslli-2008", "concepts", "45 verbs in 9 categories; Table 1's ESSLLI",
            "Baroni, Evert, Lenci, ESSLLI workshop on distributional lexical semantics, 2008",
            "concepts/essli-2008.csv", readers.concepts),
    WordSet("esslli-2008-coarse", "concepts", "the verbs of esslli-2008 in 5 categories",
            "Baroni, Evert, Lenci, ESSLLI workshop on distributional lexical semantics, 2008",
            "concepts/essli-2008.csv", partial(readers.concepts, coarse=True)),
    WordSet("ap", "concepts", "402 nouns in 21 categories",
            "Almuhareb, Attributes in lexical acquisition, University of Essex, 2006",
            "concepts/ap.csv", readers.concepts),
    WordSet("bless", "concepts", "200 nouns in 17 categories",
            "Baroni, Lenci, How we BLESSed distributional semantic evaluation, GEMS 2011",
            "concepts/bless.csv", readers.concepts),
    WordSet("questions-words", "analogies", "19,544 questions in 14 sections: capitals, plurals, comparatives, …",
            "Mikolov et al., Efficient estimation of word representations in vector space, ICLR 2013",
            f"{_GENSIM}questions-words.txt", readers.analogies),
)  # fmt: skip
"""All sets there are, here or not."""


def names() -> tuple[str, ...]:
    """The sets that can be read now; the environment is looked at anew at each call."""
    return tuple(one.name for one in EVERY if one.is_here)


def find(name: str) -> WordSet:
    """The set of a name; it need not be here.

    Raises:
        RequestError: no set has the name.
    """
    known = {one.name: one for one in EVERY}
    if name not in known:
        raise RequestError(f"unknown word test {name!r}{nearest(name, known)} (known: {listed(known, len(known))})")
    return known[name]
