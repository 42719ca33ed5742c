"""Is every camera there, and does it give pictures of the spec's size at the spec's rate?"""

import time
from collections.abc import Iterator

from hardware.cameras.contract import Camera, CameraError
from hardware.cameras.table import make_camera
from hardware.cameras.topic_source import is_topic
from hardware.doctor.finding import Finding
from hardware.spec import CameraSpec

FIRST_S = 5.0  # for the first picture
WATCH_S = 2.0
LEAST_RATE = 0.85  # of the spec's


def check_camera(camera: CameraSpec) -> Iterator[Finding]:
    """Opens it and looks for two seconds."""
    subject = f"camera {camera.name}"
    if is_topic(camera.source):
        yield Finding("ok", subject, f"{camera.source}: robot_node looks for it before it can be armed")
        return
    if not camera.source:
        yield Finding(
            "wrong",
            subject,
            "has no source in the spec, and could not be opened",
            f"{{name: {camera.name}, ..., source: /dev/v4l/by-id/...}} (ls /dev/v4l/by-id)",
        )
        return
    try:
        source = make_camera(camera)
        source.open()
    except CameraError as error:
        yield Finding("wrong", subject, str(error), "what it says, then run this again")
        return
    try:
        yield _watch(camera, source)
    except CameraError as error:
        yield Finding("wrong", subject, str(error), "check its cable, and the hub between")
    finally:
        source.close()


def _watch(camera: CameraSpec, source: Camera) -> Finding:
    subject = f"camera {camera.name}"
    first = source.read(FIRST_S)
    if first is None:
        said = f"no picture within {FIRST_S:g} s"
        return Finding("wrong", subject, said, "unplug it and plug it in again")
    count, begin, until = 0, time.monotonic(), time.monotonic() + WATCH_S
    while time.monotonic() < until:
        count += source.read(WATCH_S) is not None
    rate = count / (time.monotonic() - begin)
    said = f"{camera.width}x{camera.height}, {rate:.1f} pictures/s, stamped by the {first.stamped_by}"
    if rate < LEAST_RATE * camera.fps:
        return Finding(
            "wrong",
            subject,
            f"{said}; the spec says {camera.fps} pictures/s",
            "more light, or a fixed exposure in the spec; else set fps to what it gives",
        )
    if first.stamped_by == "arrival" and not camera.latency_ms:
        return Finding(
            "warning",
            subject,
            f"{said}; it does not say when a picture was taken, and latency_ms is 0",
            f"python -m hardware latency --camera {camera.name}",
        )
    return Finding("ok", subject, said)
