"""Video files: encode a stream of images, join episodes without encoding again, decode in order.

Frames are counted, not timed: a frame's number in its file is its stamp times fps, rounded.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.errors import DatasetError

# A key frame every other frame, as lerobot encodes, keeps random access cheap; crf 18 is visually
# lossless (x264's own guide); `veryfast` costs a quarter of `medium` for a tenth more bytes.
X264 = {"preset": "veryfast", "crf": "18", "g": "2", "bf": "0", "threads": "1"}


class VideoEncoder:
    """Encodes images as they come to an H.264 file at `path` (a temporary name of the caller's)."""

    def __init__(self, path: Path, fps: int, height: int, width: int) -> None:
        import av

        self.frames = 0
        self._av = av
        self._path = path
        self._fps = fps
        self._container: Any = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=fps, options=dict(X264))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, fps)

    def add(self, image: NDArray[np.uint8]) -> None:
        """Encode one image (H, W, 3)."""
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = self.frames, Fraction(1, self._fps)
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Write what the encoder still holds, and the file's index."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def abandon(self) -> None:
        """Give the file up; emptied first, because a file that cannot be ended on a full disk stays open."""
        os.truncate(self._path, 0)
        with suppress(OSError):
            self._container.close()


@dataclass(frozen=True)
class VideoSegment:
    """An episode's frames within a video file: numbers first_frame .. first_frame + n_frames - 1."""

    path: Path
    first_frame: int
    n_frames: int


@dataclass(frozen=True)
class VideoCoding:
    """What must agree for two segments to share a file."""

    codec: str
    width: int
    height: int
    extradata: bytes


def open_video(path: Path) -> Any:
    """An av container; raises DatasetError where the file is missing or cut short."""
    import av

    try:
        container = av.open(str(path))
    except (OSError, av.FFmpegError) as error:
        raise DatasetError(
            f"{path}: expected a video, got an unreadable or truncated file ({error})"
        ) from None
    if not container.streams.video:
        container.close()
        raise DatasetError(f"{path}: expected a video, got a file without a video stream")
    return container


def coding_of(path: Path) -> VideoCoding:
    """The coding of a video file."""
    with open_video(path) as container:
        context = container.streams.video[0].codec_context
        return VideoCoding(context.name, context.width, context.height, bytes(context.extradata or b""))


def video_info(path: Path, fps: int) -> dict[str, Any]:
    """The `info` that lerobot keeps beside a video feature."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        }


class VideoJoiner:
    """Appends segments of equal coding to one file by copying their packets."""

    def __init__(self, path: Path, fps: int, coding: VideoCoding) -> None:
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        self.coding = coding
        self.frames = 0
        self.bytes = 0
        self._fps = fps
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream: Any = None

    def append(self, segment: VideoSegment) -> None:
        """Copy the packets of a segment that begins at a key frame; DatasetError if frames are missing."""
        base = Fraction(1, self._fps)
        copied = 0
        with open_video(segment.path) as source:
            video = source.streams.video[0]
            if self._stream is None:
                self._stream = self._container.add_stream_from_template(video, opaque=True)
                self._stream.time_base = video.time_base
            for packet in _packets(source, video, segment, self._fps):
                number = _frame_number(packet.pts, video.time_base, self._fps)
                delay = number - _frame_number(packet.dts, video.time_base, self._fps)
                packet.stream = self._stream
                packet.time_base = base
                packet.pts = self.frames + number - segment.first_frame
                packet.dts = packet.pts - delay
                packet.duration = 1
                self.bytes += packet.size
                self._container.mux(packet)
                copied += 1
        if copied != segment.n_frames:
            raise DatasetError(
                f"{segment.path}: expected {segment.n_frames} frames from frame {segment.first_frame}, "
                f"got {copied}; the file is truncated"
            )
        self.frames += segment.n_frames

    def close(self) -> None:
        """Write the file's index."""
        self._container.close()


def begins_at_key_frame(segment: VideoSegment, fps: int) -> bool:
    """Whether the segment can be copied; if not, it has to be decoded and encoded again."""
    with open_video(segment.path) as source:
        first = next(_packets(source, source.streams.video[0], segment, fps), None)
        return first is None or bool(first.is_keyframe)


def _frame_number(pts: int, time_base: Fraction, fps: int) -> int:
    return round(pts * time_base * fps)


def _packets(source: Any, video: Any, segment: VideoSegment, fps: int) -> Iterator[Any]:
    """The segment's packets in decoding order."""
    import av

    end = segment.first_frame + segment.n_frames
    if segment.first_frame:
        source.seek(round(Fraction(segment.first_frame, fps) / video.time_base), stream=video)
    try:
        for packet in source.demux(video):
            if packet.dts is None or packet.pts is None:
                continue
            number = _frame_number(packet.pts, video.time_base, fps)
            if segment.first_frame <= number < end:
                yield packet
            elif _frame_number(packet.dts, video.time_base, fps) >= end:
                return
    except av.FFmpegError as error:
        raise DatasetError(f"{segment.path}: video is truncated or damaged ({error})") from None


def decode(
    path: Path, fps: int, image_size: tuple[int, int] | None = None, first_frame: int = 0
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Frames of a file in order from `first_frame` on: (number, image (H, W, 3)).

    image_size: (height, width) to scale to while converting; None keeps the file's own.
    """
    import av

    with open_video(path) as container:
        video = container.streams.video[0]
        video.thread_count = 1  # files are decoded in parallel instead
        if first_frame:
            container.seek(round(Fraction(first_frame, fps) / video.time_base), stream=video)
        try:
            for frame in container.decode(video):
                number = _frame_number(frame.pts, video.time_base, fps)
                if number < first_frame:
                    continue
                if image_size is None or (frame.height, frame.width) == image_size:
                    yield number, frame.to_ndarray(format="rgb24")
                    continue
                height, width = image_size
                scaled = frame.reformat(height=height, width=width, format="rgb24", interpolation="AREA")
                yield number, scaled.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise DatasetError(f"{path}: video is truncated or damaged ({error})") from None
