"""Word tests: what word embeddings are good for, by similarity, synonyms, texts, concepts and analogies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amalgam.wordtests import analogies, concepts, similarity, synonyms, texts
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.sets import WordSet, find, names
from amalgam.wordtests.vectors import WordVectors

__all__ = ["Outcome", "WordSet", "WordVectors", "find", "measure", "names"]


def measure(name: str, embedding: WordVectors, seed: int = 0, among: Collection[str] | None = None) -> Outcome:
    """How an embedding does in a word test.

    Args:
        name: of a set, as `names` lists those that are there.
        embedding: what is asked.
        seed: of the synonyms that are drawn, of the split of texts, and of the clusters of concepts.
        among: the words that synonyms are drawn from, by default those that the embedding knows.

    Raises:
        RequestError: an unknown name, a set that is not there or damaged, or vectors that are not finite.
    """
    found = find(name)
    content: Any = found.read()
    match found.kind:
        case "similarity":
            return similarity.similarity(embedding, content)
        case "synonyms":
            return synonyms.synonyms(embedding, content, seed, among=among)
        case "choices":
            return synonyms.choices(embedding, content)
        case "texts":
            return texts.texts(embedding, content, seed)
        case "concepts":
            return concepts.concepts(embedding, content, seed)
        case "analogies":
            return analogies.analogies(embedding, content)
