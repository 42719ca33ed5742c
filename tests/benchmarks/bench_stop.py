"""bench-stop: how soon an arm stops, and how far its tip drops, whatever happens to it.

Emulated servos with gravity, in a process of their own; robot_node drives them over the line at 100 Hz,
a person leads. First a `stop` is asked of robot_node by its service, at random moments of a fast sweep:
from the request to the first decelerating goal on the wire. Then robot_node is killed with -9 in full
motion: until the joint stands, with torque held. Last, every line of the failsafe table is provoked on an
outstretched arm: how far its tip drops within two seconds, by the URDF's kinematics.

    python tests/benchmarks/bench_stop.py [--quick]
"""

# ruff: noqa: E402 (paths come before what depends on them)
import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS)]
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import numpy as np
from figures import write_figures
from limber_nodes import qos
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from support.emulator_process import emulator_process
from support.live_loop import LiveLoop, live_loop
from support.ros_process import Listener, listener, node_process

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.control.loop import Mode
from hardware.control_socket import SimulationClient
from hardware.kinematics import TOOL, load_kinematics
from hardware.safety.failsafes import FAILSAFES, Condition
from hardware.spec import load_spec

SPEC = load_spec("so101").with_cameras(())
PAN = 0
END = 1.8  # rad: the far ends of the sweep
SPEED = 1.0  # rad/s from which on it is full motion; it gets faster for some time
SLOWER = 5e-4  # rad a tick: a stop's first is four times that
SYNC_WRITE, GOAL = 0x83, "2a"  # the register, 42, in hex
STANDS = 0.05  # rad/s
OUTSTRETCHED = np.array([0.6, 0.3, -0.2, 0.0, 0.0, 0.5])
LIMIT_STOP_MS, LIMIT_KILL_MS = 20.0, 250.0


class Leader:
    """A person who wants the pan joint at the other end of its range, while `leads`; 100 times a second."""

    def __init__(self, graph: Listener) -> None:
        self.leads = False
        self._publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        self._graph = graph
        self._ended = threading.Event()
        self._goal = SPEC.joint_array("rest")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self) -> None:
        """From where the arm is."""
        self._goal = np.array(self._graph.heard["joint_states"][-1].position)
        self._goal[PAN] = -END if self._goal[PAN] > 0 else END
        self.leads = True

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            if self.leads:
                self._publisher.publish(JointState(name=list(SPEC.joint_names), position=self._goal.tolist()))


def goal_times(client: SimulationClient) -> np.ndarray:
    """When goals reached the servos (T,) s, since it was last asked."""
    heard = client.ask("heard")
    return np.array([s for s, _, _, code, data in heard if code == SYNC_WRITE and data.startswith(GOAL)])


def first_decelerating(sent: list[JointState], wire: np.ndarray, since: float) -> float | None:
    """Seconds from `since` to the first goal on the wire that is slower than the one before.

    Which one that is, is seen in the goals before they were rounded to ticks; a tick's goal is the first on
    the wire after the tick began. A stop takes 2 mrad off the first one, the ways before speed up evenly.
    """
    began = np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in sent])
    pan = np.array([m.position[PAN] for m in sent])
    way = np.abs(np.diff(pan))
    slower = np.flatnonzero((np.diff(way) < -SLOWER) & (began[2:] > since - SPEC.control_dt))
    if not len(slower):
        return None
    after = wire[wire >= began[slower[0] + 2]]
    return float(after[0] - since) if len(after) else None


def stops(graph: Listener, client: SimulationClient, count: int) -> list[float]:
    """Milliseconds of `count` stops asked at random moments of a sweep."""
    leader, rng, found = Leader(graph), np.random.default_rng(0), []
    stop = graph.node.create_client(Trigger, "stop")
    while len(found) < count:
        graph.trigger("arm")
        leader.begin()
        client.ask("heard")
        graph.wait(lambda: _speed(graph) > SPEED, "the sweep")
        time.sleep(rng.uniform(0.0, 0.1))
        since = time.monotonic()
        future = stop.call_async(Trigger.Request())
        graph.wait(future.done, "an answer of stop")
        time.sleep(0.25)
        leader.leads = False
        delay = first_decelerating(graph.heard["executed_action"][-100:], goal_times(client), since)
        if delay is not None:
            found.append(1e3 * delay)
    leader.close()
    return found


