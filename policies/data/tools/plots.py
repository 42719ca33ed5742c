"""Small line and bar plots as inline SVG, so that a page of them needs no script and no other file."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 380, 112
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 20, 16  # room for the title and the axis labels
MAX_POINTS = 300  # more points than pixels only make the page large


def line_plot(
    title: str, time_s: NDArray[np.float64], lines: Sequence[tuple[str, NDArray[np.float32]]]
) -> str:
    """Curves over time on one pair of axes; `lines` are (CSS class, values (T,))."""
    low = min(float(values.min()) for _, values in lines)
    high = max(float(values.max()) for _, values in lines)
    if high - low < 1e-3:  # a joint at rest is drawn as a line in the middle, not as noise
        low, high = low - 0.05, high + 0.05
    end = max(float(time_s[-1]), 1e-6)
    step = max(1, len(time_s) // MAX_POINTS)
    x = LEFT + time_s[::step] / end * (WIDTH - LEFT - RIGHT)
    parts = [_axes(title, f"{low:.2f}", f"{high:.2f}", f"{end:.1f} s")]
    for style, values in lines:
        y = TOP + (high - values[::step]) / (high - low) * (HEIGHT - TOP - BOTTOM)
        points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline class="{style}" points="{points}"/>')
    return _svg(parts, WIDTH, HEIGHT)


def histogram(title: str, values: NDArray[np.float64], unit: str, n_bins: int = 24) -> str:
    """Bars of how often values occur."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(values, bins=n_bins, range=(low, high))
    width = (WIDTH - LEFT - RIGHT) / n_bins
    parts = [_axes(title, "0", str(counts.max()), f"{high:.4g} {unit}", f"{low:.4g}")]
    for i, count in enumerate(counts):
        height = count / counts.max() * (HEIGHT - TOP - BOTTOM)
        parts.append(
            f'<rect class="bar" x="{LEFT + i * width:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
            f'width="{width - 1:.1f}" height="{height:.1f}"/>'
        )
    return _svg(parts, WIDTH, HEIGHT)


def range_bar(low: float, q01: float, q99: float, high: float, outer: tuple[float, float]) -> str:
    """Where values lie within `outer`: the whole range as a line, its middle 98 % as a bar."""
    span = max(outer[1] - outer[0], 1e-9)

    def x(value: float) -> float:
        return 2 + (value - outer[0]) / span * 316

    return _svg(
        [
            f'<line class="axis" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="7" y2="7"/>',
            f'<rect class="bar" x="{x(q01):.1f}" y="3" height="8" rx="2" '
            f'width="{max(1.0, x(q99) - x(q01)):.1f}"/>',
        ],
        320,
        14,
    )


def _axes(title: str, low: str, high: str, x_end: str, x_begin: str = "0") -> str:
    bottom = HEIGHT - BOTTOM
    return (
        f'<text class="title" x="{LEFT}" y="13">{escape(title)}</text>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
        f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{bottom}"/>'
        f'<text class="tick end" x="{LEFT - 4}" y="{TOP + 6}">{high}</text>'
        f'<text class="tick end" x="{LEFT - 4}" y="{bottom}">{low}</text>'
        f'<text class="tick" x="{LEFT}" y="{HEIGHT - 4}">{x_begin}</text>'
        f'<text class="tick end" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}">{escape(x_end)}</text>'
    )


def _svg(parts: Sequence[str], width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>'
