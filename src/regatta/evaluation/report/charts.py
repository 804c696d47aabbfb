"""Line charts as inline SVG.

Written by hand, because a report needs six kinds of marks and no more: the page stays light
(about 3 kB a chart), its colours are CSS variables that follow light and dark, and no plotting
library is imported (see docs/adr/0004-one-page-no-scripts.md). A chart is 380 units wide and as
wide as its column; its text is 12.5 units, legible from 300 pixels up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from regatta.evaluation.report.words import name, number, percent

__all__ = ["calibration", "errors", "precision_recall", "roc", "scatter", "ticks"]

WIDTH, HEIGHT = 380, 284
LEFT, RIGHT, TOP, BOTTOM = 44, 20, 30, 44
SERIES = 5

Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers in a range.

    Examples
    --------
    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


class _Chart:
    """Axes, and marks drawn on them."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        labels: tuple[str, str],
        write: tuple[Callable[[float], str], Callable[[float], str]],
    ) -> None:
        self.x, self.y = x, y
        self.parts: list[Markup] = []
        bottom = HEIGHT - BOTTOM
        for value in ticks(*y):
            at = self.up(value)
            self._add('<path class="grid" d="M{} {}H{}"/>', LEFT, at, WIDTH - RIGHT)
            self._add(
                '<text class="tick" x="{}" y="{}">{}</text>', LEFT - 7, at + 4, write[1](value)
            )
        for value in ticks(*x):
            place = (self.across(value), bottom + 17)
            self._add('<text class="tick mid" x="{}" y="{}">{}</text>', *place, write[0](value))
        self._add('<path class="axis" d="M{} {}H{}"/>', LEFT, bottom, WIDTH - RIGHT)
        end = (WIDTH - RIGHT, HEIGHT - 6)
        self._add('<text class="label end" x="{}" y="{}">{} →</text>', *end, labels[0])
        self._add('<text class="label start" x="0" y="12">↑ {}</text>', labels[1])

    def _add(self, pattern: str, *values: object) -> None:
        texts = [f"{v:.1f}" if isinstance(v, float) else v for v in values]
        self.parts.append(Markup(pattern).format(*texts))

    def across(self, value: float) -> float:
        share = (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - RIGHT - LEFT)

    def up(self, value: float) -> float:
        share = (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - BOTTOM - TOP)

    def _way(self, points: Points) -> str:
        return "L".join(f"{self.across(x):.1f} {self.up(y):.1f}" for x, y in points)

    def line(self, points: Points, kind: str) -> None:
        self._add('<path class="{}" d="M{}"/>', kind, self._way(points))

    def area(self, points: Points, kind: str) -> None:
        """Fill between a line and the horizontal axis."""
        ends = [(points[0][0], self.y[0]), *points, (points[-1][0], self.y[0])]
        self._add('<path class="{}" d="M{}Z"/>', kind, self._way(ends))

    def dots(self, points: Points, kind: str) -> None:
        """Draw all dots as one path of round ends, which is ten times shorter than circles."""
        way = "".join(f"M{self.across(x):.1f} {self.up(y):.1f}h0" for x, y in points)
        self._add('<path class="{}" d="{}"/>', kind, way)

    def bar(self, left: float, right: float, top: float, kind: str) -> None:
        x, y = self.across(left), self.up(top)
        wide = max(self.across(right) - x - 1.5, 0.5)
        high = self.up(self.y[0]) - y
        self._add('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', kind, x, y, wide, high)

    def note(self, x: float, y: float, text: str, kind: str = "note") -> None:
        self._add(
            '<text class="{}" x="{}" y="{}">{}</text>', kind, self.across(x), self.up(y), text
        )

    def svg(self, title: str) -> Markup:
        body = Markup("").join(self.parts)
        return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
            WIDTH, HEIGHT, title, body
        )


def _share(value: float) -> str:
    return percent(value)


