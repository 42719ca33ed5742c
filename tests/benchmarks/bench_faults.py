"""bench-faults: ten minutes of everything that goes wrong on a servo line, and no unsafe goal.

Emulated servos in a process of their own answer at 1 Mbps: 1 % of answers dropped, 1 % corrupted, 0.5 %
late; every minute a servo that vanishes for 2 s, a brown-out and an unplug, at seeded moments. robot_node
drives them at 100 Hz, a person leads in slow waves and arms again whenever the arm has stopped. Every goal
as it reached the servos is checked: position limits exactly, velocity within a tick a period; and every
goal that the loop sent, before rounding, for acceleration and jerk; rounding is at most half a tick.

    python tests/benchmarks/bench_faults.py [--quick] [--minutes 10] [--seed 0]
"""

# ruff: noqa: E402 (paths come before what depends on them)
import argparse
import json
import os
import sys
import tempfile
import threading
import time
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
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.emulator_process import emulator_process
from support.ros_process import Listener, listener, node_process

from hardware.arms.calibration import TickScale, middle_calibration, save_calibration
from hardware.control_socket import SimulationClient
from hardware.safety.limits import Limits
from hardware.spec import load_spec

SPEC = load_spec("so101").with_cameras(())
SCALE = TickScale(SPEC, middle_calibration(SPEC))
LIMITS = Limits.of(SPEC)
RATES = {"drop": 0.01, "corrupt": 0.01, "late": 0.005}
EVENTS = {"vanish": 2.0, "brownout": 0.3, "unplug": 1.0}  # one of each a minute, for so many seconds
WAVE = np.array([0.5, 0.15, 0.2, 0.2, 0.6, 0.3])
SYNC_WRITE, GOAL = 0x83, 42
TICK = 2 * np.pi / 4096
COUNTERS = ("unanswered", "retries", "late", "unbelieved", "strays", "noise_bytes", "lost_port")
CONDITIONS = ("servo silent", "reading old", "torque lost", "robot error")


def schedule(minutes: float, seed: int) -> list[dict[str, Any]]:
    """The events, in time order, apart enough that each can be seen to end."""
    rng, events = np.random.default_rng(seed), []
    for minute in range(max(1, round(minutes))):
        length = 60.0 if minutes >= 1 else 60.0 * minutes
        slots = rng.permutation(len(EVENTS))
        for slot, (kind, seconds) in zip(slots, EVENTS.items(), strict=True):
            at = 60.0 * minute + length * (slot + rng.uniform(0.2, 0.5)) / len(EVENTS)
            servo = int(rng.integers(1, 7)) if kind == "vanish" else 0
            events.append({"kind": kind, "at_s": at, "seconds": seconds, "servo": servo})
    return sorted(events, key=lambda event: event["at_s"])


class Person:
    """Leads in waves, and arms again whenever the arm is not armed; keeps what the robot said."""

    def __init__(self, graph: Listener) -> None:
        self.ended = threading.Event()
        self.arms = self.refusals = 0
        self.armed: list[tuple[float, float]] = []  # when each successful arming was asked and answered
        self.rests: list[float] = []  # seconds from a stop until it was armed again
        self._graph = graph
        self._publisher = graph.node.create_publisher(JointState, "teleop/joint_command", qos.COMMAND)
        self._arm = graph.node.create_client(Trigger, "arm")
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._lead, self._rearm)]

    def start(self) -> None:
        self._middle = 0.5 * (SPEC.joint_array("lower") + SPEC.joint_array("upper"))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def _lead(self) -> None:
        begun = time.monotonic()
        while not self.ended.wait(0.01):
            phase = 0.8 * (time.monotonic() - begun) + np.arange(6)
            goal = self._middle + WAVE * np.sin(phase)
            self._publisher.publish(JointState(name=list(SPEC.joint_names), position=goal.tolist()))

    def _rearm(self) -> None:
        since: float | None = None
        while not self.ended.wait(0.05):
            said = self._graph.heard["control_source"]
            if said and json.loads(said[-1].data)["mode"] in ("armed", "arming"):
                if since is not None:
                    self.rests.append(time.monotonic() - since)
                since = None
                continue
            since = since or time.monotonic()
            asked = time.monotonic()
            future = self._arm.call_async(Trigger.Request())
            while not future.done() and not self.ended.wait(0.005):
                pass
            if future.done() and future.result() is not None:
                self.arms += future.result().success
                if future.result().success:
                    self.armed.append((asked, time.monotonic()))
                self.refusals += not future.result().success
            self.ended.wait(0.2)


