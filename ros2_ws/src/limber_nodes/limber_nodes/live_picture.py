"""The cameras' newest pictures for a person who drives, in a thread that holds nobody up."""

import threading
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from hardware.errors import LimberError
from limber_nodes.live_picture_sinks import Image, Sink
from limber_nodes.on_demand import OnDemand
from policies.data import cdr
from policies.errors import PolicyError

PERIOD_S = 0.1  # ten pictures a second: enough to aim by, and a tenth of a core at 640x480


class LivePicture:
    """Takes the newest picture of each camera, whatever came between; `shown` counts the rounds.

    The first picture is when it is `say`d where they are to be seen, and a sink that fails when it is
    said why there are no more.
    """

    def __init__(self, node: Node, cameras: Sequence[str], sink: Sink, say: Callable[[str], None]) -> None:
        self._sink = sink
        self._say = say
        self._topics = {
            name: OnDemand(node, CompressedImage, f"{name}/image_raw/compressed") for name in cameras
        }
        self._newest: dict[str, tuple[int, Image]] = {}  # stamp, (H, W, 3)
        self.shown = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live picture", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """May be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._sink.close()
        for topic in self._topics.values():
            topic.close()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            if not self._take():
                continue
            try:
                self._sink.show({name: image for name, (_, image) in self._newest.items()})
            except (LimberError, OSError, RuntimeError, cv2.error) as error:
                self._say(f"no live picture any more: {error}")
                return
            if not self.shown:
                self._say(self._sink.where)
            self.shown += 1

    def _take(self) -> bool:
        """Whether any camera has a new picture."""
        found = {name: data for name, topic in self._topics.items() if (data := topic.newest())}
        new = {n: d for n, d in found.items() if self._newest.get(n, (None,))[0] != cdr.stamp_ns(d)}
        for name, image in self._decoded(new).items():
            self._newest[name] = image
        return bool(new)

    @staticmethod
    def _decoded(messages: Mapping[str, bytes]) -> dict[str, tuple[int, Image]]:
        """Stamp and picture of each message that is one."""
        pictures = {}
        for name, data in messages.items():
            try:
                stamp, _, jpeg = cdr.compressed_image(data)
            except PolicyError:
                continue
            image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                pictures[name] = stamp, image[..., ::-1]
        return pictures
