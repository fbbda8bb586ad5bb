"""The pictures of the notebook: a map of the embeddings, and recall against latency."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dorm_vector import Recall
from examples.package_notebook.projection import Projection

# Okabe and Ito's colors, which most color-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
OTHERS = "#BBBBBB"
# Text stays text, and the same drawing gives the same file.
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "package_notebook", "font.size": 10}


@dataclass(frozen=True)
class Picture:
    """A drawing that a notebook shows and a page includes."""

    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


def draw_map(projection: Projection, labels: Sequence[str], shown: Sequence[str]) -> Picture:
    """Draw each row as a point. The labels in `shown`, seven at most, have colors; all others are gray."""
    named = np.array(labels)
    groups = [("others", OTHERS, ~np.isin(named, shown))]
    groups += [(label, color, named == label) for label, color in zip(shown, COLORS, strict=False)]
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Embeddings of packages, by section", 6.4)
        for label, color, chosen in groups:
            x, y = projection.points[chosen].T
            # 2,000 points are smaller as an image inside the drawing.
            axes.scatter(x, y, s=10, color=color, label=label, linewidths=0, alpha=0.85, rasterized=True)
        first, second = (f"{share:.0%} of the variance" for share in projection.variance)
        axes.set(xlabel=f"first component, {first}", ylabel=f"second component, {second}")
        axes.legend(title="section", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2, frameon=False)
        return _picture(figure)


def draw_recall(measured: Sequence[Recall], option: str) -> Picture:
    """Draw recall against latency: a point for each value of the search option, and one for exact searches."""
    times, recalls = [each.milliseconds for each in measured], [each.recall for each in measured]
    exact = float(np.median([each.exact_milliseconds for each in measured]))
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Recall against latency", 4.8)
        axes.grid(color="#E5E5E5")
        axes.plot(times, recalls, "o-", color=COLORS[0], label=f"index, by {option}")
        for each in measured:
            point = each.milliseconds, each.recall
            axes.annotate(str(each.options[option]), point, (6, -12), textcoords="offset points")
        axes.plot([exact], [1], "D", color=COLORS[1], label="exact search")
        axes.set(xlabel="median latency in ms", ylabel=f"recall@{measured[0].k}")
        axes.set_ylim(top=1.03)
        axes.set_xlim(0, 1.25 * max(*times, exact))
        axes.legend(loc="lower right", frameon=False)
        return _picture(figure)


def _axes(title: str, height: float) -> tuple[Figure, Axes]:
    # Without pyplot there is no global state, and no backend to choose.
    figure = Figure(figsize=(8, height), layout="constrained", facecolor="white", dpi=120)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _picture(figure: Figure) -> Picture:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Picture("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n")
