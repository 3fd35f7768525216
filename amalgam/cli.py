"""The command line. Each command hands over to one function.

Heavy libraries are imported only by the command that needs them, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from amalgam import __version__
from amalgam.errors import AmalgamError, RequestError

app = typer.Typer(
    help="Distil what several pretrained models know together into one small student, and ship it to the edge.",
    epilog="First run: amalgam distill --strategy ant",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
teachers_app = typer.Typer(
    help="Teachers: what each knows, training the built-in ones, trying one on data.", no_args_is_help=True
)
recipes_app = typer.Typer(help="Recipes: what ships.", no_args_is_help=True)
graph_app = typer.Typer(
    help="Label graphs: what joins the labels of several datasets; looking at one, checking it, proposing one.",
    no_args_is_help=True,
)
cache_app = typer.Typer(help="The store of trained teachers, votes and targets; alone it lists them.")
app.add_typer(teachers_app, name="teachers")
app.add_typer(recipes_app, name="recipes")
app.add_typer(graph_app, name="graph")
app.add_typer(cache_app, name="cache")

Trust = Annotated[
    bool, typer.Option("--trust-code", help="Let code run that cards or recipes name (constructors, custom teachers).")
]
Series = Annotated[
    bool,
    typer.Option("--series", help="The file's rows are series, each after its class; .ts files say so themselves."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="A data option, as key=value: --option tasks=colour,shape. Repeat it for several."),
]
Graph = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A label graph: a built-in name, a file (.yaml, .graphml, .csv, .tsv, .json), or a taxonomy and its file: "
        "superclasses:PATH, arxiv:PATH, names:PATH, wordnet:PATH.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"amalgam {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["AMALGAM_DEBUG"] = "1"


@app.command(epilog="Example: amalgam distill --strategy ant --set training.epochs=40 --out runs/mine")
def distill(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or path; with --strategy alone, its own.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="The strategy: `amalgam show NAME` says what it does.")] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A teacher: a card's name or path, adapter:source[@labels], or a file of word embeddings. Repeat it "
            "for several."
        ),
    ] = None,
    teachers: Annotated[
        str | None, typer.Option(help="auto:3 ranks the teachers as `amalgam rank` does, and keeps the best three.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The rows: a name (digits) or a file.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="With l2tl, fine_tuning and their like: data to transfer from, whose classes may be others."),
    ] = None,
    series: Series = False,
    student: Annotated[
        str | None,
        typer.Option(
            help="The student: label_chain, mlp, recurrent, convolutional, timm, torchvision, text, huggingface or "
            "path_decoder."
        ),
    ] = None,
    extend: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run of words that the teachers' words are added to.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of the recipe, as key=value: --set training.epochs=40")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run directory; a fresh runs/NAME-N by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    trust_code: Trust = False,
) -> None:
    """Distil a panel of teachers into one student: the main job."""
    from amalgam.views.runs import distill_and_show

    distill_and_show(
        recipe,
        strategy,
        teacher or [],
        teachers,
        data,
        source or [],
        series,
        student,
        set_ or [],
        extend,
        out,
        resume,
        trust_code,
    )


@teachers_app.command("list", epilog="Example: amalgam teachers list")
def teachers_list() -> None:
    """The built-in teachers and what each knows."""
    from amalgam.views.teachers import list_teachers

    list_teachers()


@teachers_app.command("show", epilog="Example: amalgam teachers show digits-arithmetic digits-shape")
def teachers_show(
    spec: Annotated[list[str], typer.Argument(help="Teachers: cards' names or paths, or adapter:source[@labels].")],
    trust_code: Trust = False,
) -> None:
    """Cards, and which labels they share."""
    from amalgam.views.teachers import show_teachers

    show_teachers(spec, trust_code)


@teachers_app.command("train", epilog="Example: amalgam teachers train digits-shape")
def teachers_train(spec: Annotated[list[str], typer.Argument(help="Built-in cards' names or paths.")]) -> None:
    """Train built-in teachers whose weights are absent."""
    from amalgam.views.teachers import train_teachers

    train_teachers(spec)


@teachers_app.command("check", epilog="Example: amalgam teachers check onnx:model.onnx@cat,dog --data rows.csv")
def teachers_check(
    spec: Annotated[str, typer.Argument(help="A teacher: a card's name or path, or adapter:source[@labels].")],
    data: Annotated[
        str, typer.Option(help="Rows to try it on; with annotations, its labels are checked too.")
    ] = "digits",
    labels: Annotated[str | None, typer.Option(help="Label columns of a table, comma-separated.")] = None,
    option: Options = None,
    series: Series = False,
    trust_code: Trust = False,
) -> None:
    """Try a teacher on data: is it what its card says?"""
    from amalgam.views.teachers import check_teacher

    check_teacher(spec, data, labels, option or [], series, trust_code)


@recipes_app.command("list", epilog="Example: amalgam recipes list")
def recipes_list() -> None:
    """The recipes that ship."""
    from amalgam.views.listings import list_recipes

    list_recipes()


@recipes_app.command("show", epilog="Example: amalgam recipes show ant")
def recipes_show(recipe: Annotated[str, typer.Argument(help="A recipe's name or path.")]) -> None:
    """A recipe's file."""
    from amalgam.shelf import find_recipe

    typer.echo(find_recipe(recipe).read_text(encoding="utf-8"), nl=False)