def roc(curves: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw ROC curves; a single one is filled.

    Parameters
    ----------
    curves : sequence of mapping
        ``label`` and ``curve`` (``fpr``, ``tpr``).
    """
    chart = _Chart((0, 1), (0, 1), ("false alarms among the others", "found"), (_share, _share))
    chart.line([(0, 0), (1, 1)], "chance")
    drawn = [list(zip(c["curve"]["fpr"], c["curve"]["tpr"], strict=True)) for c in curves]
    if len(drawn) == 1:
        chart.area(drawn[0], "area")
    for place, points in reversed(list(enumerate(drawn[:SERIES]))):
        chart.line(points, f"line s{place}")
    chart.note(0.62, 0.5, "guessing", "note chance-note")
    return chart.svg("ROC curve: share of rows found against share of false alarms")


def precision_recall(curves: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw precision-recall curves; the dashed line is the precision of guessing.

    Parameters
    ----------
    curves : sequence of mapping
        ``label`` and ``curve`` (``recall``, ``precision``, ``prevalence``).
    """
    chart = _Chart((0, 1), (0, 1), ("found", "right when it says so"), (_share, _share))
    first = curves[0]["curve"]
    if len(curves) == 1:
        chart.line([(0, first["prevalence"]), (1, first["prevalence"])], "chance")
        chart.note(0.02, first["prevalence"] + 0.03, "guessing", "note chance-note start")
    for place, one in reversed(list(enumerate(curves[:SERIES]))):
        curve = one["curve"]
        chart.line(list(zip(curve["recall"], curve["precision"], strict=True)), f"line s{place}")
    return chart.svg("Precision against recall")


def calibration(found: Mapping[str, Any]) -> Markup:
    """Draw observed shares against predicted probabilities, with intervals.

    Parameters
    ----------
    found : mapping
        What `regatta.evaluation.curves.calibration` returned.
    """
    chart = _Chart((0, 1), (0, 1), ("predicted probability", "observed share"), (_share, _share))
    chart.line([(0, 0), (1, 1)], "chance")
    for x, low, high in zip(found["predicted"], found["low"], found["high"], strict=True):
        chart.line([(x, low), (x, high)], "whisker")
    points = list(zip(found["predicted"], found["observed"], strict=True))
    chart.line(points, "line s0 thin")
    chart.dots(points, "dots large")
    return chart.svg("Calibration: observed share against predicted probability")


def scatter(found: Mapping[str, Any], target: str) -> Markup:
    """Draw predictions against actual values, on equal scales.

    Parameters
    ----------
    found : mapping
        What `regatta.evaluation.curves.residuals` returned.
    target : str
        Name of the target.
    """
    actual, predicted = found["actual"], found["predicted"]
    values = sorted([*actual, *predicted])
    cut = len(values) // 200  # a few extreme rows lie on the edge, so that the others are seen
    low, high = values[cut], values[-1 - cut]
    pad = 0.03 * (high - low) or abs(low) or 1.0
    span = (low - pad, high + pad)
    chart = _Chart(span, span, ("actual", "predicted"), (_short, _short))
    chart.line([(span[0], span[0]), (span[1], span[1])], "chance")
    chart.dots(list(zip(actual, predicted, strict=True)), "dots cloud")
    return chart.svg(f"Predicted against actual {name(target).striptags()}")


def errors(found: Mapping[str, Any]) -> Markup:
    """Draw the distribution of errors.

    Parameters
    ----------
    found : mapping
        What `regatta.evaluation.curves.residuals` returned.
    """
    edges, counts = found["edges"], found["counts"]
    total = sum(counts) or 1
    top = max(counts) / total
    labels = ("predicted minus actual", "share of rows")
    chart = _Chart((edges[0], edges[-1]), (0, top * 1.05), labels, (_short, _share))
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        chart.bar(left, right, count / total, "bar")
    chart.line([(0, 0), (0, top * 1.05)], "chance")
    return chart.svg("Distribution of the errors")


def _short(value: float) -> str:
    """Write an axis number in few letters."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            divisor = 1e3 if unit == "k" else limit
            return f"{value / divisor:.4g}{unit}".replace("-", "−")
    return number(value, 0) if value == int(value) else f"{value:.4g}".replace("-", "−")
