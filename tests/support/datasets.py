"""Small datasets whose every value tells its episode and frame, written by us or by lerobot."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.data.layout import robot_features
from policies.data.lerobot_writer import DatasetWriter

JOINTS = ["pan", "lift", "gripper"]
FPS = 20
SIDE = 32
LENGTHS = (6, 9, 7)
# A decoded grey level is this close to the encoded one: two roundings between RGB and YUV.
GREY_TOLERANCE = 3


def state_of(episode: int, frame: int) -> NDArray[np.float32]:
    """(3,) the state at a frame; the action is one more."""
    return np.array([episode, frame, episode + 0.01 * frame], np.float32)


def grey_of(episode: int, frame: int, camera: int) -> int:
    """The grey level of a camera's picture, 8 apart from frame to frame."""
    return (30 + 8 * frame + 10 * episode + 100 * camera) % 256


def frame_of(episode: int, frame: int, cameras: tuple[str, ...]) -> dict[str, Any]:
    """All features of a frame."""
    values: dict[str, Any] = {"observation.state": state_of(episode, frame)}
    values["action"] = state_of(episode, frame) + np.float32(1)
    for c, camera in enumerate(cameras):
        values[f"observation.images.{camera}"] = np.full(
            (SIDE, SIDE, 3), grey_of(episode, frame, c), np.uint8
        )
    return values


def features(cameras: tuple[str, ...] = ("front", "wrist"), image_dtype: str = "video") -> dict[str, Any]:
    """What `write_ours` and `write_lerobots` declare."""
    return robot_features(JOINTS, dict.fromkeys(cameras, (SIDE, SIDE)), image_dtype=image_dtype)


def write_ours(
    root: Path,
    lengths: tuple[int, ...] = LENGTHS,
    cameras: tuple[str, ...] = ("front", "wrist"),
    image_dtype: str = "video",
    fps: int = FPS,
) -> Path:
    """A dataset by our writer: task "task E % 2", notes seed and success."""
    with DatasetWriter(root, fps, features(cameras, image_dtype), "so101") as writer:
        for episode, length in enumerate(lengths):
            for frame in range(length):
                writer.add_frame(frame_of(episode, frame, cameras))
            writer.save_episode(f"task {episode % 2}", {"success": episode != 1, "seed": 100 + episode})
    return root


def write_lerobots(root: Path, lengths: tuple[int, ...] = LENGTHS, vcodec: str = "h264") -> Path:
    """The same values by lerobot's own writer: `front` a video, `wrist` single images."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    declared = features(("front",)) | features(("wrist",), "image")
    for feature in declared.values():
        feature["shape"] = tuple(feature["shape"])
    dataset = LeRobotDataset.create(
        "test/theirs", FPS, declared, root=root, robot_type="so101", **_encoder(LeRobotDataset, vcodec)
    )
    for episode, length in enumerate(lengths):
        for frame in range(length):
            dataset.add_frame({**frame_of(episode, frame, ("front", "wrist")), "task": f"task {episode % 2}"})
        dataset.save_episode()
    dataset.finalize()
    return root


def _encoder(dataset: type, vcodec: str) -> dict[str, Any]:
    """How this version of lerobot is told the video codec."""
    if "vcodec" in inspect.signature(dataset.create).parameters:  # 0.4
        return {"vcodec": vcodec}
    from lerobot.configs.video import RGBEncoderConfig

    return {"rgb_encoder": RGBEncoderConfig(vcodec=vcodec)}


def open_with_lerobot(root: Path, **options: Any) -> Any:
    """lerobot's own LeRobotDataset, without the network; PyAV, as torchcodec needs a system FFmpeg."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("test/any", root=root, video_backend="pyav", **options)