@app.command(epilog="Example: amalgam show ant")
def show(strategy: Annotated[str, typer.Argument(help="A strategy's name.")]) -> None:
    """A strategy: its paper, its equations with file and line, its hyperparameters."""
    from amalgam.views.listings import show_strategy

    show_strategy(strategy)


@app.command(epilog="Example: amalgam evaluate runs/ant-1")
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    data: Annotated[
        str | None,
        typer.Option(help="Annotated rows, or word tests; the run's own test part, or tests, by default."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label columns of a table, comma-separated.")] = None,
    option: Options = None,
    trust_code: Trust = False,
) -> None:
    """Measure a run's student beside its teachers."""
    from amalgam.views.runs import evaluate_run

    evaluate_run(run, data, labels, option or [], trust_code)


@app.command(epilog="Example: amalgam report runs/ant-1 runs/ant-2 --out comparison.html")
def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Directories of runs, or of benches; one alone is shown again.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file to write too: Markdown (.md) or a page (.html).")] = None,
    joined: Annotated[bool, typer.Option("--joined", help="Benches of several tables as one table.")] = False,
) -> None:
    """Runs, or benches, beside the first of them; with --joined, methods over all settings of several benches."""
    from amalgam.views.runs import report_on

    report_on(folders, joined, as_json, out)


@app.command(epilog="Example: amalgam explain runs/tc-1 --row 7")
def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    row: Annotated[int, typer.Option(min=0, help="The row's number in the data, from 0 on.")],
    trust_code: Trust = False,
) -> None:
    """How a row's surrogate target came about: what each teacher says, whom to trust, and what comes of it."""
    from amalgam.views.runs import explain_row

    explain_row(folder, row, trust_code)


