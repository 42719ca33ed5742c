"""The kinds of cameras there are, by how the spec's `source` begins."""

from collections.abc import Callable, Mapping

from hardware.cameras.contract import Camera, CameraError
from hardware.cameras.folder import FolderCamera
from hardware.cameras.stream import StreamCamera
from hardware.cameras.topic_source import is_topic
from hardware.cameras.usb import UsbCamera
from hardware.cameras.video_file import VideoFileCamera
from hardware.spec import CameraSpec

KINDS: Mapping[str, tuple[str, Callable[[CameraSpec, str], Camera]]] = {
    "/dev/": ("/dev/v4l/by-id/...", UsbCamera),
    "http://": ("http://host:port/path", StreamCamera),
    "https://": ("https://host/path", StreamCamera),
    "file:": ("file:video.mp4", lambda spec, source: VideoFileCamera(spec, source.removeprefix("file:"))),
    "folder:": ("folder:pictures", lambda spec, source: FolderCamera(spec, source.removeprefix("folder:"))),
}


def make_camera(spec: CameraSpec) -> Camera:
    """The camera of a spec, not open yet; `CameraError` lists the kinds where its source is of none."""
    for begin, (_, make) in KINDS.items():
        if spec.source.startswith(begin):
            return make(spec, spec.source)
    if is_topic(spec.source):
        raise CameraError(f"camera {spec.name!r}: {spec.source} is a ROS topic; only robot_node can open it")
    examples = ", ".join([*(example for example, _ in KINDS.values()), "topic:/some/image_raw"])
    raise CameraError(f"camera {spec.name!r}: expected a source as {examples}, got {spec.source!r}")
