"""MULAN and MEKA data sets: which ARFF attributes are labels, what the others become, and where the files lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets import arff
from amalgam.datasets.compressed import opened, plain_name
from amalgam.datasets.loaded import DataOptions, Table
from amalgam.errors import RequestError, listed, nearest

_YES = {"1", "1.0", "yes", "true"}
_NO = {"0", "0.0", "no", "false"}
_MEKA = re.compile(r"-C\s+(-?\d+)")
_FILTERED = re.compile(r"-weka\.filters\.[\w.]*attribute")  # a filter that may have moved the labels since -C was set


def find(folder: Path) -> list[Path]:
    """The ARFF files that make up the data set in a folder: the whole, or else train and test.

    Files whose names start with the folder's belong to it (`tmc2007/tmc2007-500.arff.xz`).

    Raises:
        RequestError: no such file, several wholes, or one of train and test without the other.
    """
    stems: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{folder.name}*.arff*")):
        if plain_name(path).endswith(".arff"):
            stems.setdefault(plain_name(path).removesuffix(".arff"), path)
    wholes = [stem for stem in stems if not stem.endswith(("-train", "-test"))]
    if folder.name in stems or len(wholes) == 1:
        return [stems[folder.name if folder.name in stems else wholes[0]]]
    for stem in sorted(stems):
        base = stem.removesuffix("-train")
        if not wholes and base != stem and f"{base}-test" in stems:
            return [stems[stem], stems[f"{base}-test"]]
    raise RequestError(
        f"{folder} holds {listed(stems) or 'no ARFF file'}, expected one whole {folder.name}*.arff, or a -train and a "
        "-test file; give the path of the file you mean"
    )


def read(paths: Sequence[Path], name: str, options: DataOptions) -> Table:
    """One data set from its ARFF files, their rows in the order of the files.

    Numeric attributes are features as they are. Of a nominal attribute with two values one is 1 (that of 1, YES, TRUE,
    or else the one not 0, NO, FALSE, or else the second) and the other 0; with more values it becomes one column a
    value, `attribute=value`, except that an attribute whose value differs in every row identifies rows: it is left
    out, which the notes say.

    Raises:
        RequestError: names file and line, or the option that does not fit.
    """
    files = [arff.read(path, options.drop) for path in paths]
    first = files[0]
    for other in files[1:]:
        if other.attributes != first.attributes:
            raise RequestError(f"{other.path} declares other attributes than {first.path}; load them one by one")
    names = [one.name for one in first.attributes]
    unknown = next((column for column in options.drop if column not in names), None)
    if unknown is not None:
        raise RequestError(f"{first.path} has no attribute {unknown!r} to drop{nearest(unknown, names)}")
    labels = [names.index(label) for label in _labels(first, names, options)]
    for column in labels:
        _refuse_many_values(first, column)
    codes = np.concatenate([file.codes for file in files])
    swapped = [place for place, one in enumerate(first.attributes) if _first_means_one(one)]
    codes[:, swapped] = 1 - codes[:, swapped]
    features, blocks, notes = _features(first.attributes, codes, set(labels))
    places = [(str(file.path), file.lines) for file in files]
    return Table(
        name=name,
        inputs=np.concatenate(blocks, axis=1),
        features=tuple(features),
        labels=tuple(names[column] for column in labels),
        annotated=codes[:, labels] if labels else None,
        where=lambda row: _place(places, row),
        notes=tuple(notes),
    )


def _place(places: list[tuple[str, NDArray[np.int64]]], row: int) -> str:
    for path, lines in places:
        if row < len(lines):
            return f"{path} line {lines[row]}"
        row -= len(lines)
    raise IndexError(row)


def _labels(file: arff.Arff, names: list[str], options: DataOptions) -> Sequence[str]:
    """The names of the labels: as the options say, else the XML file beside, else the MEKA relation name."""
    xml = label_file(file.path, options)
    if options.labels is not None:
        missing = next((label for label in options.labels if label not in names), None)
        if missing is not None:
            raise RequestError(f"{file.path} has no attribute {missing!r} to be a label{nearest(missing, names)}")
        labels: Sequence[str] = options.labels
    elif xml is not None:
        labels = read_xml(xml, file.path, names)
    elif options.label_count is not None:
        labels = _counted(file, names, options.label_count, options.label_position or "end")
    else:
        labels = _meka(file, names, options)
    dropped = next((label for label in labels if label in options.drop), None)
    if dropped is not None:
        raise RequestError(f"{dropped!r} is a label of {file.path} and cannot be dropped; take it out of `drop`")
    return labels


def label_file(path: Path, options: DataOptions) -> Path | None:
    """The XML file that names the labels of an ARFF file, if one does: as the options say, else one beside it."""
    if options.xml is not None:
        return Path(options.xml)
    if options.labels is not None or options.label_count is not None:
        return None
    stem = plain_name(path).removesuffix(".arff")
    beside = (path.with_name(f"{base}.xml") for base in (stem, stem.removesuffix("-train").removesuffix("-test")))
    return next((one for one in beside if one.is_file()), None)


def _meka(file: arff.Arff, names: list[str], options: DataOptions) -> Sequence[str]:
    """The labels that a MEKA relation name counts: `-C 6` the first six attributes, `-C -6` the last."""
    found = _MEKA.search(file.relation)
    if not found or int(found[1]) == 0:
        raise RequestError(
            f"{file.path} does not say which attributes are labels: no XML file beside it, no -C in its relation name; "
            "set the data option `labels`, `xml` or `label_count` (0 for data without labels)"
        )
    if _FILTERED.search(file.relation, found.end()):
        raise RequestError(
            f"{file.path} counts its labels ({found[0]}) in a relation name that a Weka attribute filter changed "
            "since, so they may have moved; set the data option `labels`, `xml` or `label_count`"
        )
    count = int(found[1])
    return _counted(file, names, abs(count), options.label_position or ("start" if count > 0 else "end"))


def _counted(file: arff.Arff, names: list[str], count: int, position: str) -> Sequence[str]:
    if count >= len(names):
        raise RequestError(f"{file.path} has {len(names)} attributes, too few for {count} labels and a feature")
    return names[:count] if position == "start" else names[len(names) - count :]


def read_xml(path: Path, owner: Path, names: Sequence[str]) -> list[str]:
    """The label names in a MULAN XML file, in its order. A document type, and so every entity, is refused.

    Args:
        path: the XML file.
        owner: the ARFF file, for messages.
        names: its attributes, which every label must be one of.
    """
    labels: dict[str, int] = {}
    parser = expat.ParserCreate()

    def element(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] != "label":
            return
        where = f"{path} line {parser.CurrentLineNumber}"
        label = attributes.get("name", "")
        if label not in names:
            raise RequestError(f"{where}: the label {label!r} is no attribute of {owner}{nearest(label, names)}")
        if label in labels:
            raise RequestError(f"{where}: the label {label!r} is named twice; leave one")
        labels[label] = parser.CurrentLineNumber

    def document_type(*_: object) -> None:
        raise RequestError(
            f"{path} line {parser.CurrentLineNumber}: a document type (DOCTYPE, ENTITY) is refused; a label file is "
            "only <labels> of <label name=…>"
        )

    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = document_type
    with opened(path) as stream:
        content = stream.read()
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise RequestError(f"{path} line {error.lineno} is no XML: {expat.ErrorString(error.code)}") from None
    if not labels:
        raise RequestError(f"{path} names no labels; expected <labels> of <label name=…>")
    return list(labels)


def _refuse_many_values(file: arff.Arff, column: int) -> None:
    attribute = file.attributes[column]
    if len(attribute.values) > 2:
        raise RequestError(
            f"{file.path}: the label {attribute.name!r} has {len(attribute.values)} values "
            f"({listed(attribute.values)}), expected two; a label is there or not"
        )


def _first_means_one(attribute: arff.Attribute) -> bool:
    """Whether the first of one or two nominal values is the one that becomes 1."""
    if attribute.kind != "nominal" or len(attribute.values) > 2:
        return False
    first, *second = (value.casefold() for value in attribute.values)
    if not second:
        return first not in _NO
    return (first in _YES and second[0] not in _YES) or (second[0] in _NO and first not in _NO)


def _features(
    attributes: Sequence[arff.Attribute], codes: NDArray[np.float32], labels: set[int]
) -> tuple[list[str], list[NDArray[np.float32]], list[str]]:
    """The features' names, their columns in blocks (N, k), and notes."""
    names: list[str] = []
    blocks: list[NDArray[np.float32]] = []
    notes: list[str] = []
    plain: list[int] = []  # neighbouring columns that stay as they are, copied together
    for place, attribute in enumerate(attributes):
        if place in labels:
            continue
        if attribute.kind == "skipped":
            notes.append(f"column {attribute.name!r} was left out as asked")
        elif attribute.kind == "numeric" or len(attribute.values) <= 2:
            names.append(attribute.name)
            plain.append(place)
        elif len(codes) > 1 and len(np.unique(codes[:, place])) == len(codes) and not np.isnan(codes[:, place]).any():
            notes.append(f"column {attribute.name!r} was left out: it differs in every row, so it identifies rows")
        else:
            names += [f"{attribute.name}={value}" for value in attribute.values]
            column = codes[:, place, None]
            hot = np.where(np.isnan(column), np.nan, column == np.arange(len(attribute.values)))
            blocks += [codes[:, plain], hot.astype(np.float32)]
            plain = []
    return names, [*blocks, codes[:, plain]], notes
