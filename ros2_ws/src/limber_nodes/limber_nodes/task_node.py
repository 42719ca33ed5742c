"""The task in the graph: where its objects are, what is to be done, whether it is done."""

import json
from dataclasses import dataclass
from pathlib import Path

from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from hardware.control_socket import default_path
from hardware.errors import HardwareError
from limber_nodes import conversions, qos
from limber_nodes.parameters import Parameters, param
from limber_nodes.plain import PlainNode
from limber_nodes.spin import run_node
from limber_nodes.task_backing import Backing, PersonBacking, SimulationBacking


@dataclass(frozen=True)
class TaskSettings:
    """Parameters of task_node."""

    backing: str = param(
        "simulation", "who places objects and judges success", choices=("simulation", "person")
    )
    seed: int = param(0, "of the next reset; each reset adds one", low=0, read_only=False)
    instruction: str = param("", "the task's text; empty: as the simulated task says", read_only=False)
    hold_s: float = param(0.5, "robot time that the condition must hold to count as success", low=0.0)
    control_socket: str = param(
        "", "path of the simulation's control socket; empty: by user, domain, namespace"
    )


class TaskNode:
    """Publishes `task/objects` and `task/success` once an action step, `task/instruction` latched.

    `task/success` is the condition held for `hold_s`, or the label that was given since the last
    reset, or since the recorder's episode began or ended. `planned_action`, one message a step, is
    the metronome, so that robot time running faster or slower changes nothing.
    """

    def __init__(self, node: PlainNode) -> None:
        self.node = node
        self.parameters = Parameters(node, TaskSettings)
        settings = self.parameters.values
        self.backing: Backing
        if settings.backing == "person":
            self.backing = PersonBacking()
        else:
            path = settings.control_socket or default_path(node.get_namespace())
            self.backing = SimulationBacking(Path(path))
        self.label: bool | None = None
        self.held_since: int | None = None
        self.recorder_state = ""

    def start(self) -> None:
        node = self.node
        self.objects = node.create_publisher(MarkerArray, "task/objects", qos.EVENTS)
        self.success = node.create_publisher(Bool, "task/success", qos.EVENTS)
        self.instruction = node.create_publisher(String, "task/instruction", qos.LATCHED)
        self.said = ""
        self._say(self.parameters.values.instruction)
        node.add_post_set_parameters_callback(lambda _changed: self._say(self.parameters.values.instruction))
        node.create_subscription(JointTrajectory, "planned_action", self._on_step, qos.EVENTS, raw=True)
        node.create_subscription(String, "episode", self._on_episode, qos.LATCHED)
        node.create_service(Trigger, "task/reset", self._on_reset)
        node.create_service(SetBool, "task/label", self._on_label)

    def close(self) -> None:
        self.backing.close()

    def _on_step(self, _message: bytes) -> None:
        world = self.backing.state()
        if world is not None:
            self.objects.publish(conversions.markers(world.now_ns, world.objects))
        if self.label is not None:
            self.success.publish(Bool(data=self.label))
        elif world is not None:
            self.success.publish(Bool(data=self._is_held(world.success, world.now_ns)))

    def _on_episode(self, message: String) -> None:
        """A label is one episode's: its end clears it. The word of its start may come after the label."""
        state = json.loads(message.data)["state"]
        if self.recorder_state == "recording" != state:
            self.label = None
        self.recorder_state = state

    def _is_held(self, success: bool, now_ns: int) -> bool:
        if not success:
            self.held_since = None
            return False
        if self.held_since is None:
            self.held_since = now_ns
        return now_ns - self.held_since >= self.parameters.values.hold_s * conversions.NS

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        seed = self.parameters.values.seed
        try:
            instruction = self.backing.reset(seed)
            instruction = self.parameters.values.instruction or instruction
            world = self.backing.state()
        except HardwareError as error:
            response.success, response.message = False, str(error)
            return response
        self.label = self.held_since = None
        self._say(instruction)
        self.node.set_parameters([Parameter("seed", value=seed + 1)])
        response.success = True
        # Objects stamped later than this are the new episode's.
        stamp_ns = -1 if world is None else world.now_ns
        response.message = json.dumps({"seed": seed, "instruction": instruction, "stamp_ns": stamp_ns})
        return response

    def _say(self, instruction: str) -> None:
        """Latched: said again only when it is another."""
        if instruction and instruction != self.said:
            self.said = instruction
            self.instruction.publish(String(data=instruction))

    def _on_label(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.label = bool(request.data)
        self.success.publish(Bool(data=self.label))
        response.success, response.message = True, f"labelled {'success' if self.label else 'failure'}"
        return response


def main() -> None:
    run_node(lambda: PlainNode("task_node", TaskNode))


if __name__ == "__main__":
    main()
