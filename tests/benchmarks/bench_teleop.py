"""bench-teleop: from a leader's sample to the follower's goal, and how often the limiter has to step in.

First two emulated arms on serial lines of their own, robot_node and teleop_node between them: a hand jolts
the leader, and the first goal that leaves its old value on the follower's wire is timed against the stamp
of the sample it came from. Then a real SO-101's log (leader goals at 30 fps, splined to the rate at which a
leader is read, in ticks as its encoder has them) is led through the control loop: the share of ticks in
which the limiter changed anything.

    python tests/benchmarks/bench_teleop.py [--quick] [--log ../shared/data/so101_real_log.parquet]
"""

# ruff: noqa: E402 (paths come before what depends on them)
import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS)]
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import numpy as np
import pyarrow.parquet as pq
from figures import write_figures
from limber_nodes import conversions
from scipy.interpolate import CubicSpline
from sensor_msgs.msg import JointState
from support.emulated import emulated
from support.fake_robot import FakeRobot, without_cameras, without_fence
from support.ros_process import listener, node_process

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.control.interpolation import CommandSmoother
from hardware.control.loop import ControlLoop
from hardware.emulator.robot import EmulatedRobot
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec

FOLLOWER = without_cameras(load_spec("so101"))
LEADER = load_spec("so101_leader")
LOG = TESTS.parent.parent / "shared" / "data" / "so101_real_log.parquet"
JOLT = 0.1  # rad
TICK = 2 * np.pi / 4096
LIMIT_MS = 1e3 / FOLLOWER.control_hz + 5.0
SETTLE_S = 1.0  # of a log, until the arm has caught up with its beginning
LOG_FPS = 30


def watch_goals(robot: EmulatedRobot) -> list[tuple[int, int]]:
    """When each new goal of the first servo came: (time.monotonic_ns(), ticks)."""
    goals: list[tuple[int, int]] = []
    memory = robot.servos[0].memory
    lines = list(robot.lines.values())
    receive = lines[0].receive

    def watched() -> None:
        receive()
        goal = memory["goal_position"]
        if not goals or goals[-1][1] != goal:
            goals.append((time.monotonic_ns(), goal))

    lines[0].receive = watched  # type: ignore[method-assign]
    return goals


def latencies(count: int, folder: Path) -> list[float]:
    """Milliseconds from the sample that first shows a jolt to the first changed goal on the wire."""
    for name, spec in (("follower", FOLLOWER), ("leader", LEADER)):
        save_calibration(folder / f"{name}.json", middle_calibration(spec))
    with emulated(FOLLOWER, folder / "f") as follower, emulated(LEADER, folder / "l") as leader:
        for joint in range(LEADER.n_joints):
            leader.plant.block(joint)
        goals = watch_goals(follower)
        robot = {"robot": "so101", "driver": "serial", "cameras": "none", "task": "none"}
        robot |= {"port": folder / "f" / "arm", "calibration": folder / "follower.json"}
        teleop = {"operator": "leader", "session": "false", "take_over": "true", "live_picture": "none"}
        teleop |= {"leader_port": folder / "l" / "arm", "leader_calibration": folder / "leader.json"}
        with node_process("robot_node", **robot), listener() as graph:
            for topic in ("joint_states", "teleop/joint_command"):
                graph.listen(JointState, topic)
            graph.wait_for("joint_states", 5)
            with node_process("teleop_node", **teleop):
                graph.wait_for("teleop/joint_command", 20)
                graph.trigger("arm")
                time.sleep(3.0)
                return _jolts(count, leader, goals, graph.heard["teleop/joint_command"])


def _jolts(
    count: int, leader: EmulatedRobot, goals: list[tuple[int, int]], commands: list[JointState]
) -> list[float]:
    rng, found, side = np.random.default_rng(0), [], 1
    pose = FOLLOWER.joint_array("rest")
    for _ in range(count):
        before, heard, side = len(goals), len(commands), -side
        pose = np.where(np.arange(len(pose)) == 0, 0.5 * side * JOLT, pose)
        leader.call(lambda to=pose: leader.plant.place(to))
        time.sleep(0.5 + rng.uniform(0.0, 0.02))
        samples = commands[heard - 1 :]
        pan = np.array([sample.position[0] for sample in samples])
        moved = np.flatnonzero(np.abs(pan - pan[0]) > 0.2 * JOLT)
        if not len(moved):
            continue
        stamp = conversions.stamp_ns(samples[moved[0]].header.stamp)
        after = [when for when, _ in goals[before:] if when >= stamp]
        if after:
            found.append((after[0] - stamp) / 1e6)
    return found


