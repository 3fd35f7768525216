"""Label graphs made of WordNet's hypernyms, through NLTK."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx

from amalgam.errors import RequestError, listed
from amalgam.labelgraph.as_node_link import SOURCE
from amalgam.labelgraph.building import of_classes
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.texts import read_text

_TOP = "root"
_INSTALL = "pip install nltk, then fetch WordNet: python -m nltk.downloader wordnet"


def from_wordnet(
    words: Sequence[str] | Mapping[str, Sequence[str]], senses: Mapping[str, str] | None = None, name: str = "wordnet"
) -> LabelGraph:
    """A graph of what WordNet says that words are kinds of, in all ways in which it says so.

    Synsets through which only one way leads on are left out, as is all above the first that divides.

    Args:
        words: nouns; or source → its nouns, which meet in one graph. Blanks may be written `_`.
        senses: word → its synset (`crane.n.05`), where it is not the first that WordNet has of it.
        name: what the graph is called.

    Returns:
        A source, and a group, for each source of the words, `classes` for words alone. A label whose synset stands
        above another label of its source is a leaf below it, since a row has one label.

    Raises:
        RequestError: NLTK or its WordNet is not installed; nothing is downloaded. A word that WordNet does not have, or
            two words of one synset.
    """
    own = words if isinstance(words, Mapping) else {SOURCE: words}
    every = tuple(dict.fromkeys(word for listing in own.values() for word in listing))
    if not every:
        raise RequestError(f"the label graph {name} has no words; list some")
    wordnet = _wordnet()
    synsets = {word: _synset(wordnet, word, (senses or {}).get(word)) for word in every}
    _refuse_one_synset(synsets)
    network, titles = _hypernyms(synsets.values())
    keys = {word: str(synset.name()) for word, synset in synsets.items()}
    titles |= {key: word for word, key in keys.items()}
    for word, key in list(keys.items()):
        below = networkx.descendants(network, key)
        if any(word in listing and any(keys[other] in below for other in listing) for listing in own.values()):
            keys[word] = f"{key}: {word}"
            network.add_edge(key, keys[word])
            titles[keys[word]] = word
    root = _narrowed(network, set(keys.values()))
    labels = {source: [keys[word] for word in listing] for source, listing in own.items()}
    met = set[str]()
    groups = dict[str, list[str]]()
    for source, listing in labels.items():
        groups[source] = [key for key in listing if key not in met]
        met |= set(listing)
    kept = {key: title for key, title in titles.items() if key in network}
    return of_classes(name, network, root, kept, groups, labels)


def read_words(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words in a file of a word a line, and the synsets of those that have one after a tab (`crane⇥crane.n.05`).

    Raises:
        RequestError: no such file, no words, or one twice.
    """
    senses = dict[str, str]()
    words = dict[str, int]()
    for number, line in enumerate(read_text(path, "words").splitlines(), 1):
        word, _, sense = (part.strip() for part in line.partition("\t"))
        if not word:
            continue
        if word in words:
            raise RequestError(f"words {path} line {number}: {word!r} is in line {words[word]} already; take one out")
        words[word] = number
        if sense:
            senses[word] = sense
    if not words:
        raise RequestError(f"words {path} holds no words; write one a line")
    return tuple(words), senses


def _wordnet() -> Any:
    """NLTK's reader of WordNet."""
    try:
        corpus = importlib.import_module("nltk.corpus")
    except ImportError:
        raise RequestError(f"a label graph of WordNet needs NLTK, which is not installed: {_INSTALL}") from None
    try:
        corpus.wordnet.ensure_loaded()
    except LookupError:
        raise RequestError(f"NLTK has no WordNet here: {_INSTALL.partition('then ')[2]}") from None
    return corpus.wordnet


def _synset(wordnet: Any, word: str, sense: str | None) -> Any:
    """The synset of a word: the one that is told, or the first."""
    lemma = sense.rsplit(".", 2)[0] if sense else "_".join(word.split())
    found = {str(one.name()): one for one in wordnet.synsets(lemma, pos="n")}
    if not found:
        raise RequestError(
            f"WordNet has no noun {lemma!r}; say which synset it is, after a tab: `{word}⇥NAME.n.01`, or leave it out"
        )
    if sense is not None and sense not in found:
        raise RequestError(f"WordNet has no synset {sense!r} of {word!r}; expected one of {listed(found, len(found))}")
    return found[sense] if sense else next(iter(found.values()))


def _refuse_one_synset(synsets: Mapping[str, Any]) -> None:
    """RequestError for two words that WordNet takes for one."""
    word_of = dict[str, str]()
    for word, synset in synsets.items():
        key = str(synset.name())
        if key in word_of:
            raise RequestError(
                f"{word_of[key]!r} and {word!r} are both {key} in WordNet; call them alike if they are one label, or "
                f"say which synset each is, after a tab: `{word}⇥NAME.n.01`"
            )
        word_of[key] = word


def _hypernyms(synsets: Any) -> tuple[networkx.DiGraph[str], dict[str, str]]:
    """All that synsets are kinds of, from above to below, and what the synsets are called."""
    network: networkx.DiGraph[str] = networkx.DiGraph()
    titles, waiting = dict[str, str](), list(synsets)
    for one in waiting:  # what is above is appended on the way
        key = str(one.name())
        if key in titles:
            continue
        titles[key] = str(one.lemma_names()[0]).replace("_", " ")
        network.add_node(key)
        for upper in (*one.hypernyms(), *one.instance_hypernyms()):
            network.add_edge(str(upper.name()), key)
            waiting.append(upper)
    tops = [key for key, degree in network.in_degree if degree == 0]
    network.add_edges_from((_TOP, key) for key in tops)
    titles[_TOP] = _TOP
    return network, titles


def _narrowed(network: networkx.DiGraph[str], labels: set[str]) -> str:
    """Take out of a network what has one node below it and is no label; the root that is left."""
    for node in reversed(list(networkx.topological_sort(network))):
        if node == _TOP or node in labels or network.out_degree(node) != 1:
            continue
        (below,) = network[node]
        network.add_edges_from((upper, below) for upper in list(network.predecessors(node)))
        network.remove_node(node)
    below = list(network[_TOP])
    if len(below) == 1 and below[0] not in labels:
        network.remove_node(_TOP)
        return str(below[0])
    return _TOP