@app.command(epilog="Example: amalgam bench ant-digits --seeds 3 --out runs/digits")
def bench(
    table: Annotated[str | None, typer.Argument(help="A table's name or path; without it, all are listed.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many: 0, 1, … (5 by default).")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes at once; one a CPU core by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what the table calls `quick`, to see it work.")] = False,
    settings: Annotated[str | None, typer.Option(help="Only these settings of the table, comma-separated.")] = None,
    out: Annotated[Path | None, typer.Option(help="The directory; a fresh runs/bench-TABLE-N by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the bench in --out.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="What tables there are.")] = False,
) -> None:
    """A paper's table: every method over settings and seeds, beside the published numbers."""
    from amalgam.views.benches import bench_and_show, list_tables

    if list_ or (table is None and not resume):
        list_tables()
        return
    chosen = None if settings is None else tuple(name.strip() for name in settings.split(","))
    asked = {"seeds": seeds, "quick": quick or None, "settings": chosen}
    given = {key: value for key, value in asked.items() if value is not None}
    bench_and_show(table, given, jobs, out, resume)


@app.command(epilog="Example: amalgam rank --target digits --teacher digits-arithmetic --teacher digits-shape")
def rank(
    target: Annotated[
        str | None, typer.Option(help="The data that is to be learned: a name (digits) or a file.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]SPEC", help="Data that it may learn from. Repeat it for several."),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]SPEC",
            help="A teacher that it may learn from: a card's name or path, or adapter:source[@labels]. Repeat it for "
            "several.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="p2l (the default where it is known what candidates were trained on), largest, least_divergent; of "
            "teachers, by annotated rows: log_me, leep, nce, h_score, trans_rate."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="The network through whose last representation all data is seen, such as "
            "timm:resnet18?pretrained=true; by default one that needs no weights.",
        ),
    ] = None,
    divergence: Annotated[
        str | None, typer.Option(help="kl (the default), js, chi2, euclidean or cityblock, of mean features.")
    ] = None,
    k: Annotated[
        float | None, typer.Option(help="How much the divergence counts beside the size; below 0, for it harms.")
    ] = None,
    trim: Annotated[
        float | None, typer.Option(help="Of a trimmed mean: the share of values left out at each end, below 0.5.")
    ] = None,
    fit_k: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Learn k from measured transfers: a CSV file with the columns target, source, gain."
        ),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="The target's label columns, comma-separated.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="A data option, key=value, which counts for all data for which it means something; or of one data set "
            "alone, NAME:key=value: --option target:tasks=kind"
        ),
    ] = None,
    series: Series = False,
    most: Annotated[int | None, typer.Option(help="Rows of a data set that are looked at (20,000 by default).")] = None,
    usual: Annotated[
        str | None, typer.Option(metavar="NAME", help="The candidate that you would take without looking.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="A picture to write too (.svg, .png): size, divergence, estimate.")
    ] = None,
    trust_code: Trust = False,
) -> None:
    """Which source, or which teacher, will transfer best to a target, before anything is trained."""
    from amalgam.views.ranks import rank_and_show

    how = {"by": by, "divergence": divergence, "k": k, "trim": trim, "most": most}
    rank_and_show(
        target, source or [], teacher or [], reference=reference, fit=fit_k, labels=labels, given=option or [],
        series=series, usual=usual, as_json=as_json, out=out, trust=trust_code,
        how={key: value for key, value in how.items() if value is not None},
    )  # fmt: skip


@app.command(epilog="Example: amalgam predict runs/ant-1 digits --out predictions.csv")
def predict(
    run: Annotated[Path, typer.Argument(help="A run directory or a saved student.")],
    data: Annotated[str | None, typer.Argument(help="Rows: a name or a file.")] = None,
    nearest: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="In a run of words, the words nearest to it: film"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many of them.")] = 10,
    labels: Annotated[str | None, typer.Option(help="Label columns of a table, which are no inputs.")] = None,
    option: Options = None,
    out: Annotated[Path | None, typer.Option(help="A CSV file; standard output by default.")] = None,
) -> None:
    """The probability of every label for every row, as CSV, with its path on a label graph; or a word's nearest."""
    if nearest:
        from amalgam.views.words import nearest_words

        nearest_words(run, nearest, count, {"DATA": data, "--labels": labels, "--option": option, "--out": out})
        return
    from amalgam.views.runs import predict_rows

    predict_rows(run, data, labels, option or [], out)


