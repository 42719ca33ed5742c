"""A dataset as one self-contained HTML page: figures, rates, ranges, and every episode in pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.data import layout
from policies.data.images import decode_image, image_shape
from policies.data.lerobot_reader import DatasetFiles, Episode, open_dataset, read_table
from policies.data.tools import plots
from policies.data.tools.listing import size_of, success_rate
from policies.data.tools.style import STYLE
from policies.data.video import decode
from policies.errors import DatasetError

THUMBNAILS = 10  # an episode and camera
THUMBNAIL_SIDE = 128
# Two images in a row whose mean difference is below this count as the same frame sent twice;
# sensor noise alone changes a pixel by more, a still simulated scene may not.
STILL_DIFFERENCE = 0.02


@dataclass(frozen=True)
class Strip:
    """One camera's pictures of one episode, and the share of frames equal to the one before."""

    camera: str
    jpegs: list[bytes]
    seconds: list[float]
    still: float


def write_page(root: Path, out: Path, max_episodes: int = 40) -> Path:
    """Write the page of a dataset; beyond `max_episodes` it shows as many, evenly spread.

    Raises DatasetError: not a dataset, truncated, or `out` exists.
    """
    if out.exists():
        raise DatasetError(f"expected a new file, got {out}, which exists; choose another or remove it")
    dataset = open_dataset(root)
    if not dataset.episodes:
        raise DatasetError(f"{root}: expected at least one episode, got an empty dataset")
    numbers = np.unique(np.linspace(0, len(dataset.episodes) - 1, max_episodes).round().astype(int))
    shown = [dataset.episodes[i] for i in numbers]
    vectors = {key: dataset.column(key) for key in (layout.STATE, layout.ACTION) if key in dataset.features}
    cards = [_card(dataset, vectors, episode, _strips(dataset, episode)) for episode in shown]
    note = "" if len(shown) == len(dataset.episodes) else f" ({len(shown)} of {len(dataset.episodes)} shown)"
    body = [
        _header(dataset),
        "<section><h2>Rates</h2>",
        _rates(dataset, vectors),
        "</section><section><h2>Ranges</h2>",
        _ranges(dataset, vectors),
        f"</section><section><h2>Episodes{note}</h2>",
        '<p class="legend"><span class="state">state</span> <span class="action">action</span></p>',
        *cards,
        "</section>",
    ]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(root.name)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(page)
    partial.replace(out)
    return out


def _header(dataset: DatasetFiles) -> str:
    seconds = sum(e.length for e in dataset.episodes) / dataset.fps
    success = success_rate(dataset)
    tiles = [
        ("episodes", f"{len(dataset.episodes)}"),
        ("frames", f"{int(dataset.info['total_frames']):,}".replace(",", " ")),
        ("recorded", f"{seconds / 60:.1f} min"),
        ("rate", f"{dataset.fps} Hz"),
        ("robot", str(dataset.info.get("robot_type") or "not noted")),
        ("success", "not noted" if success is None else f"{100 * success:.0f} %"),
        ("on disk", f"{size_of(dataset.root) / 2**20:.1f} MB"),
    ]
    counts = {task: sum(task in e.tasks for e in dataset.episodes) for task in dataset.tasks}
    tasks = "".join(f"<li>{escape(t)} <span class=dim>{n} episodes</span></li>" for t, n in counts.items())
    cells = "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for name, value in tiles)
    name = escape(dataset.root.resolve().name)
    return f'<header><h1>{name}</h1><div class="tiles">{cells}</div><ul class="tasks">{tasks}</ul></header>'


def _rates(dataset: DatasetFiles, vectors: dict[str, NDArray[np.float32]]) -> str:
    """Lengths of episodes, the recorded period, and how fast the commands move."""
    lengths = np.array([e.length / dataset.fps for e in dataset.episodes])
    figures = [plots.histogram("episode length", lengths, "s")]
    times = dataset.column("timestamp").astype(np.float64)
    same = np.diff(dataset.column("episode_index")) == 0
    period_ms = np.diff(times)[same] * 1e3
    if period_ms.size:
        figures.append(plots.histogram("period between frames", period_ms.round(3), "ms"))
    if layout.ACTION in vectors and period_ms.size:
        speed = (np.abs(np.diff(vectors[layout.ACTION], axis=0))[same]).max(axis=1) * dataset.fps
        figures.append(plots.histogram("fastest action entry", speed.astype(np.float64), "unit/s"))
    return f'<div class="plots">{"".join(figures)}</div>'


