"""bench-loop: how regular the robot loop is while a policy infers on the same machine.

The real processes: robot_node at speed 1 with both cameras, task_node, policy_node. A period is
the time between two ticks' goals leaving robot_node, on the middleware's own stamps; its error is
taken against 10 ms. Beside it, in the same run, a bare Python loop that only sleeps to absolute
deadlines: what this machine gives to anybody, alone and among our processes, and what it gives to
one with the real-time priority that robot_node takes where it may.

At the end the policy is halted for 1.5 s, so that the schedule runs dry for certain. An overrun
counts as unhandled when a goal that was sent broke the joints' velocity or acceleration limits
at any time of the run, when the loop raised, or when the arm did not hold still and later go on.

    python tests/benchmarks/bench_loop.py [--quick] [--checkpoint FOLDER]
"""

# ruff: noqa: E402 (paths and environment come before what depends on them)
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "ros2_ws/src/limber_nodes")]
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)

import numpy as np
from figures import write_figures
from limber_nodes import conversions, qos
from sensor_msgs.msg import JointState
from support.checkpoints import untrained_checkpoint
from support.ros_process import Listener, NodeProcess, listener, node_process
from trajectory_msgs.msg import JointTrajectory

from hardware.spec import RobotSpec, load_spec

PERIOD_ERROR_LIMIT_MS = 2.0
INFERENCE_LIMIT_MS = 50.0
HALT_S = 1.5  # longer than a chunk of 16 steps at 20 Hz lasts
SETTLE_S = 5.0
START_S = 150.0  # importing torch takes 3 s of an idle machine


@dataclass
class Heard:
    """What left robot_node: per tick the sender's wall stamp, the robot's stamp and the goal."""

    wall_ns: list[int] = field(default_factory=list)
    stamp_ns: list[int] = field(default_factory=list)
    goal: list[np.ndarray] = field(default_factory=list)
    planned: list[int] = field(default_factory=list)  # points in each step's plan

    def on_executed(self, message: JointState, info: Any) -> None:
        self.wall_ns.append(info["source_timestamp"])
        self.stamp_ns.append(conversions.stamp_ns(message.header.stamp))
        self.goal.append(conversions.joint_arrays(message)[0])

    def on_plan(self, message: JointTrajectory) -> None:
        self.planned.append(len(message.points))


def measure_bare_loop(seconds: float, control_hz: int, realtime: bool = False) -> Callable[[], list[float]]:
    """Start a bare loop in a process of its own; the result waits for its end and gives its errors in ms."""
    command = [sys.executable, str(TESTS / "benchmarks/bare_loop.py"), str(seconds), str(control_hz)]
    process = subprocess.Popen([*command, str(realtime)], stdout=subprocess.PIPE, text=True)

    def wait() -> list[float]:
        errors: list[float] = json.loads(process.communicate(timeout=seconds + 60)[0])
        return errors

    return wait


def period_errors_ms(wall_ns: list[int], stamp_ns: list[int], control_hz: int) -> np.ndarray:
    """|period - what it should be| of neighbouring ticks; a message that was missed bridges nothing."""
    period_ns = round(1e9 / control_hz)
    neighbours = np.diff(stamp_ns) == period_ns
    return np.abs(np.diff(wall_ns)[neighbours] - period_ns) / 1e6


def limit_violations(stamp_ns: list[int], goals: np.ndarray, spec: RobotSpec) -> int:
    """Ticks whose goal (T, n) broke a joint's velocity or acceleration limit."""
    dt = spec.control_dt
    whole = np.diff(stamp_ns) == round(1e9 * dt)
    velocity = np.diff(goals, axis=0) / dt
    acceleration = np.diff(velocity, axis=0) / dt
    fast = (np.abs(velocity) > spec.joint_array("velocity") * 1.001).any(1) & whole
    hard = (np.abs(acceleration) > spec.joint_array("acceleration") * 1.001).any(1) & whole[1:] & whole[:-1]
    return int(fast.sum() + hard.sum())


def forced_dry_run(heard: Heard, policy: NodeProcess, spec: RobotSpec) -> bool:
    """Halt the policy until the schedule has run dry; whether the arm held still and then went on."""
    os.kill(policy.pid, signal.SIGSTOP)
    time.sleep(HALT_S)
    ticks = spec.control_hz // 10
    held = heard.planned[-1] == 0 and bool(np.ptp(np.array(heard.goal[-ticks:]), axis=0).max() < 1e-4)
    os.kill(policy.pid, signal.SIGCONT)
    deadline = time.monotonic() + 10.0
    while heard.planned[-1] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    return held and heard.planned[-1] > 0