@app.command(epilog="Example: amalgam export runs/ant-1 --check digits")
def export(
    run: Annotated[Path, typer.Argument(help="A run directory or a saved student.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The ONNX file; RUN/student.onnx by default. Words can also be .txt, .vec and .bin."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Rows on which ONNX must say what torch says; those that the run held out by default, and `drawn` for "
            "no real ones.",
        ),
    ] = None,
    option: Options = None,
    opset: Annotated[
        int | None, typer.Option(min=1, help="The set of ONNX's operators, 18 to 25; else torch's.")
    ] = None,
    quantize: Annotated[
        Literal["int8", "fp16"] | None,
        typer.Option(help="Also a smaller file beside it, refused where it loses too much; what both take is shown."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How much of its measure (accuracy, F1) a smaller file may lose; else 0.01."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also a folder that runs the student in a browser, offline.")
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(help="onnxruntime-web for the page, as npm packs it (.tgz or folder); else npm fetches it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace other files that are there.")] = False,
    trust_code: Trust = False,
) -> None:
    """A student as one ONNX file, checked against torch; an embedding also as word2vec writes them."""
    from amalgam.views.exports import export_run
    from amalgam.views.pages import Page
    from amalgam.views.smaller import Smaller

    smaller = Smaller(quantize, max_drop, trust_code)
    export_run(run, out, check, option or [], opset, force, smaller, Page(page, runtime))


@graph_app.command("show", epilog="Example: amalgam graph show pets --out pets.svg")
def graph_show(
    spec: Graph,
    out: Annotated[
        Path | None,
        typer.Option(help="A picture (.svg, .png) or another form (.yaml, .graphml, .csv, .tsv) to write instead."),
    ] = None,
) -> None:
    """A label graph as a tree, or as a picture."""
    from amalgam.views.graphs import show_graph

    show_graph(spec, out)


@graph_app.command("check", epilog="Example: amalgam graph check pets")
def graph_check(spec: Graph) -> None:
    """What is wrong with a label graph, with the nodes named; how many labels and paths it has."""
    from amalgam.views.graphs import check_graph

    check_graph(spec)


@graph_app.command("paths", epilog="Example: amalgam graph paths pets British-Shorthair")
def graph_paths(
    spec: Graph,
    labels: Annotated[list[str] | None, typer.Argument(metavar="[LABEL]...", help="Of which; all by default.")] = None,
) -> None:
    """The paths from the root to labels, and which of them are deterministic."""
    from amalgam.views.graphs import show_paths

    show_paths(spec, labels or [])


@graph_app.command(
    "suggest", epilog="Example: amalgam graph suggest breeds=breeds.txt species=species.txt --out draft.yaml"
)
def graph_suggest(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE=DATA...", help="A name, and whose labels: data, or a file (.txt) with a label a line."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The draft, a new file (.yaml), which you look at and confirm.")],
    embedding: Annotated[
        str | None, typer.Option(help="A file of word embeddings, whose cosines are heard, too.")
    ] = None,
) -> None:
    """Propose a label graph from the names of labels, as a draft; nothing is applied before you confirm it."""
    from amalgam.views.graphs import suggest_graph

    suggest_graph(sources, embedding, out)


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context) -> None:
    """The store of trained teachers, votes and targets; alone it lists them."""
    if context.invoked_subcommand is None:
        cache_list()


@cache_app.command("list", epilog="Example: amalgam cache list")
def cache_list() -> None:
    """What the store keeps."""
    from amalgam.views.listings import list_cache

    list_cache()


@cache_app.command("clear", epilog="Example: amalgam cache clear --kind votes")
def cache_clear(
    kind: Annotated[str | None, typer.Option(help="Only `teachers`, `votes` or `targets`.")] = None,
) -> None:
    """Delete what the store keeps; it is made again when it is needed."""
    from amalgam.views.listings import clear_cache

    clear_cache(kind)


@app.command(epilog="Example: amalgam doctor")
def doctor() -> None:
    """What this machine can do: devices, libraries, data, the store."""
    from amalgam.views.listings import examine

    examine()


def main() -> Any:
    """Run the command line; a user's mistake is one message and exit code 2, failed work 1."""
    try:
        app()
    except AmalgamError as error:
        if os.environ.get("AMALGAM_DEBUG"):
            raise
        kind = "error" if isinstance(error, RequestError) else "failed"
        typer.secho(f"amalgam: {kind}: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.secho("amalgam: stopped; what is finished is kept (go on with --resume --out RUN)", fg="red", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `amalgam recipes show ant | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
