"""Step chart over time, as SVG without labels, since the page stretches it to the available width."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.html.page import html_text

_WIDTH, _HEIGHT = 1000, 100


def steps_chart(title: str, series: Mapping[str, Sequence[float]], wall_s: float, line: float = 0.0) -> str:
    """Return a figure.

    ``series``: names, each with the values of equal time spans; the series are stacked.
    ``line``: the height of a horizontal line; 0 draws none.
    """
    sums = [0.0] * max(map(len, series.values()), default=1)
    tops = [sums]
    for values in series.values():
        tops.append([a + b for a, b in zip(tops[-1], values, strict=True)])
    highest = 1.08 * max(line, *tops[-1]) or 1.0  # a margin above
    areas = [
        f'<path class="area {_class(name)}" d="{_area(low, high, highest)}"/>'
        for name, (low, high) in zip(series, pairwise(tops), strict=True)
    ]
    across = f'<path class="across" d="M0 {_y(line, highest)}H{_WIDTH}"/>' if line else ""
    return (
        f'<figure class="chart"><figcaption>{html_text(title)}{_legend(list(series))}</figcaption>'
        f'<div class="plot"><div class="scale"><span>{_figure(highest / 1.08)}</span><span>0</span></div>'
        f'<svg role="img" aria-label="{html_text(_label(title, tops[-1], wall_s))}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' preserveAspectRatio="none">{"".join(areas)}{across}</svg></div>'
        f'<div class="ends"><span>0</span><span>{format_seconds(wall_s / 2)}</span>'
        f"<span>{format_seconds(wall_s)}</span></div>"
        "</figure>"
    )


def _label(title: str, values: Sequence[float], wall_s: float) -> str:
    """Return a description of the chart in words."""
    highest = max(values)
    at = wall_s * values.index(highest) / len(values)
    mean = sum(values) / len(values)
    peak = f"at most {_figure(highest)}, at {format_seconds(at)} of {format_seconds(wall_s)}"
    return f"{title}: {_figure(mean)} on average, {peak}"


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:  # noqa: PLR2004  a single series needs no legend
        return ""
    return "".join([f' <span class="key {_class(name)}"></span>{html_text(name)}' for name in names])


def _area(low: Sequence[float], high: Sequence[float], highest: float) -> str:
    """Draw from left to right along the upper steps, and back along the lower ones."""
    return f"M0 {_y(low[0], highest)}{_steps(high, highest)}{_back(low, highest)}Z"


def _steps(values: Sequence[float], highest: float) -> str:
    """Draw a step at each change of the value."""
    turns = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    parts = [f"H{_x(i, len(values))}V{_y(values[i], highest)}" for i in turns]
    return f"V{_y(values[0], highest)}{''.join(parts)}H{_WIDTH}"


def _back(values: Sequence[float], highest: float) -> str:
    """Draw the same steps from right to left."""
    turns = [i for i in range(len(values) - 1, 0, -1) if values[i] != values[i - 1]]
    parts = [f"H{_x(i, len(values))}V{_y(values[i - 1], highest)}" for i in turns]
    return f"V{_y(values[-1], highest)}{''.join(parts)}H0"


def _x(index: int, count: int) -> str:
    return f"{index * _WIDTH / count:.6g}"


def _y(value: float, highest: float) -> str:
    return f"{_HEIGHT - _HEIGHT * value / highest:.4g}"


def _figure(value: float) -> str:
    """Format a number, with one decimal below 100 unless it is zero."""
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004
    return text.removesuffix(".0")


def _class(name: str) -> str:
    return f"of-{name.replace(' ', '-')}"
