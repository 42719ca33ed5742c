"""A stand-in for a robot on the graph, for the tests of who listens to one."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from limber_nodes import conversions, qos
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

PERIOD_S = 0.01


class FakeArm(Node):
    """Publishes what robot_node and task_node do for two joints and one camera, 100 and 30 Hz."""

    def __init__(self) -> None:
        super().__init__("fake_arm")
        self.joints = self.create_publisher(JointState, "joint_states", qos.STATE_OUT)
        self.sent = self.create_publisher(JointState, "executed_action", qos.STATE_OUT)
        self.pictures = self.create_publisher(CompressedImage, "front/image_raw/compressed", qos.FRAMES_OUT)
        self.instruction = self.create_publisher(String, "task/instruction", qos.LATCHED)
        self.success = self.create_publisher(Bool, "task/success", qos.EVENTS)
        self.states: list[str] = []
        self.diagnostics: list[DiagnosticArray] = []
        self.create_subscription(String, "episode", lambda m: self.states.append(m.data), qos.LATCHED)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)
        self.frame_stamps: list[int] = []
        self.picture_delay_s = 0.0
        self._callers: dict[str, Client] = {}
        self.instruction.publish(String(data="put the cube in the bin"))
        self._picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        self._ended = threading.Event()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._threads = [threading.Thread(target=t) for t in (self._run, self._spin)]
        for thread in self._threads:
            thread.start()

    def _spin(self) -> None:
        while not self._ended.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _run(self) -> None:
        tick, due = 0, time.monotonic()
        on_their_way: deque[tuple[float, CompressedImage]] = deque()
        names = ("a", "b")
        while not self._ended.is_set():
            stamp = tick * 10_000_000
            self.joints.publish(conversions.joint_state(names, stamp, [tick * 0.001, 0.0]))
            self.sent.publish(conversions.joint_state(names, stamp, [tick * 0.001, 0.0]))
            frame = tick * 30 // 100
            if frame != (tick - 1) * 30 // 100:
                stamp = round(frame * 1e9 / 30)
                message = conversions.compressed_msg(stamp, "front_optical_frame", self._picture)
                on_their_way.append((time.monotonic() + self.picture_delay_s, message))
                self.frame_stamps.append(stamp)
            while on_their_way and on_their_way[0][0] <= time.monotonic():
                self.pictures.publish(on_their_way.popleft()[1])
            tick += 1
            due += PERIOD_S
            time.sleep(max(0.0, due - time.monotonic()))

    def call(self, service: str, timeout_s: float = 20.0) -> Trigger.Response:
        """Call a Trigger service; again if no answer comes, since a killed server is found for a while."""
        if service not in self._callers:
            self._callers[service] = self.create_client(Trigger, service)
        client = self._callers[service]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert client.wait_for_service(timeout_s), f"no service {service}"
            future = client.call_async(Trigger.Request())
            again = time.monotonic() + 3.0
            while time.monotonic() < again:
                if future.done():
                    return future.result()
                time.sleep(0.01)
            client.remove_pending_request(future)
        raise AssertionError(f"no answer from {service}")

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self.destroy_node()


def wait_for(condition: Callable[[], Any], timeout_s: float, what: str) -> None:
    """Poll until `condition` holds; fails naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.02)