def run(seconds: float, checkpoint: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures and peers of one run."""
    spec = load_spec("so101")
    alone = measure_bare_loop(min(10.0, seconds), spec.control_hz)()
    heard = Heard()
    with ExitStack() as stack:
        ear: Listener = stack.enter_context(listener())
        ear.node.create_subscription(JointState, "executed_action", heard.on_executed, qos.recording())
        ear.node.create_subscription(JointTrajectory, "planned_action", heard.on_plan, qos.recording())
        robot = stack.enter_context(node_process("robot_node"))
        stack.enter_context(node_process("task_node"))
        policy = stack.enter_context(node_process("policy_node", checkpoint=checkpoint))
        ear.wait(lambda: ear.diagnostics("policy_node"), "the policy", START_S)
        for verb in ("arm", "task/reset", "arm"):
            ear.trigger(verb)
        ear.wait(lambda: heard.planned and heard.planned[-1] > 0, "the policy's first chunk")
        time.sleep(SETTLE_S)
        before = ear.diagnostics("robot_node")
        first = len(heard.wall_ns)
        among = measure_bare_loop(seconds, spec.control_hz)
        among_realtime = measure_bare_loop(seconds, spec.control_hz, realtime=True)
        _progress(seconds)
        last = len(heard.wall_ns)
        inference = ear.diagnostics("policy_node")
        handled = forced_dry_run(heard, policy, spec)
        ear.trigger("stop")
        time.sleep(1.5)  # one more diagnostics message
        after = ear.diagnostics("robot_node")
        among_ms, realtime_ms = among(), among_realtime()
        robot.end()
    errors = period_errors_ms(heard.wall_ns[first:last], heard.stamp_ns[first:last], spec.control_hz)
    violations = limit_violations(heard.stamp_ns[first:], np.array(heard.goal[first:]), spec)
    figures = {
        "period_error_p99_ms": float(np.percentile(errors, 99)),
        "period_error_p50_ms": float(np.percentile(errors, 50)),
        "period_error_max_ms": float(errors.max()),
        "unhandled_overruns": violations + int(after["observer_errors"]) + (not handled),
        "inference_p50_ms": float(inference["inference_ms_p50"]),
        "inference_p99_ms": float(inference["inference_ms_p99"]),
        "latency_p50_ms": float(inference["latency_ms_p50"]),
        "delay_steps_p50": float(inference["delay_steps_p50"]),
        "dry_runs": int(after["dry_steps"]) - int(before["dry_steps"]) - 1,  # one of them was forced
        "late_ticks": int((errors > 1e3 / spec.control_hz).sum()),
        "frames_lost": int(after["frames_lost"]),
        "camera_wait_s": float(after["camera_wait_s"]) - float(before["camera_wait_s"]),
        "ticks": len(errors),
        "seconds": seconds,
    }
    peers = {
        "bare_loop_beside_p99_ms": float(np.percentile(among_ms, 99)),
        "bare_loop_beside_p50_ms": float(np.percentile(among_ms, 50)),
        "bare_loop_alone_p99_ms": float(np.percentile(alone, 99)),
        "bare_loop_alone_p50_ms": float(np.percentile(alone, 50)),
        "bare_loop_beside_max_ms": float(max(among_ms)),
        "bare_realtime_loop_beside_p99_ms": float(np.percentile(realtime_ms, 99)),
        "bare_realtime_loop_beside_p50_ms": float(np.percentile(realtime_ms, 50)),
    }
    return figures, peers


def _progress(seconds: float) -> None:
    done = threading.Event()
    for left in range(int(seconds), 0, -10):
        print(f"measuring, {left} s left", flush=True)
        done.wait(min(10, left))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="30 s instead of 60 s")
    parser.add_argument("--checkpoint", type=Path, help="default: an untrained policy of the usual size")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = arguments.checkpoint or untrained_checkpoint(
            Path(folder) / "checkpoint", load_spec("so101")
        )
        f, p = run(30.0 if arguments.quick else 60.0, checkpoint)

    def row(name: str, ours: str, peer: str, holds: bool | None) -> tuple[str, str, str, str]:
        return name, ours, peer, "" if holds is None else ("yes" if holds else "NO")

    def peer(q: int) -> str:
        names = {
            "beside": "bare_loop_beside",
            "real-time": "bare_realtime_loop_beside",
            "alone": "bare_loop_alone",
        }
        return (
            "bare loop " + ", ".join(f"{k} {p[f'{name}_p{q}_ms']:.2f}" for k, name in names.items()) + " ms"
        )

    write_figures(
        "loop",
        f,
        p,
        [
            row(
                "period error p99",
                f"{f['period_error_p99_ms']:.2f} ms",
                f"< {PERIOD_ERROR_LIMIT_MS:g} ms; {peer(99)}",
                f["period_error_p99_ms"] < PERIOD_ERROR_LIMIT_MS,
            ),
            row(
                "period error p50",
                f"{f['period_error_p50_ms']:.2f} ms",
                peer(50),
                None,
            ),
            row("unhandled overruns", str(f["unhandled_overruns"]), "0", f["unhandled_overruns"] == 0),
            row("dry runs (one more was forced)", str(f["dry_runs"]), "", None),
            row("ticks a period late", f"{f['late_ticks']} of {f['ticks']}", "", None),
            row(
                "time stood still for cameras", f"{f['camera_wait_s']:.1f} s", "0 s when not overloaded", None
            ),
            row(
                "inference p50",
                f"{f['inference_p50_ms']:.1f} ms",
                f"< {INFERENCE_LIMIT_MS:g} ms",
                f["inference_p50_ms"] < INFERENCE_LIMIT_MS,
            ),
            row("delay p50", f"{f['delay_steps_p50']:.0f} steps", "at least 1", None),
        ],
    )


if __name__ == "__main__":
    main()
