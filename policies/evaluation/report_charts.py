"""The report's charts: matplotlib drawn to SVG, in the colours of the page it stands in."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from policies.evaluation.report import TrainingCurve

# Drawn in these colours and then replaced by the page's own, which follow light and dark.
COLOURS = {
    "#010203": "var(--ink)",
    "#040506": "var(--accent)",
    "#070809": "var(--rule)",
    "#0a0b0c": "var(--warm)",
}
INK, ACCENT, RULE, WARM = COLOURS


def latency_histogram(latencies_ms: Sequence[float]) -> str:
    """How long each chunk took, from the observation's arrival to the chunk's departure."""
    top = max(latencies_ms) * 1.05
    figure, axes = _axes()
    axes.hist(latencies_ms, bins=np.linspace(0, top, 41), color=ACCENT, rwidth=0.88)
    p50, p99 = np.percentile(latencies_ms, [50, 99])
    for value, name in ((p50, "p50"), (p99, "p99")):
        axes.axvline(value, color=WARM, linewidth=1.2)
        axes.annotate(
            f"{name} {value:.0f}", (value, 1.0), xycoords=("data", "axes fraction"), xytext=(3, 2),
            textcoords="offset points", color=INK, fontsize=9,
        )  # fmt: skip
    axes.set_xlabel("latency, ms")
    axes.set_ylabel("chunks")
    return _svg(figure, "Histogram of chunk latency in milliseconds")


def delay_histogram(delay_steps: Sequence[int]) -> str:
    """How many action steps lay between a chunk's observation and its first played point."""
    counts = np.bincount(np.asarray(delay_steps, dtype=int), minlength=4)
    figure, axes = _axes()
    bars = axes.bar(np.arange(len(counts)), counts, width=0.7, color=ACCENT)
    axes.bar_label(bars, [str(c) if c else "" for c in counts], color=INK, fontsize=9, padding=2)
    axes.set_xticks(np.arange(len(counts)))
    axes.set_xlabel("delay, action steps")
    axes.set_ylabel("chunks")
    return _svg(figure, "Histogram of chunk delay in action steps")


def loss_curve(curve: TrainingCurve) -> str:
    """Training and held-out loss by optimiser step, on a logarithmic axis when they span one."""
    figure, axes = _axes(width=9.2, height=2.6)
    axes.plot(curve.steps, curve.loss, color=ACCENT, linewidth=1.6, label="training")
    if curve.held_out is not None and np.isfinite(curve.held_out).any():
        measured = np.isfinite(curve.held_out)
        axes.plot(
            curve.steps[measured], curve.held_out[measured], color=WARM, linewidth=1.6, label="held out"
        )
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    if curve.loss.min() > 0 and curve.loss.max() > 3 * curve.loss.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(_nothing())
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss")
    axes.margins(x=0.01)
    return _svg(figure, "Training loss by optimiser step")


def _nothing() -> Any:
    from matplotlib.ticker import NullFormatter

    return NullFormatter()


def _axes(width: float = 4.5, height: float = 2.6) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0.0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=INK, which="both", length=0, labelsize=9)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
        label.set_fontsize(9)
    return figure, axes


def _svg(figure: Any, description: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "limber"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', rf'\1 role="img" aria-label="{description}"', svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--sans)", svg)
    for drawn, wanted in COLOURS.items():
        svg = svg.replace(drawn, wanted)
    return svg
