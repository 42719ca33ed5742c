"""An episode as a small H.264 video: its cameras side by side, its joints and chunks running below."""

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.report import ChunkTrace, EpisodeResult, EpisodeTrace

Canvas = NDArray[np.uint8]  # (H, W, 3) RGB

FPS = 20
WIDTH = 640
ROW_HEIGHT = 84
COLUMNS = 3
PAST_S, FUTURE_S = 2.5, 0.9  # what a joint's panel shows around the present
HOLD_S = 0.8  # the last picture stays, with the verdict on it

BACKGROUND, PANEL, RULE = (17, 20, 24), (25, 29, 35), (58, 64, 73)
TEXT, STATE, SENT, CHUNK = (170, 178, 189), (236, 239, 243), (86, 150, 255), (255, 176, 62)
VERDICT = {"success": (70, 200, 130), "timeout": (255, 120, 90), "fault": (255, 90, 90)}


def episode_video(
    episode: EpisodeResult, joint_names: Sequence[str], action_dt: float
) -> tuple[bytes, bytes]:
    """The episode's video (MP4) and its poster (JPEG). The episode must carry a trace."""
    import cv2

    if episode.trace is None:
        raise ValueError(f"episode of seed {episode.seed} has no trace to draw")
    drawing = _Drawing(episode.trace, joint_names, action_dt)
    end = float(episode.trace.times_s[-1])
    pictures = [drawing.at(i / FPS) for i in range(int(end * FPS) + 1)]
    last = pictures[-1].copy()
    _write(last, episode.verdict, (WIDTH - 12, 8), VERDICT.get(episode.verdict, TEXT), 20, anchor="ra")
    poster = cv2.imencode(".jpg", cv2.cvtColor(last, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return encode(pictures + [last] * int(HOLD_S * FPS)), poster.tobytes()


def encode(pictures: Sequence[Canvas], fps: int = FPS) -> bytes:
    """Pictures (H, W, 3), with even sides, as an MP4 that every browser plays."""
    import av

    buffer = io.BytesIO()
    height, width = pictures[0].shape[:2]
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "25", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


class _Drawing:
    """Draws the moments of one episode."""

    def __init__(self, trace: EpisodeTrace, joint_names: Sequence[str], action_dt: float) -> None:
        self._trace = trace
        self._dt = action_dt
        self._cameras = [_Film(frames) for frames in trace.frames.values() if frames]
        self._picture_width = WIDTH // max(1, len(self._cameras)) // 2 * 2
        ratio = max((film.shape[0] / film.shape[1] for film in self._cameras), default=0.0)
        self._top = int(self._picture_width * ratio) // 2 * 2
        rows = -(-len(joint_names) // COLUMNS)
        self._panels = [self._panel(i) for i in range(len(joint_names))]
        self._ranges = [_range(trace, i) for i in range(len(joint_names))]
        self._base = np.full((self._top + rows * ROW_HEIGHT + 24, WIDTH, 3), BACKGROUND, np.uint8)
        for name, (x, y, w, h) in zip(joint_names, self._panels, strict=True):
            self._base[y : y + h, x : x + w] = PANEL
            _write(self._base, name, (x + 6, y + 3), TEXT, 11)
        y = len(self._base) - 21
        for x, label, colour in ((8, "measured", STATE), (92, "sent", SENT), (148, "chunk to come", CHUNK)):
            self._base[y + 8 : y + 10, x : x + 12] = colour
            _write(self._base, label, (x + 17, y + 1), TEXT, 11)
        self._label_at = (WIDTH - 8, y + 1)

    def at(self, time_s: float) -> Canvas:
        import cv2

        canvas: Canvas = self._base.copy()
        for i, film in enumerate(self._cameras):
            picture = film.at(time_s)
            height = int(self._picture_width * picture.shape[0] / picture.shape[1])
            large = cv2.resize(picture, (self._picture_width, height), interpolation=cv2.INTER_CUBIC)
            x = i * self._picture_width
            canvas[: min(height, self._top), x : x + self._picture_width] = large[: self._top]
        chunk = self._current_chunk(time_s)
        for joint, (x, y, w, h) in enumerate(self._panels):
            self._draw_joint(canvas[y : y + h, x : x + w], joint, time_s, chunk)
        _write(canvas, f"{time_s:5.2f} s", self._label_at, TEXT, 11, anchor="ra")
        return canvas

    def _draw_joint(self, panel: Canvas, joint: int, now: float, chunk: ChunkTrace | None) -> None:
        import cv2

        h, w = panel.shape[:2]
        low, high = self._ranges[joint]

        def line(times: NDArray[Any], values: NDArray[Any], colour: tuple[int, int, int]) -> None:
            if len(times) < 2:
                return
            x = (times - (now - PAST_S)) / (PAST_S + FUTURE_S) * w
            y = 20 + (high - values) / (high - low) * (h - 26)
            points = np.round(np.stack([x, y], axis=1) * 16).astype(np.int32)
            cv2.polylines(panel, [points[:, None]], False, colour, 1, cv2.LINE_AA, shift=4)

        present = round(PAST_S / (PAST_S + FUTURE_S) * w)
        panel[18:, present] = RULE
        trace = self._trace
        first, last = np.searchsorted(trace.times_s, [now - PAST_S, now + 1e-9])
        line(trace.times_s[first:last], trace.sent[first:last, joint], SENT)
        line(trace.times_s[first:last], trace.state[first:last, joint], STATE)
        if chunk is not None:
            times = chunk.start_s + (1 + np.arange(len(chunk.actions))) * self._dt
            ahead = times >= now - self._dt
            line(times[ahead], chunk.actions[ahead, joint], CHUNK)

    def _current_chunk(self, now: float) -> ChunkTrace | None:
        entered = [c for c in self._trace.chunks if c.entered_s <= now + 1e-9]
        return entered[-1] if entered else None

    def _panel(self, joint: int) -> tuple[int, int, int, int]:
        row, column = divmod(joint, COLUMNS)
        width = WIDTH // COLUMNS
        return column * width + 3, self._top + row * ROW_HEIGHT + 4, width - 6, ROW_HEIGHT - 6


class _Film:
    """One camera's pictures by time."""

    def __init__(self, frames: Sequence[tuple[float, NDArray[np.uint8] | bytes]]) -> None:
        self._frames = sorted(frames, key=lambda frame: frame[0])
        self._times = [time_s for time_s, _ in self._frames]
        self.shape = self.at(self._times[0]).shape

    def at(self, time_s: float) -> Canvas:
        index = max(0, int(np.searchsorted(self._times, time_s + 1e-9)) - 1)
        picture = self._frames[index][1]
        if not isinstance(picture, bytes):
            return picture
        import cv2

        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        rgb: Canvas = np.ascontiguousarray(decoded[..., ::-1])
        return rgb


def _range(trace: EpisodeTrace, joint: int) -> tuple[float, float]:
    """What a joint's panel spans: all that it was and all that it was told, never under 0.2."""
    parts = [trace.state[:, joint], trace.sent[:, joint], *[c.actions[:, joint] for c in trace.chunks]]
    low, high = min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)
    middle, half = (low + high) / 2, max(0.1, (high - low) / 2 * 1.05)
    return middle - half, middle + half


@lru_cache
def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


@lru_cache(maxsize=512)
def _text_mask(text: str, size: int) -> NDArray[np.float64]:
    from PIL import Image, ImageDraw

    width = int(_font(size).getlength(text)) + 2
    mask = Image.new("L", (width, size + 6))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=_font(size))
    return np.asarray(mask, np.float64)[..., None] / 255


def _write(
    canvas: Canvas,
    text: str,
    at: tuple[int, int],
    colour: tuple[int, int, int],
    size: int,
    anchor: str = "la",
) -> None:
    """Write `text` with its top left (or, anchor "ra", top right) corner at `at` = (x, y)."""
    mask = _text_mask(text, size)
    x = at[0] - mask.shape[1] if anchor == "ra" else at[0]
    area = canvas[at[1] : at[1] + mask.shape[0], x : x + mask.shape[1]]
    part = mask[: area.shape[0], : area.shape[1]]
    area[:] = (area * (1 - part) + np.array(colour) * part).astype(np.uint8)
