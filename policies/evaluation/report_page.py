"""The report as ONE page of HTML that needs nothing else: pictures, films and charts are inside."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from policies.evaluation import report_charts
from policies.evaluation.report import EpisodeResult, EvaluationReport, figures
from policies.evaluation.report_style import SCRIPT, STYLE
from policies.evaluation.report_video import episode_video


def page(report: EvaluationReport, shown: Sequence[EpisodeResult]) -> str:
    """The whole page; the episodes in `shown` appear as films and must carry traces."""
    numbers = figures(report)
    sections = [
        _head(report, numbers),
        _tiles(report, numbers),
        _films(report, shown),
        _episodes(report),
        _timing(report),
        _training(report),
        _stages(report.stage_seconds),
        _conditions(report),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}: {report.successes} of {len(report.episodes)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _head(report: EvaluationReport, numbers: Mapping[str, Any]) -> str:
    rate, low, high = (100 * numbers[k] for k in ("success_rate", "interval_low", "interval_high"))
    return f"""<header>
<h1>{escape(report.title)}</h1>
{f'<p class="soft">“{escape(report.instruction)}”</p>' if report.instruction else ""}
<div class="hero">
<div><div class="rate">{rate:.0f}<small> %</small></div>
<div>{report.successes} of {len(report.episodes)} unseen episodes succeeded</div></div>
<div><div class="bar"><div class="fill" style="width:{rate:.2f}%"></div>
<div class="interval" style="left:{low:.2f}%;width:{high - low:.2f}%"></div></div>
<div class="axis"><span>0 %</span><span>95 % interval {low:.0f} to {high:.0f} %</span><span>100 %</span></div>
</div>
</div>
</header>"""


def _tiles(report: EvaluationReport, numbers: Mapping[str, Any]) -> str:
    times = [e.seconds for e in report.episodes if e.success]
    latency, delay = numbers["latency_ms"], numbers["delay_steps"]
    tiles = [
        (f"{np.median(times):.1f} s" if times else "none", "median time to success"),
        (_value(latency["p50"], " ms"), f"latency of a chunk; p99 {_value(latency['p99'], ' ms')}"),
        (
            _value(delay["p50"], _plural(delay["p50"], "step")),
            f"counted delay; at most {_value(delay['max'])}",
        ),
        (str(numbers["dry_steps"]), "steps without a goal (the arm held)"),
    ]
    cells = "".join(f'<div class="tile"><b>{escape(b)}</b><span>{escape(s)}</span></div>' for b, s in tiles)
    return f'<div class="tiles">{cells}</div>'


def _films(report: EvaluationReport, shown: Sequence[EpisodeResult]) -> str:
    if not shown:
        return ""
    films = []
    for episode in shown:
        video, poster = episode_video(episode, report.joint_names, report.action_dt)
        films.append(
            f'<figure><video controls loop muted playsinline preload="metadata" '
            f'poster="{_data("image/jpeg", poster)}" src="{_data("video/mp4", video)}"></video>'
            f"<figcaption><span>{_verdict(episode)} "
            f'<span class="soft">{"in" if episode.success else "after"} {episode.seconds:.1f} s</span></span>'
            f'<a class="soft" href="#seed-{episode.seed}">'
            f"seed {episode.seed}</a></figcaption></figure>"
        )
    failed = sum(not e.success for e in shown)
    what = f"{_count(failed, 'failure')} and {_count(len(shown) - failed, 'success', 'successes')}"
    return (
        f"<h2>Episodes, as the cameras saw them</h2>\n"
        f'<p class="soft">{what}. Below the pictures each joint is drawn around the present: where it was, '
        f"the goals that were sent, and the rest of the chunk being played.</p>\n"
        f'<div class="films">{"".join(films)}</div>'
    )


def _episodes(report: EvaluationReport) -> str:
    beads = "".join(
        f'<a class="{e.verdict}" href="#seed-{e.seed}" title="seed {e.seed}: {e.verdict}"></a>'
        for e in report.episodes
    )
    longest = max([report.time_limit_s, *(e.seconds for e in report.episodes)])
    rows = "\n".join(_row(e, longest) for e in report.episodes)
    return f"""<h2>Every episode</h2>
