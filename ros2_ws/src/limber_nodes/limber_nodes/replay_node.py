"""Plays a recorded episode back: one slow approach, then its goals, as one chunk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from hardware.errors import HardwareError
from hardware.spec import load_spec
from limber_nodes import conversions, diagnostics, qos
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters, param
from limber_nodes.spin import run_node
from policies.data import cdr
from policies.data.replay import approach, load_goals

RETRIES = 5  # chunks; the first may be keyed to a step from before `arm`
PATIENCE_STEPS = 4  # until a chunk that was taken shows in the plan


@dataclass(frozen=True)
class ReplaySettings:
    """Parameters of replay_node."""

    episode: str = param("", "raw log (.mcap) or LeRobotDataset folder")
    index: int = param(0, "episode of a LeRobotDataset", low=0)
    goals: str = param(
        "sent", "of a raw log: what the motors got, or the demonstrator's goal", choices=("sent", "base")
    )
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    approach_speed: float = param(0.5, "rad/s of the fastest joint on the way to the first goal", low=0.01)


class ReplayNode:
    """Arms the robot, offers the whole episode as one chunk, ends the process when it is played.

    A stop or a takeover clears the plan; the replay then ends with exit code 1 and goes no further.
    """

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        s = self.settings = Parameters(node, ReplaySettings).values
        self.spec = load_spec(s.robot)
        if not s.episode:
            raise HardwareError("parameter 'episode': expected a raw log or a LeRobotDataset, got none")
        self.goals = load_goals(Path(s.episode), self.spec, s.index, s.goals)
        self.state: np.ndarray | None = None
        self.armed = self.playing = False
        self.length = self.tries = 0
        self.key = 0

    # -- life cycle -------------------------------------------------------------------------

    def configure(self) -> None:
        node = self.node
        self.chunks = node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
        self.arm = node.create_client(Trigger, "arm")

    def activate(self) -> None:
        node = self.node
        self.diagnostics = diagnostics.Diagnostics(node, self._diagnose, hardware_id=self.spec.name)
        self.subscriptions = [
            node.create_subscription(JointState, "joint_states", self._on_state, qos.SENSOR_IN),
            node.create_subscription(JointTrajectory, "planned_action", self._on_plan, qos.EVENTS, raw=True),
        ]
        self.timer = node.create_timer(0.1, self._arm)

    def deactivate(self) -> None:
        """The robot plays what it was given; `stop` ends that."""
        for subscription in self.subscriptions:
            self.node.destroy_subscription(subscription)
        self.node.destroy_timer(self.timer)
        self.diagnostics.stop()

    def cleanup(self) -> None:
        self.node.destroy_client(self.arm)
        self.node.destroy_publisher(self.chunks)

    # -- arm, offer, watch ------------------------------------------------------------------

    def _arm(self) -> None:
        if self.state is None or not self.arm.service_is_ready():
            return
        self.timer.cancel()
        self.arm.call_async(Trigger.Request()).add_done_callback(self._on_armed)

    def _on_armed(self, future: Any) -> None:
        response = future.result()
        if response.success:
            self.armed = True
        else:
            self._end(1, f"arm: {response.message}")

    def _on_state(self, message: JointState) -> None:
        order = conversions.in_order(message.name, self.spec.joint_names)
        self.state = np.array(message.position)[order]

    def _on_plan(self, message: bytes) -> None:
        plan = cdr.trajectory(message)
        steps = round((plan.stamp_ns - self.key) * self.spec.action_hz / 1e9)
        if not self.armed:
            return
        if self.playing:
            if steps >= self.length:
                self._end(0, f"replayed {len(self.goals)} goals of {self.settings.episode}")
            elif len(plan.positions) == 0 and steps < self.length - 1:
                self._end(1, f"replay ended by a stop or a takeover after {steps} of {self.length} steps")
        elif self.tries and len(plan.positions):
            self.playing = True
        elif self.tries == 0 or steps >= PATIENCE_STEPS:
            self._offer(plan.stamp_ns)

    def _offer(self, key_ns: int) -> None:
        if self.tries == RETRIES:
            self._end(1, "the robot does not take the episode; /diagnostics of robot_node says why")
            return
        assert self.state is not None
        self.tries += 1
        self.key = key_ns
        way = approach(self.state, self.goals[0], self.settings.approach_speed, self.spec.action_hz)
        points = np.concatenate([self.state[None], way, self.goals])
        self.length = len(points)
        self.chunks.publish(
            conversions.trajectory(self.spec.joint_names, key_ns, points, self.spec.action_dt)
        )

    def _end(self, code: int, line: str) -> None:
        self.armed = False
        log = self.node.get_logger()
        log.error(line) if code else log.info(line)
        self.node.finish(code)

    def _diagnose(self) -> diagnostics.Status:
        state = "playing" if self.playing else "waiting"
        return diagnostics.OK, state, {"steps": self.length, "tries": self.tries}


def main() -> None:
    run_node(lambda: ManagedNode("replay_node", ReplayNode))


if __name__ == "__main__":
    main()
