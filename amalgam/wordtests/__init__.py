"""Word tests: what word embeddings are good for, by similarity, synonyms, texts, concepts and analogies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amalgam.embeddings.words import WordVectors
from amalgam.wordtests import analogies, concepts, similarity, synonyms, texts
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.sets import WordSet, find, names

__all__ = ["Outcome", "WordSet", "find", "measure", "names"]


def measure(name: str, embedding: WordVectors, seed: int = 0, among: Collection[str] | None = None) -> Outcome:
    """How an embedding does in a word test.

    Embeddings that are compared are told the same seed and the same words `among`, such as all that any of them knows.
    Then each is asked the same, and `Outcome.missing` says what stands for a word that it does not know.

    Args:
        name: of a set, as `names` lists those that are there.
        embedding: what is asked.
        seed: of the pairs that are no synonyms, the folds of texts, and the clusters of concepts.
        among: the words that may be asked for and may be answers, by default those that the embedding knows.

    Raises:
        RequestError: an unknown name, a set that is not there or damaged, or vectors that are not finite.
    """
    found = find(name)
    content: Any = found.read()
    asked = Asked.of(embedding, among)
    match found.kind:
        case "similarity":
            return similarity.similarity(asked, content)
        case "synonyms":
            return synonyms.synonyms(asked, content, seed)
        case "choices":
            return synonyms.choices(asked, content)
        case "texts":
            return texts.texts(asked, content, seed)
        case "concepts":
            return concepts.concepts(asked, content, seed)
        case "analogies":
            return analogies.analogies(asked, content)
