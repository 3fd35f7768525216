"""How the ways to transfer do with more and more labelled rows: a panel for each target (L2TL, Fig. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amalgam.bench.transfer_table import TransferTable
from amalgam.figures import INK, colours, named_legend, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from amalgam.bench.standing import Standing


def by_shots(standing: Standing) -> dict[str, list[tuple[int, str]]]:
    """What is measured on → its settings with their shots, fewest first; of targets that have several alone.

    None of a table that is not of transfers.
    """
    if not isinstance(standing.table, TransferTable):
        return {}
    found = dict[str, list[tuple[int, str]]]()
    for name in standing.settings:
        crossing = standing.table.settings[name]
        found.setdefault(name.rpartition("-")[0] or name, []).append((crossing.shots, name))
    return {target: sorted(own) for target, own in found.items() if len(own) > 1}


def low_shot(standing: Standing) -> str | None:
    """The first measure of each way by the labelled rows of a class, with its deviation over seeds; an SVG, or None."""
    targets = by_shots(standing)
    if not targets:
        return None
    measure = standing.table.measures[0]
    methods = [one for one in standing.methods if standing.table.methods[one].role != "variant"]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(targets), squeeze=False)[0]
        lines = list[Any]()
        for axes, (target, settings) in zip(panels, targets.items(), strict=True):
            lines = list[Any]()
            for method, colour in zip(methods, colours(len(methods)), strict=True):
                told = [(shots, standing.numbers.get((name, method, measure))) for shots, name in settings]
                some = [(shots, one.mean, one.sd) for shots, one in told if one is not None]
                bound = standing.table.methods[method].role == "bound"
                style = {"color": INK, "linestyle": (0, (3, 2))} if bound else {"color": colour}
                shots, means, deviations = zip(*some, strict=True) if some else ((), (), ())
                lines.append(
                    axes.errorbar(shots, means, deviations, marker="." if not bound else None, capsize=2, **style)
                )
            axes.set_xscale("log")
            axes.set_xticks([shots for shots, _ in settings], [str(shots) for shots, _ in settings])
            axes.minorticks_off()
            axes.set(title=target, xlabel="labelled rows of a class")
            axes.grid(True, axis="y", linewidth=0.6)
        panels[0].set_ylabel(measure)
        names = [standing.table.shown(one) for one in methods]
        named_legend(figure, lines, names, columns=4, loc="outside upper left", bbox_to_anchor=None)

    return svg("low-shot", (max(3.0 * len(targets), 5.6) + 0.8, 3.8), draw)