def altered_fraction(log: Path) -> dict[str, Any]:
    """Of a real teleoperation's ticks, those in which the limiter changed a goal.

    The log's calibration is not known: -100..100 is taken for the joints' whole ranges, so that the poses
    mean nothing and the fence is left out.
    """
    spec = without_fence(FOLLOWER)
    table = pq.read_table(log)
    goals, episodes = np.array(table["action"].to_pylist()), np.array(table["episode_index"])
    lower, upper = spec.joint_array("lower"), spec.joint_array("upper")
    share = np.where([joint.gripper for joint in spec.joints], goals / 100.0, 0.5 + goals / 200.0)
    angles = lower + share * (upper - lower)
    altered, ticks = np.zeros(spec.n_joints, dtype=int), 0
    any_altered, fastest = 0, np.zeros(spec.n_joints)
    for episode in np.unique(episodes):
        course = angles[episodes == episode]
        spline = CubicSpline(np.arange(len(course)) / LOG_FPS, course)
        robot = FakeRobot(spec)
        robot.state = np.clip(course[0], lower, upper)
        robot.connect()
        loop = ControlLoop(robot, robot.clock, SafetyFilter(spec))
        loop.arm()
        for tick in range(int((len(course) - 1) / LOG_FPS * spec.control_hz)):
            now = tick * spec.control_dt
            sample = np.rint(spline(now) / TICK) * TICK
            loop.offer_teleop(spec.joint_names, np.clip(sample, lower, upper))
            report = loop.tick()
            robot.clock.time_ns += round(1e9 * spec.control_dt)
            if now >= SETTLE_S:
                ticks += 1
                altered += report.safety.altered
                any_altered += bool(report.safety.altered.any())
                fastest = np.maximum(fastest, np.abs(spline(now, 1)))
    return {
        "altered_fraction": any_altered / ticks,
        "altered_by_joint": dict(zip(spec.joint_names, (altered / ticks).round(4).tolist(), strict=True)),
        "fastest_rad_s": dict(zip(spec.joint_names, fastest.round(2).tolist(), strict=True)),
        "ticks": ticks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 jolts")
    parser.add_argument("--log", type=Path, default=LOG, help="LeRobot columns of a teleoperated SO-101")
    arguments = parser.parse_args()
    if not arguments.log.is_file():
        parser.error(f"log: expected a parquet file, {arguments.log} does not exist")
    with tempfile.TemporaryDirectory() as folder:
        delays = latencies(20 if arguments.quick else 300, Path(folder))
    log = altered_fraction(arguments.log)
    p50, p99 = np.percentile(delays, [50, 99])
    figures = {"p99_ms": float(p99), "p50_ms": float(p50), "n": len(delays), **log}
    fraction = log["altered_fraction"]
    rows = [
        (
            "sample to goal on the wire, p50 / p99 / max",
            f"{p50:.1f} / {p99:.1f} / {max(delays):.1f} ms",
            f"p99 <= {LIMIT_MS:g} ms",
            "yes" if p99 <= LIMIT_MS else "NO",
        ),
        ("jolts", str(len(delays)), "", ""),
        (
            "ticks that the limiter altered",
            f"{fraction:.2%} of {log['ticks']}",
            "< 1 %",
            "yes" if fraction < 0.01 else "NO",
        ),
        ("a device is followed", f"{CommandSmoother.DELAY * 1e3 / FOLLOWER.control_hz:.0f} ms late", "", ""),
    ]
    rows += [
        (f"altered: {name}", f"{share:.2%}", f"fastest {log['fastest_rad_s'][name]:g} rad/s", "")
        for name, share in log["altered_by_joint"].items()
    ]
    write_figures("teleop", figures, {}, rows)


if __name__ == "__main__":
    main()