class Wire:
    """Goals as they reached the servos."""

    def __init__(self, client: SimulationClient) -> None:
        self._client = client
        self.times: list[float] = []
        self.ticks: list[list[int]] = []

    def listen(self) -> None:
        """Keep what came since the last call."""
        for seconds, _, _, code, payload in self._client.ask("heard"):
            data = bytes.fromhex(payload)
            if code == SYNC_WRITE and data[0] == GOAL and data[1] == 2 and len(data) == 2 + 6 * 3:
                self.times.append(seconds)
                self.ticks.append([int.from_bytes(data[3 + 3 * i : 5 + 3 * i], "little") for i in range(6)])


def between(times: np.ndarray, beginnings: list[tuple[float, float]]) -> list[slice]:
    """The sequences that begin anew where an arm that lost its torque was armed: those seconds left out."""
    early = 2.0 * SPEC.control_dt  # a tick's stamp is that of its beginning
    cuts = [
        (int(np.searchsorted(times, a - early)), int(np.searchsorted(times, b)))
        for a, b in sorted(beginnings)
    ]
    starts = np.maximum.accumulate([0, *(b for _, b in cuts)])
    ends = [*(a for a, _ in cuts), len(times)]
    return [slice(a, max(a, b)) for a, b in zip(starts, ends, strict=True)]


def wire_violations(wire: Wire, beginnings: list[tuple[float, float]]) -> dict[str, int]:
    """Position exactly, velocity within a tick a period, on the packets."""
    times, ticks = np.array(wire.times), np.array(wire.ticks)
    angles, half = SCALE.radians(ticks), 0.5 * TICK + 1e-9
    beyond = np.maximum(np.maximum(angles - LIMITS.upper, LIMITS.lower - angles) - half, 0.0)
    most, fast, fastest, out = LIMITS.velocity * SPEC.control_dt / TICK + 1.0, 0, 0, 0
    for part in between(times, beginnings):
        # An arm that fell onto its end stops is held there, and from there goes inward only.
        out += int((np.diff(beyond[part], axis=0) > 1e-9).any(axis=1).sum())
        moved = np.abs(np.diff(ticks[part], axis=0))
        fast += int((moved > most).any(axis=1).sum())
        fastest = max(fastest, int(moved.max(initial=0)))
    return {"position": out, "velocity": fast, "fastest_ticks": fastest}