def _speed(graph: Listener) -> float:
    sent = graph.heard["executed_action"][-4:]
    if len(sent) < 4:
        return 0.0
    return float(abs(sent[-1].position[PAN] - sent[0].position[PAN]) * SPEC.control_hz / 3)


@dataclass(frozen=True)
class Killed:
    """ms from kill -9 until the joint stands, and until the guardian's goals; rad of drift afterwards."""

    stands_ms: float
    held_ms: float
    drift: float


def killed(folder: Path, parameters: dict[str, Any]) -> Killed:
    """robot_node is killed in full motion."""
    with emulator_process(folder), listener() as graph:
        client = SimulationClient(folder / "control")
        graph.listen(JointState, "joint_states")
        graph.listen(JointState, "executed_action")
        with node_process("robot_node", port=folder / "arm", **parameters) as robot:
            graph.wait_for("joint_states", 5)
            graph.trigger("arm")
            leader = Leader(graph)
            leader.begin()
            graph.wait(lambda: _speed(graph) > SPEED, "the sweep")
            client.ask("heard")
            begun = last = time.monotonic()
            os.kill(robot.pid, signal.SIGKILL)
            while time.monotonic() < begun + 1.0:
                if abs(client.ask("pose")["velocity"][PAN]) > STANDS:
                    last = time.monotonic()
                time.sleep(0.002)
            leader.close()
            there = np.array(client.ask("pose")["position"])
            time.sleep(0.5)
            drift = float(np.abs(np.array(client.ask("pose")["position"]) - there).max())
            held = goal_times(client)
    return Killed(1e3 * (last - begun), 1e3 * float(held.max(initial=begun) - begun), drift)


# -- how far the tip drops ------------------------------------------------------------------------

KINEMATICS = load_kinematics("so101", SPEC.joint_names)
assert KINEMATICS is not None


def tip_mm(position: np.ndarray) -> float:
    """Height of the tool."""
    index = KINEMATICS.index(TOOL)
    return 1e3 * float(KINEMATICS.frames(position)[index, 2, 3])


def _lead_into(live: LiveLoop, joint: int, by: float) -> None:
    live.robot.call(lambda: live.robot.plant.block(joint))
    live.goal = OUTSTRETCHED + by * (np.arange(6) == joint)


def _broken_observer(report: object) -> None:
    raise RuntimeError("an observer")


def _bug(live: LiveLoop) -> None:
    follow = live.loop._lead.follow

    def broken(*arguments: Any) -> Any:
        live.loop._lead.follow = follow
        raise ZeroDivisionError("a bug")

    live.loop._lead.follow = broken


def _nan(live: LiveLoop) -> None:
    whole = live.arm.scale.radians
    live.arm.scale.radians = lambda ticks: np.full(6, np.nan)
    threading.Timer(0.5, lambda: setattr(live.arm.scale, "radians", whole)).start()


def _suspend(live: LiveLoop) -> None:
    now = live.loop.clock.now_ns
    live.loop.clock.now_ns = lambda: now() + 2_000_000_000


def _let_go(live: LiveLoop) -> None:
    live.goal = None


def _park_without_pull(live: LiveLoop) -> None:
    live.robot.servos[PAN].memory["torque_limit"] = 0  # with a current it would be a stall, which is sooner
    live.loop.park()


def _burn(live: LiveLoop) -> None:
    for line in live.robot.lines.values():
        line.servos[2].memory["max_temperature"] = 99
    live.befall("heat", servo=3, value=76.0)


PROVOKE: dict[Condition, Callable[[LiveLoop], object]] = {
    Condition.COMMAND_REFUSED: lambda live: live.loop.offer_teleop(["nobody"], np.zeros(1)),
    Condition.OBSERVER_RAISED: lambda live: live.loop.observers.append(_broken_observer),
    Condition.BEYOND_LIMITS: lambda live: setattr(live, "goal", OUTSTRETCHED + [9.0, 0, 0, 0, 0, 0]),
    Condition.BEYOND_WORKSPACE: lambda live: setattr(live, "goal", OUTSTRETCHED + [0, 0.9, 0.9, 0, 0, 0]),
    Condition.GRIPPER_STALLED: lambda live: _lead_into(live, 5, -0.5),
    Condition.NO_GOAL: _let_go,
    Condition.READING_OLD: lambda live: live.befall("vanish", servo=2, seconds=0.2),
    Condition.READING_NOT_FINITE: _nan,
    Condition.SERVO_HOT: lambda live: live.befall("heat", servo=3, value=66.0),
    Condition.LOOP_RAISED: _bug,
    Condition.EXIT: lambda live: live.loop.exit(),
    Condition.JOINT_STALLED: lambda live: _lead_into(live, 0, 0.5),
    Condition.PARK_BLOCKED: _park_without_pull,
    Condition.SERVO_SILENT: lambda live: live.befall("vanish", servo=2, seconds=1.0),
    Condition.SERVO_PROTECTED: lambda live: live.befall("overload", servo=3),
    Condition.TORQUE_LOST: lambda live: live.befall("brownout", seconds=0.1),
    Condition.VOLTAGE: lambda live: live.befall("voltage", value=3.6, seconds=1.0),
    Condition.ROBOT_ERROR: lambda live: live.befall("unplug", seconds=0.5),
    Condition.LOOP_SUSPENDED: _suspend,
    Condition.SERVO_BURNING: _burn,
}


