"""Raw logs to a LeRobotDataset v3.0: stamp-true, on the robot's own steps, with a report."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.control.sources import TELEOP_TIMEOUT_NS
from hardware.spec import RobotSpec
from policies.data.episode_streams import Streams, read_streams
from policies.data.export_report import EpisodeFigures, ExportReport, measure
from policies.data.images import decode_picture
from policies.data.layout import ACTION, IMAGES, STATE, robot_features
from policies.data.lerobot_reader import partial_of
from policies.data.lerobot_writer import DatasetWriter
from policies.data.motion_lag import picture_change
from policies.data.raw_log_reader import read_raw_log
from policies.data.resample import base_goals, distance_to_nearest, latest, moving_range, sample, step_grid
from policies.data.staging import Note
from policies.errors import DatasetError

ACTIONS = ("base", "sent")
STILL_RAD = 0.002  # a goal that moves less than this in a step stands still
KEEP_HEAD_S, KEEP_TAIL_S = 0.1, 0.5  # of standing still; the tail shows the policy that it is done
MAX_IMAGE_AGE = 3.0  # camera periods; an older picture is a gap, not an observation
UNSEEN_TAIL_S = 1.0  # joints recorded after the last picture are cut off up to this time
AHEAD = 3  # episodes being decoded while one is encoded


@dataclass(frozen=True)
class ExportOptions:
    """How episodes become learning data; see `python -m policies export-log --help`."""

    action: str = "base"
    keep_failures: bool = False
    trim_idle: bool = True
    image_dtype: str = "video"


@dataclass(frozen=True)
class Frames:
    """One episode on the grid: times (K,), state and action (K, n), and of each camera the number
    (K,) of the picture that is shown."""

    times: NDArray[np.int64]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    picture_index: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Episode:
    """What one log gave: frames with images {camera: K of (H, W, 3)}, or why it is dropped."""

    path: Path
    streams: Streams | None
    frames: Frames | None
    images: dict[str, list[NDArray[np.uint8]]]
    figures: EpisodeFigures | None
    dropped: str = ""


def find_logs(paths: Sequence[Path]) -> list[Path]:
    """The logs in `paths`: files as they are, of folders every saved or recovered episode in order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.mcap"))
        elif path.is_file():
            found.append(path)
        else:
            raise DatasetError(f"expected a raw log or a folder of them, {path} does not exist")
    if not found:
        raise DatasetError(f"expected *.mcap files in {', '.join(map(str, paths))}, found none")
    return found


def export(
    logs: Sequence[Path],
    out: Path,
    options: ExportOptions = ExportOptions(),
    on_episode: Callable[[float, str], None] = lambda fraction, text: None,
) -> ExportReport:
    """Write the dataset `out` from `logs` (files or folders) and report what they were like.

    Raises `DatasetError`: nothing to read, `out` exists, logs of different robots, an unknown
    action, or no episode left. Then nothing is written.
    """
    if options.action not in ACTIONS:
        raise DatasetError(f"expected an action of {', '.join(ACTIONS)}, got {options.action!r}")
    if out.exists():
        raise DatasetError(f"expected a new folder, {out} exists; choose another or remove it")
    paths = find_logs(logs)
    spec: RobotSpec | None = None
    writer: DatasetWriter | None = None
    report = ExportReport(str(out), options.action)
    try:
        for number, episode in enumerate(_decoded(paths, options)):
            if episode.streams is None or episode.frames is None or episode.figures is None:
                report.drop(episode.path.name, episode.dropped)
            else:
                spec = spec or episode.streams.spec
                if episode.streams.spec.hash != spec.hash:
                    raise DatasetError(
                        f"expected logs of one robot, {spec.name!r} ({spec.hash}), {episode.path} is of "
                        f"{episode.streams.spec.name!r} ({episode.streams.spec.hash})"
                    )
                writer = writer or _open_writer(out, spec, options)
                _write(writer, episode, episode.streams, episode.frames)
                report.add(episode.path.name, episode.figures)
            on_episode((number + 1) / len(paths), f"{number + 1} of {len(paths)} logs")
        if writer is None:
            raise DatasetError(f"expected at least one episode to keep: {report.reasons()}")
        writer.finalize()
    except BaseException:
        if writer is not None:
            writer.close()
            shutil.rmtree(partial_of(out))  # the logs are still there: nothing to resume from
        raise
    report.write(out / "meta" / "export_report.json")
    return report