<div class="beads">{beads}</div>
<div class="scroll"><table>
<thead><tr><th>seed</th><th class="left">verdict</th><th class="left">time</th><th>chunks</th>
<th>delay p50</th><th>delay max</th><th>latency p50</th><th>latency max</th>
<th>dry steps</th><th>refused</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _row(episode: EpisodeResult, longest_s: float) -> str:
    colour = "var(--good)" if episode.success else "var(--bad)"
    width = 90 * episode.seconds / max(longest_s, 1e-9)
    delays, latencies = episode.delay_steps, episode.latency_ms
    cells = [
        str(len(delays)),
        f"{np.median(delays):.0f}" if delays else "",
        str(max(delays)) if delays else "",
        f"{np.median(latencies):.0f} ms" if latencies else "",
        f"{max(latencies):.0f} ms" if latencies else "",
        str(episode.dry_steps),
        str(episode.refused),
    ]
    return (
        f'<tr id="seed-{episode.seed}"><td>{episode.seed}</td><td class="left">{_verdict(episode)}</td>'
        f'<td class="left"><span class="span" style="width:{width:.0f}px;background:{colour}"></span> '
        f"{episode.seconds:.1f} s</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    )


def _timing(report: EvaluationReport) -> str:
    charts = []
    if report.latencies:
        charts.append(
            (
                report_charts.latency_histogram(report.latencies),
                "In the graph from the robot's plan arriving to the chunk leaving: waiting for the frame "
                "that was due, decoding, inference. In lock-step inference alone.",
            )
        )
    if report.delays:
        charts.append(
            (
                report_charts.delay_histogram(report.delays),
                f"From a chunk's observation to its first played point, in steps of "
                f"{1000 * report.action_dt:.0f} ms. In the graph counted on the robot's stamps, where 1 is "
                "the least there can be; in lock-step as declared.",
            )
        )
    if not charts:
        return ""
    cells = "".join(
        f'<div class="chart">{svg}<p class="soft">{escape(text)}</p></div>' for svg, text in charts
    )
    return f'<h2>Latency and delay</h2>\n<div class="pair">{cells}</div>'


def _training(report: EvaluationReport) -> str:
    curve = report.curve
    if curve is None or len(curve.steps) < 2:
        return ""
    took = "" if np.isnan(curve.minutes) else f" in {curve.minutes:.1f} minutes"
    return (
        f'<h2>Training</h2>\n<div class="chart">{report_charts.loss_curve(curve)}'
        f'<p class="soft">{curve.steps[-1]:,.0f} optimiser steps{took}.</p></div>'
    )


def _stages(stages: Mapping[str, float]) -> str:
    if not stages:
        return ""
    longest = max(max(stages.values()), 1e-9)
    rows = "".join(
        f'<span>{escape(name)}</span><i style="width:{100 * s / longest:.1f}%"></i>'
        f"<span>{_duration(s)}</span>"
        for name, s in stages.items()
    )
    total = f'<p class="soft">{_duration(sum(stages.values()))} in all.</p>'
    return f'<h2>Where the time went</h2>\n{total}<div class="stages">{rows}</div>'


def _conditions(report: EvaluationReport) -> str:
    rows = {**report.conditions, **{name: str(value) for name, value in report.machine.items()}}
    if report.commit:
        rows["commit"] = report.commit
    items = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{escape(text)}</code></dd>" for name, text in rows.items()
    )
    return f"<h2>Conditions</h2>\n<dl>{items}</dl>" if items else ""


def _verdict(episode: EpisodeResult) -> str:
    reason = f' <span class="soft">{escape(episode.reason)}</span>' if episode.reason else ""
    return f'<span class="verdict {escape(episode.verdict)}">{escape(episode.verdict)}</span>{reason}'


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _value(value: float | None, unit: str = "") -> str:
    return "none" if value is None else f"{value:.0f}{unit}"


def _plural(count: float | None, noun: str) -> str:
    return f" {noun}" if count == 1 else f" {noun}s"


def _count(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"