def sent_violations(graph: Listener, beginnings: list[tuple[float, float]]) -> dict[str, int]:
    """How often the sequence before rounding is beyond its limits."""
    messages = graph.heard["executed_action"]
    stamps = np.array([m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in messages])
    sent = np.array([m.position for m in messages])
    found = {"velocity": 0, "acceleration": 0, "jerk": 0}  # in the order of differences
    # A message that was not heard, or a tick that was late, is no step of one period.
    gaps = stamps[:-1][np.diff(stamps) > 1.5 * SPEC.control_dt]
    early = 2.0 * SPEC.control_dt
    cuts = [*beginnings, *((gap + early + 1e-6, gap + 2e-6) for gap in gaps)]
    for part in between(stamps, cuts):
        for order, name in enumerate(found, start=1):
            rate = np.abs(np.diff(sent[part], n=order, axis=0)) / SPEC.control_dt**order
            rounding = 4 * np.spacing(3.0) * 2**order / SPEC.control_dt**order
            found[name] += int((rate > getattr(LIMITS, name) * (1 + 1e-6) + rounding).any(axis=1).sum())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    minutes = 0.5 if arguments.quick else arguments.minutes
    events = schedule(minutes, arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_calibration(folder / "so101.json", middle_calibration(SPEC))
        with emulator_process(folder / "ports"), listener() as graph:
            client = SimulationClient(folder / "ports" / "control")
            graph.listen(JointState, "executed_action")
            graph.listen(String, "control_source", latched=True)
            with node_process(
                "robot_node",
                driver="serial",
                port=folder / "ports" / "arm",
                calibration=folder / "so101.json",
                cameras="none",
                task="none",
            ) as robot:
                graph.wait_for("executed_action", 5)
                wire, person = Wire(client), Person(graph)
                wire.listen()
                person.start()
                graph.wait(lambda: person.arms > 0, "the arm armed")
                client.ask("rates", **RATES)
                brownouts: list[float] = []
                ended = soak(client, wire, robot, events, minutes, brownouts)
                client.ask("rates", **dict.fromkeys(RATES, 0.0))
                time.sleep(2.5)
                person.close()
                wire.listen()
                values = graph.diagnostics("robot_node")
                injected = client.ask("counts")
                crashes = int(not ended)
                code = robot.end()[0] if ended else 1
                crashes += code != 0
            beginnings = [w for w in person.armed if any(b < w[0] < b + 10.0 for b in brownouts)]
            violations = {
                "wire": wire_violations(wire, beginnings),
                "sent": sent_violations(graph, beginnings),
                "beginnings": len(beginnings),
            }
    report(minutes, arguments.seed, injected, values, wire, violations, person, crashes)


def soak(
    client: SimulationClient,
    wire: Wire,
    robot: Any,
    events: list[dict[str, Any]],
    minutes: float,
    brownouts: list[float],
) -> bool:
    """Let the events happen, noting when the supply fails; whether robot_node is alive at the end."""
    begun, waiting = time.monotonic(), list(events)
    while time.monotonic() < begun + 60.0 * minutes:
        if waiting and time.monotonic() >= begun + waiting[0]["at_s"]:
            event = waiting.pop(0)
            if event["kind"] == "brownout":
                brownouts.append(time.monotonic())
            client.ask("fault", **{k: v for k, v in event.items() if k != "at_s"})
        time.sleep(0.5)
        wire.listen()
        if not os.path.exists(f"/proc/{robot.pid}"):
            return False
    return True


def uncounted(injected: dict[str, int], values: dict[str, str]) -> dict[str, int]:
    """Kinds of fault that were injected and left no trace in /diagnostics; how many of each."""

    def count(*names: str) -> float:
        return sum(float(values.get(name, 0)) for name in names)

    seen = {
        "drop": count("bus.arm.unanswered"),
        "corrupt": count("bus.arm.noise_bytes", "bus.arm.unanswered"),
        "late": count("bus.arm.late", "bus.arm.unbelieved", "bus.arm.unanswered"),
        "vanish": count("failsafe.servo silent"),
        "brownout": count("failsafe.torque lost"),
        "unplug": count("bus.arm.lost_port"),
    }
    # An answer that nobody waited for any more, or that came into a pause, is told by the bytes only.
    return {kind: max(0, injected[kind] - int(seen.get(kind, 0))) for kind in injected}


def report(
    minutes: float,
    seed: int,
    injected: dict[str, int],
    values: dict[str, str],
    wire: Wire,
    violations: dict[str, Any],
    person: Person,
    crashes: int,
) -> None:
    missing = uncounted(injected, values)
    on_wire = violations["wire"]["position"] + violations["wire"]["velocity"]
    broken = on_wire + sum(violations["sent"].values())
    figures = {
        "minutes": minutes,
        "seed": seed,
        "injected": sum(injected.values()),
        "uncounted": sum(missing.values()),
        "crashes": crashes,
        "limit_violations": broken,
        "injected_by_kind": injected,
        "uncounted_by_kind": missing,
        "goals_on_the_wire": len(wire.times),
        "violations": violations,
        "armed_again": person.arms - 1,
        "arming_refused": person.refusals,
        "longest_rest_s": max(person.rests, default=0.0),
        "diagnostics": {k: v for k, v in values.items() if k.startswith(("bus.", "failsafe."))},
    }
    rows = [
        ("minutes", f"{minutes:g}", ">= 10", "yes" if minutes >= 10 else "NO"),
        ("crashes", str(crashes), "0", "yes" if not crashes else "NO"),
        ("goals on the wire, unsafe", f"{len(wire.times)}, {broken}", "0", "yes" if not broken else "NO"),
        (
            "injected, not counted",
            f"{sum(injected.values())}, {sum(missing.values())}",
            "0",
            "yes" if not sum(missing.values()) else "NO",
        ),
        ("armed again, longest rest", f"{person.arms - 1}, {max(person.rests, default=0.0):.1f} s", "", ""),
    ]
    for kind, number in injected.items():
        rows.append((f"injected {kind}", str(number), f"{missing[kind]} without a trace", ""))
    rows += [(f"counted: bus {name}", values.get(f"bus.arm.{name}", "0"), "", "") for name in COUNTERS]
    rows += [(f"counted: {name}", values.get(f"failsafe.{name}", "0"), "", "") for name in CONDITIONS]
    write_figures("faults", figures, {}, rows)
    print(json.dumps(violations))


if __name__ == "__main__":
    main()