def drop(condition: Condition) -> tuple[float, str]:
    """Millimetres that the tip of an outstretched arm comes down in two seconds, and the mode it ends in."""
    with tempfile.TemporaryDirectory() as folder, live_loop(SPEC, Path(folder)) as live:
        live.robot.call(lambda: live.robot.plant.place(OUTSTRETCHED))
        live.loop.arm()
        live.wait_for_mode(Mode.ARMED)
        live.goal = OUTSTRETCHED
        time.sleep(1.5)
        start = lowest = tip_mm(np.array(live.robot.plant.position))
        PROVOKE[condition](live)
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            lowest = min(lowest, tip_mm(np.array(live.robot.plant.position)))
            time.sleep(0.005)
        assert condition.value in live.loop.conditions.counts, f"{condition.value} was not provoked"
        return start - lowest, live.loop.mode.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 stops and one kill")
    quick = parser.parse_args().quick
    count, kills = (10, 1) if quick else (200, 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_calibration(folder / "so101.json", middle_calibration(SPEC))
        parameters = {
            "driver": "serial",
            "calibration": folder / "so101.json",
            "cameras": "none",
            "task": "none",
        }
        with emulator_process(folder / "stops"), listener() as graph:
            client = SimulationClient(folder / "stops" / "control")
            for topic in ("joint_states", "executed_action"):
                graph.listen(JointState, topic)
            with node_process("robot_node", port=folder / "stops" / "arm", **parameters):
                graph.wait_for("joint_states", 5)
                delays = stops(graph, client, count)
        ends = [killed(folder / f"kill{i}", parameters) for i in range(kills)]
    drops = {condition.value: drop(condition) for condition in PROVOKE}
    p50, p99 = np.percentile(delays, [50, 99])
    killed_ms, drift = max(e.stands_ms for e in ends), max(e.drift for e in ends)
    held_ms = max(e.held_ms for e in ends)
    figures = {
        "p99_ms": float(p99),
        "p50_ms": float(p50),
        "max_ms": float(max(delays)),
        "n": len(delays),
        "killed_node_stop_ms": killed_ms,
        "killed_held_ms": held_ms,
        "killed_drift_rad": drift,
        "tip_drop_mm": {name: round(mm, 1) for name, (mm, _) in drops.items()},
    }
    rows = [
        (
            "stop to decelerating goal, p50 / p99 / max",
            f"{p50:.1f} / {p99:.1f} / {max(delays):.1f} ms",
            f"p99 <= {LIMIT_STOP_MS:g} ms",
            "yes" if p99 <= LIMIT_STOP_MS else "NO",
        ),
        ("stops", str(len(delays)), ">= 200", "yes" if len(delays) >= 200 else "NO"),
        (
            "kill -9 until the joint stands, worst",
            f"{killed_ms:.0f} ms of {kills}",
            f"<= {LIMIT_KILL_MS:g} ms",
            "yes" if killed_ms <= LIMIT_KILL_MS else "NO",
        ),
        ("the guardian's goals on the wire, worst", f"{held_ms:.0f} ms", "", ""),
        ("drift after that", f"{1e3 * drift:.1f} mrad", "torque held", "yes" if drift < 0.05 else "NO"),
    ]
    for name, (mm, mode) in drops.items():
        action = FAILSAFES[Condition(name)].action.name.lower()
        rows.append((f"tip drop: {name}", f"{mm:.1f} mm", f"{action}, then {mode}", ""))
    write_figures("stop", figures, {}, rows)


if __name__ == "__main__":
    main()
