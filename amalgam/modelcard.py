"""What the Hub reads of a model card: its front matter, and whose licence a student is under."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgam.errors import listed
from amalgam.files import without_folders

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

    from amalgam.evaluation import Evaluation
    from amalgam.report import Report
    from amalgam.wordreport import WordReport

README = "README.md"
"""The file that holds a model card."""
_LIBRARY = "amalgam"
_PIPELINES = {"texts": "text-classification", "images": "image-classification", "tables": "tabular-classification"}
"""The Hub's name of a task, by what the inputs are; it has none for the classification of series."""
_SERIES = "time-series-classification"
_METRICS = {"f1_micro": "f1", "f1_macro": "f1", "task_accuracy": "accuracy"}
"""The Hub's name of a measure, where it is not ours."""
_LICENSES = frozenset(
    {
        "afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0", "bigcode-openrail-m",
        "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
        "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0",
        "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "creativeml-openrail-m",
        "deepfloyd-if-license", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2",
        "fair-noncommercial-research-license", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "h-research",
        "intel-research", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "llama2", "llama3", "llama3.1",
        "llama3.2", "llama3.3", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1",
        "open-mdw", "openrail", "openrail++", "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
    }
)  # fmt: skip
"""What the Hub takes for a licence; any other is `other` there, and has a name."""


def front_matter(data: ModelCardData) -> str:
    """The YAML between two lines of dashes that a model card begins with; users' words in it are one line each."""
    return f"---\n{data.to_yaml()}\n---\n"


def of_report(report: Report) -> ModelCardData:
    """What the Hub is told of a student of rows."""
    from huggingface_hub import ModelCardData

    known = report.student
    kind = "multi-class" if known.exclusive else "multi-task" if known.tasks else "multi-label"
    tags = [*_tags(report.strategy), f"{kind}-classification", *(["time-series"] if known.inputs == "series" else [])]
    found = list(_results(report.evaluation, _PIPELINES.get(known.inputs, _SERIES), measured_on(report.settings)))
    return ModelCardData(
        library_name=_LIBRARY,
        pipeline_tag=_PIPELINES.get(known.inputs),
        tags=[*tags, *(["onnx"] if report.export else [])],
        **_licensed([one.licence for one in report.teachers]),
        **_named(report.recipe, found),
    )


def of_words(report: WordReport, student: str) -> ModelCardData:
    """What the Hub is told of an embedding of words, which goes by a name in its report."""
    from huggingface_hub import EvalResult, ModelCardData

    task = "feature-extraction"
    found = [
        EvalResult(
            task_type=task, dataset_type=_slug(test.set), dataset_name=one_line(test.set),
            metric_type=_slug(test.measure), metric_name=one_line(test.measure), metric_value=round(value, 6),
        )
        for test in report.tests
        if (value := test.values[student]) is not None
    ]  # fmt: skip
    return ModelCardData(
        library_name=_LIBRARY,
        pipeline_tag=task,
        tags=[*_tags(report.strategy), "word-embeddings", *(["onnx"] if report.export else [])],
        **_licensed([one.licence for one in report.sources]),
        **_named(report.recipe, found),
    )


def _tags(strategy: str) -> list[str]:
    return ["amalgam", "knowledge-distillation", "knowledge-amalgamation", *([_slug(strategy)] if strategy else [])]


def _results(evaluation: Evaluation | None, task: str, data: str) -> Iterator[EvalResult]:
    """The student's measures that can be told."""
    from huggingface_hub import EvalResult

    if evaluation is None:
        return
    for one in evaluation.measured:
        value = getattr(evaluation.student.measures, one.key)
        if not math.isnan(value):
            yield EvalResult(
                task_type=task, dataset_type=_slug(data), dataset_name=one_line(data),
                metric_type=_METRICS.get(one.key, one.key), metric_name=one.name, metric_value=round(value, 6),
            )  # fmt: skip


def _named(name: str, found: list[EvalResult]) -> dict[str, Any]:
    """The keys of a card for what was measured; a model's name stands there with its results alone."""
    return {"model_name": one_line(name), "eval_results": found} if found else {}


def measured_on(settings: Mapping[str, Any]) -> str:
    """What a recipe measures on, in a few words."""
    data = settings.get("data")
    if data is None:
        return "held-out rows"
    return without_folders(data["held_out"] or f"{data['source']}, part {data['test']}")


def learned_from(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What data a recipe of rows names, and what it is for, without the folders of files."""
    data = settings.get("data")
    if data is None:
        return []
    found = [("the student's rows", data["source"])]
    found += [("joined with it", one["source"]) for one in data["join"]]
    found += [("learned beside it", one["source"]) for one in settings.get("sources") or ()]
    found += [("measured on", data["held_out"])] if data["held_out"] else []
    return [(what, without_folders(spec)) for what, spec in found]


def agreed(licences: Sequence[str | None]) -> str | None:
    """The licence that all of several teachers are under; None where one is unknown, they differ, or there are none."""
    stated = {None if one is None else one_line(one).lower() for one in licences}
    return one_line(str(licences[0])) if len(stated) == 1 and None not in stated else None


def licence_says(teachers: Sequence[tuple[str, str | None]], who: str = "teacher") -> str:
    """What follows from the licences of teachers, (name, licence), in plain words."""
    unknown = [name for name, licence in teachers if licence is None]
    if not teachers:
        return f"It learned from no {who}; what may be done with it depends on the licence of its data."
    if unknown:
        them = "them" if len(unknown) > 1 else "it"
        whose = f"{who}{'s' * (len(unknown) > 1)} {listed(unknown)}"
        return (
            f"The licence of {whose} is unknown, and the student's depends on {them}: ask whoever made {them} before "
            "you publish or use the student."
        )
    licence = agreed([one for _, one in teachers])
    data = "Its data has terms of its own."
    if licence is None:
        every = ", ".join(f"{name!r}: {one_line(str(one))}" for name, one in teachers)
        return f"Its {who}s are under different licences ({every}), all of which the student has to satisfy. {data}"
    all_of = f"All its {who}s state" if len(teachers) > 1 else f"Its {who} states"
    return f"{all_of} the licence {licence}, and so does this card. {data}"


def _licensed(licences: Sequence[str | None]) -> dict[str, Any]:
    """The keys of a card for the licence that all teachers agree on."""
    licence = agreed(licences)
    if licence is None:
        return {}
    spelt = licence.lower()
    return {"license": spelt} if spelt in _LICENSES else {"license": "other", "license_name": licence}


def license_in(folder: Path) -> str | None:
    """The licence that the model card in a folder states; None where there is no card, or it states none."""
    from huggingface_hub import metadata_load
    from yaml import YAMLError

    try:
        content = metadata_load(folder / README) or {}
    except (OSError, ValueError, YAMLError):  # no card, or none of the Hub's form
        return None
    stated = content.get("license_name") or content.get("license")
    return stated if isinstance(stated, str) and stated not in ("", "unknown", "other") else None


def one_line(text: str, most: int = 120) -> str:
    """A user's text on one line, without signs that do not show, and not too long."""
    plain = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _slug(text: str) -> str:
    """A user's text as an identifier."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-")[:96] or "unnamed"