def _ranges(dataset: DatasetFiles, vectors: dict[str, NDArray[np.float32]]) -> str:
    """A row for each entry of state and action."""
    rows = []
    for key, values in vectors.items():
        quantiles = np.quantile(values, (0.01, 0.5, 0.99), axis=0)
        for i, name in enumerate(_names(dataset, key)):
            low, high = float(values[:, i].min()), float(values[:, i].max())
            q01, q50, q99 = (float(q) for q in quantiles[:, i])
            both = [v[:, i] for v in vectors.values() if v.shape == values.shape]
            outer = (min(float(v.min()) for v in both), max(float(v.max()) for v in both))
            bar = plots.range_bar(low, q01, q99, high, outer)
            cells = "".join(f"<td class=n>{value:.3f}</td>" for value in (low, q01, q50, q99, high))
            rows.append(
                f"<tr><td>{escape(key)}</td><td>{escape(name)}</td>{cells}<td class=bar>{bar}</td></tr>"
            )
    head = "<th>feature</th><th>entry</th>"
    head += (
        "".join(f"<th class=n>{name}</th>" for name in ("min", "q01", "median", "q99", "max")) + "<th></th>"
    )
    return f"<div class=scroll><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _card(
    dataset: DatasetFiles, vectors: dict[str, NDArray[np.float32]], episode: Episode, strips: Sequence[Strip]
) -> str:
    """One episode: its notes, a strip of pictures for each camera, a plot for each joint."""
    rows = slice(episode.from_index, episode.from_index + episode.length)
    time_s = np.arange(episode.length) / dataset.fps
    names = _names(dataset, layout.ACTION if layout.STATE not in vectors else layout.STATE)
    drawn = []
    for i, name in enumerate(names):
        lines = [
            (key.removeprefix("observation."), values[rows, i])
            for key, values in vectors.items()
            if i < values.shape[1]
        ]
        drawn.append(plots.line_plot(name, time_s, lines))
    mark = episode.info.get("success")
    badge = (
        ""
        if mark is None
        else f'<span class="{"good" if mark else "bad"}">{"success" if mark else "failure"}</span>'
    )
    notes = " ".join(
        f"<span class=note>{escape(key)} {escape(_short(value))}</span>"
        for key, value in episode.info.items()
        if key != "success" and value is not None
    )
    pictures = "".join(_strip(strip) for strip in strips)
    return (
        f'<article id="episode-{episode.index}"><h3>Episode {episode.index}</h3>'
        f'<p>{badge} <span class="dim">{episode.length} frames, {episode.length / dataset.fps:.1f} s</span> '
        f"{escape('; '.join(episode.tasks))} {notes}</p>"
        f'{pictures}<div class="plots">{"".join(drawn)}</div></article>'
    )


def _strip(strip: Strip) -> str:
    images = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
        f"<figcaption>{second:.1f} s</figcaption></figure>"
        for jpeg, second in zip(strip.jpegs, strip.seconds, strict=True)
    )
    still = f", {100 * strip.still:.0f} % repeated frames" if strip.still >= 0.005 else ""
    return f'<p class="camera">{escape(strip.camera)}{still}</p><div class="strip">{images}</div>'


def _strips(dataset: DatasetFiles, episode: Episode) -> list[Strip]:
    picked = sorted(set(np.linspace(0, episode.length - 1, THUMBNAILS).round().astype(int).tolist()))
    strips = []
    for key in dataset.cameras:
        images = _images(dataset, key, episode)
        grey = images[..., 1].astype(np.int16)
        still = (np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)) < STILL_DIFFERENCE).mean()
        jpegs = [_jpeg(images[i]) for i in picked]
        seconds = [i / dataset.fps for i in picked]
        strips.append(Strip(key.removeprefix(layout.IMAGES), jpegs, seconds, float(still)))
    return strips


def _images(dataset: DatasetFiles, key: str, episode: Episode) -> NDArray[np.uint8]:
    """An episode's images (T, H, W, 3), scaled down to thumbnails."""
    height, width = image_shape(dataset.features[key])
    scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if dataset.features[key]["dtype"] == "image":
        table = read_table(dataset.data_path(episode), [key, "index"])
        first = episode.from_index - table.column("index")[0].as_py()
        cells = table.column(key).slice(first, episode.length).to_pylist()
        return np.stack([decode_image(cell, dataset.root, size) for cell in cells])
    segment = dataset.video_segment(key, episode)
    images = []
    for number, image in decode(segment.path, dataset.fps, size, first_frame=segment.first_frame):
        if number >= segment.first_frame + segment.n_frames:
            break
        images.append(image)
    if len(images) != episode.length:
        raise DatasetError(
            f"{segment.path}: expected {episode.length} frames of {key!r} in episode {episode.index}, "
            f"got {len(images)}; the video is truncated"
        )
    return np.stack(images)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    import cv2

    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert done
    return bytes(data.tobytes())


def _names(dataset: DatasetFiles, key: str) -> list[str]:
    width = int(dataset.features[key]["shape"][0])
    names = dataset.features[key].get("names")
    return [str(name) for name in names] if isinstance(names, list) else [f"{i}" for i in range(width)]


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 16 else text[:15] + "…"
