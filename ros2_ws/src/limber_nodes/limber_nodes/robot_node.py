"""The robot in the graph: one control loop in one thread, and conversions around it."""

import gc
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from limber_description import DescriptionError, robot_description
from std_msgs.msg import String

from hardware.control.clock import MonotonicClock, PhysicsClock
from hardware.control.loop import ControlLoop, Mode
from hardware.control.priority import ask_for_realtime
from hardware.control.torque_ramp import ARMING_S
from hardware.control_socket import ControlSocketServer, default_path
from hardware.robot import Simulated
from hardware.safety.failsafes import Condition
from hardware.safety.filter import SafetyFilter
from hardware.safety.limits import Limits
from limber_nodes import qos
from limber_nodes.cameras import Cameras, make_cameras
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters
from limber_nodes.period_meter import PeriodMeter
from limber_nodes.robot_diagnostics import RobotDiagnostics
from limber_nodes.robot_inputs import ANSWER_S, RobotInputs
from limber_nodes.robot_publisher import RobotPublisher
from limber_nodes.robots import RobotSettings, make_robot, robot_spec
from limber_nodes.shared_world import SharedWorld
from limber_nodes.spin import run_node
from limber_nodes.teleop_gate import TeleopGate
from limber_nodes.world_server import serve_world

STOP_S = 1.0  # an arm at full speed has stopped well before


class RobotNode:
    """Connects in `configure`, runs the loop from `activate`; torque goes on by `arm` only."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.parameters = Parameters(node, RobotSettings)
        self.settings = self.parameters.values
        self.spec = robot_spec(self.settings)

    def configure(self) -> None:
        self.feed: Cameras | None = None
        self.socket: ControlSocketServer | None = None
        self.thread: threading.Thread | None = None
        # Faster than real time the loop may never sleep, and would starve the rest of the machine.
        self.simulated = (self.settings.driver or self.spec.driver) == "sim"
        paced = not self.simulated or self.settings.speed <= 1.0
        self.realtime = self.settings.realtime and paced and ask_for_realtime()
        self.robot = make_robot(self.spec, self.settings)
        self.robot.connect()
        self.world = SharedWorld(self.robot) if isinstance(self.robot, Simulated) else None
        # An emulated arm has a world to reset, but its time is the machine's and waits for nobody.
        physics = PhysicsClock(self.world, self.settings.speed) if self.world and self.simulated else None
        speed = self.settings.speed if physics else 1.0
        self.loop = ControlLoop(
            self.robot,
            physics or MonotonicClock(),
            SafetyFilter(self.spec),
            min_remaining=self.settings.min_remaining,
            plan_length=self.settings.plan_length,
            arming_s=0.0 if self.simulated else ARMING_S,
        )
        self._keep_shares(self.settings)
        self.parameters.on_change = self._keep_shares
        self.gate = TeleopGate()
        self.publisher = RobotPublisher(self.node, self.loop, with_clock=self.simulated)
        self.inputs = RobotInputs(self.node, self.loop, self.gate, self.settings.expected_delay)
        self.meter = PeriodMeter(0.0 if math.isinf(speed) else self.spec.control_dt / speed)
        self.loop.observers += [lambda _report: self.meter.tick(), self.publisher]
        if self.spec.cameras:
            self.feed = make_cameras(self.robot, self.spec, self.settings, physics)
        if physics:
            self.loop.observers.append(self.gate.observe)
            physics.add_gate(self.gate.gate)
        if self.world:
            path = self.settings.control_socket or default_path(self.node.get_namespace())
            self.socket = serve_world(Path(path), self.world, self.loop, self.gate)
        self.description = self.node.create_publisher(String, "robot_description", qos.LATCHED)

    def activate(self) -> None:
        if self.feed:
            self.feed.start()
        self._describe()
        self.should_end = threading.Event()
        self.thread = threading.Thread(target=self._run, name="control")
        self.diagnostics = RobotDiagnostics(self.node, self.loop, self.meter, self.gate, self.feed)
        gc.collect()
        gc.freeze()  # what is there by now stays: a full collection would make the loop late
        self.thread.start()

    def deactivate(self) -> None:
        """Stop; park a real arm, for a bounded time; then end the loop and the cameras."""
        self.gate.release()
        try:
            self.loop.stop()
            self._wait_until(lambda: bool((abs(self.loop.safety.velocity) < 1e-3).all()), STOP_S)
            if not self.simulated and self.loop.mode is not Mode.DISARMED:
                self.loop.exit()
                self._wait_until(lambda: Condition.EXIT in self.loop.conditions.active, ANSWER_S)
                self._wait_until(lambda: self.loop.mode is not Mode.PARKING, self.settings.park_timeout_s)
                if self.loop.mode is not Mode.DISARMED:
                    self.node.get_logger().error(f"not parked: {self.loop.fault or 'the time is up'}")
        finally:
            self.should_end.set()
            if self.thread:
                self.thread.join()
            if self.feed:
                self.feed.stop()
            self.diagnostics.close()

    def cleanup(self) -> None:
        if self.socket:
            self.socket.close()
        if hasattr(self, "inputs"):
            self.inputs.close()
            self.publisher.close()
            self.node.destroy_publisher(self.description)
        self.robot.disconnect()

    def _keep_shares(self, settings: RobotSettings) -> None:
        """Limits as the parameters want them, from the loop's next tick on."""
        shares = settings.velocity_share, settings.acceleration_share, settings.jerk_share
        limits = Limits.of(self.spec).scaled(*shares)
        self.loop.call(lambda: self.loop.safety.set_limits(limits))

    def _describe(self) -> None:
        try:
            self.description.publish(String(data=robot_description(self.spec)))
        except DescriptionError as error:  # a robot can be driven without a picture of it
            self.node.get_logger().warning(str(error))

    # -- the control thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.loop.run(self.should_end)
        except Exception as error:  # the process must not go on without its loop
            self.node.get_logger().fatal(f"control loop: {type(error).__name__}: {error}")
            self.node.finish(1)

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline and self.thread and self.thread.is_alive():
            time.sleep(0.01)


def main() -> None:
    run_node(lambda: ManagedNode("robot_node", RobotNode))


if __name__ == "__main__":
    main()