def _decoded(paths: Sequence[Path], options: ExportOptions) -> Iterator[Episode]:
    """Episodes in order, a few being read and decoded ahead: OpenCV lets go of the interpreter."""
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[Episode]] = []
        for path in paths:
            waiting.append(pool.submit(_read, path, options))
            if len(waiting) > AHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _read(path: Path, options: ExportOptions) -> Episode:
    try:
        streams = read_streams(read_raw_log(path))
    except DatasetError as error:
        return Episode(path, None, None, {}, None, f"unreadable: {error}")
    if not streams.success and not options.keep_failures:
        reason = "failed" if streams.success is False else "no success label"
        return Episode(path, None, None, {}, None, reason)
    frames = resample(streams, options)
    reason = _gap(streams, frames)
    if reason:
        return Episode(path, None, None, {}, None, reason)
    try:
        images = _images(path, streams, frames)
    except DatasetError as error:
        return Episode(path, None, None, {}, None, str(error))
    changes = {name: picture_change(shown) for name, shown in images.items()}
    return Episode(
        path, streams, frames, images, measure(streams, frames.times, frames.picture_index, changes)
    )


def resample(streams: Streams, options: ExportOptions) -> Frames:
    """The episode on the grid of its steps; K may be 0."""
    spec = streams.spec
    step_ns, tick_ns = 10**9 // spec.action_hz, 10**9 // spec.control_hz
    first = max([streams.joints.stamps[0], *(c.stamps[0] for c in streams.cameras.values())])
    if streams.person is not None and len(streams.person):
        first = max(first, streams.person.stamps[0] - step_ns + tick_ns)
    end = min(int(streams.joints.stamps[-1]), int(streams.sent.stamps[-1]))
    seen = min([end, *(int(streams.cameras[c.name].stamps[-1]) + 10**9 // c.fps for c in spec.cameras)])
    if end - seen > UNSEEN_TAIL_S * 1e9:
        seen = end  # a camera that ended early is a gap
    grid = step_grid(streams.steps, int(first), seen, step_ns)
    # The last goal before the next frame: what is sent on the step's last tick.
    goal_times = grid + step_ns - tick_ns
    grid, goal_times = grid[goal_times <= end], goal_times[goal_times <= end]
    if len(grid) == 0:
        empty = np.zeros((0, spec.n_joints), np.float32)
        return Frames(grid, empty, empty, {name: np.zeros(0, np.int64) for name in streams.cameras})
    sent = streams.sent.values[np.maximum(latest(streams.sent.stamps, goal_times), 0)]
    base = base_goals(streams.sent, streams.person, goal_times, TELEOP_TIMEOUT_NS)
    action = base if options.action == "base" else sent
    kept = slice(0, len(grid))
    if options.trim_idle:
        hz = spec.action_hz
        kept = moving_range(base, STILL_RAD, round(KEEP_HEAD_S * hz), round(KEEP_TAIL_S * hz))
    grid = grid[kept]
    return Frames(
        grid,
        sample(streams.joints, grid).astype(np.float32),
        action[kept].astype(np.float32),
        {name: latest(c.stamps, grid) for name, c in streams.cameras.items()},
    )


def _gap(streams: Streams, frames: Frames) -> str:
    """Why the episode must not be learned from; empty when nothing is amiss."""
    spec = streams.spec
    if len(frames.times) < 2:
        return "too short"
    if distance_to_nearest(streams.joints.stamps, frames.times).max() > 10**9 / spec.action_hz / 2:
        return "gap in joint_states"
    for camera in spec.cameras:
        stamps = streams.cameras[camera.name].stamps[frames.picture_index[camera.name]]
        if (frames.times - stamps).max() > MAX_IMAGE_AGE * 1e9 / camera.fps:
            return f"gap in camera {camera.name!r}"
    return ""


def _images(path: Path, streams: Streams, frames: Frames) -> dict[str, list[NDArray[np.uint8]]]:
    """The pictures {camera: K of (H, W, 3)} of the frames; `DatasetError` for one that is not as the
    spec says."""
    images: dict[str, list[NDArray[np.uint8]]] = {}
    for camera in streams.spec.cameras:
        pictures = streams.cameras[camera.name].pictures
        expected = (camera.height, camera.width, 3)
        shown = images[camera.name] = []
        for i in frames.picture_index[camera.name]:
            try:
                shown.append(decode_picture(pictures[i]))
            except DatasetError as error:
                raise DatasetError(f"camera {camera.name!r} in {path}: {error}") from None
            if shown[-1].shape != expected:
                raise DatasetError(
                    f"camera {camera.name!r}: expected pictures of shape {expected}, got {shown[-1].shape}"
                )
    return images


def _open_writer(out: Path, spec: RobotSpec, options: ExportOptions) -> DatasetWriter:
    sizes = {c.name: (c.height, c.width) for c in spec.cameras}
    features = robot_features(spec.joint_names, sizes, image_dtype=options.image_dtype)
    return DatasetWriter(out, spec.action_hz, features, spec.name)


def _write(writer: DatasetWriter, episode: Episode, streams: Streams, frames: Frames) -> None:
    for t in range(len(frames.times)):
        frame = {STATE: frames.state[t], ACTION: frames.action[t]}
        frame |= {IMAGES + name: images[t] for name, images in episode.images.items()}
        writer.add_frame(frame)
    info: dict[str, Note] = {
        "success": bool(streams.success),
        "operator": streams.operator,
        "source": episode.path.name,
    }
    writer.save_episode(streams.task, info)
