"""bench-bus: the robot loop at 200 Hz over a serial line, and the bus beside the vendor's SDK.

The emulator is a process of its own behind a pseudo-terminal; answers take the time of their bytes
at 1 Mbps. A cycle reads 15 bytes of each of six servos and writes six goals. First the whole
ControlLoop with its SafetyFilter, armed and moving, for a minute, with a bare Python loop that
only sleeps beside it. Then the bus alone and scservo_sdk's groups in turns, the same cycle at the
same rate: what a cycle takes, and how much of a core.

    python tests/benchmarks/bench_bus.py [--quick]
"""

# ruff: noqa: E402 (paths come before what depends on them)
import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS)]

import numpy as np
import scservo_sdk
from figures import write_figures
from support.emulator_process import emulator_process

from hardware.arms.calibration import middle_calibration
from hardware.arms.make import make_serial_arm
from hardware.arms.make_bus import make_bus
from hardware.control.clock import MonotonicClock
from hardware.control.loop import ControlLoop, TickReport
from hardware.safety.filter import SafetyFilter
from hardware.spec import load_spec

HZ = 200
PERIOD_S = 1.0 / HZ
ADDRESS, LENGTH = 56, 15
GOAL = 42
IDS = tuple(range(1, 7))
BLOCKS = 6  # of each of the two, in turns
SPEC = replace(load_spec("so101").with_cameras(()), control_hz=HZ)


def run_loop(port: str, seconds: float) -> dict[str, float]:
    """The whole loop at 200 Hz, a slow wave commanded to two joints."""
    arm = make_serial_arm(SPEC, {"arm": port}, middle_calibration(SPEC))
    arm.connect()
    loop = ControlLoop(arm, MonotonicClock(), SafetyFilter(SPEC))
    ends: list[int] = []
    start = arm.get_observation().state.astype(np.float64)
    wave = np.array([0.3, 0.0, 0.0, 0.0, 0.5, 0.0])

    def observe(report: TickReport) -> None:
        ends.append(time.monotonic_ns())
        loop.offer_teleop(SPEC.joint_names, start + wave * np.sin(len(ends) / HZ))

    loop.observers.append(observe)
    loop.arm()
    ended = threading.Event()
    timer = threading.Timer(seconds, ended.set)
    timer.start()
    began, used = time.monotonic(), time.process_time()
    loop.run(ended)
    took, used = time.monotonic() - began, time.process_time() - used
    bus = arm.groups[0].bus.counters
    arm.torque_off()
    arm.disconnect()
    errors_ms = np.abs(np.diff(ends) / 1e6 - PERIOD_S * 1e3)
    return {
        "rate_hz": len(ends) / took,
        "late_fraction": float((errors_ms > PERIOD_S * 1e3).mean()),
        "overrun_fraction": loop.counters.overruns / len(ends),
        "period_error_p99_ms": float(np.percentile(errors_ms, 99)),
        "cpu_fraction": used / took,
        "unanswered": bus.unanswered,
        "retries": bus.retries,
        "robot_errors": loop.counters.robot_errors,
        "seconds": seconds,
    }


def bare_loop(seconds: float) -> Callable[[], np.ndarray]:
    """A loop that only sleeps, in its own process; the result gives its period errors in ms."""
    command = [sys.executable, str(TESTS / "benchmarks/bare_loop.py"), str(seconds), str(HZ), "False"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return lambda: np.array(json.loads(process.communicate(timeout=seconds + 60)[0]))


def paced(cycle: Callable[[], None], seconds: float) -> tuple[list[float], float]:
    """Seconds that each cycle took, at 200 Hz, and the share of a core that all of it used."""
    took = []
    began, used = time.monotonic(), time.process_time()
    due = began
    while due < began + seconds:
        start = time.monotonic()
        cycle()
        took.append(time.monotonic() - start)
        due = max(due + PERIOD_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    return took, (time.process_time() - used) / (time.monotonic() - began)


def our_block(port: str, seconds: float) -> tuple[list[float], float]:
    bus = make_bus(SPEC.buses[0], port)
    bus.open()
    goals = {servo: (2048).to_bytes(2, "little") for servo in IDS}

    def cycle() -> None:
        bus.sync_read(IDS, ADDRESS, LENGTH, spare=2, until_s=time.monotonic() + 0.9 * PERIOD_S)
        bus.sync_write(GOAL, goals)

    try:
        return paced(cycle, seconds)
    finally:
        bus.close()


def sdk_block(port: str, seconds: float) -> tuple[list[float], float]:
    handler, sdk = scservo_sdk.PortHandler(port), scservo_sdk.PacketHandler(0)
    handler.openPort()
    handler.setBaudRate(1_000_000)
    read = scservo_sdk.GroupSyncRead(handler, sdk, ADDRESS, LENGTH)
    write = scservo_sdk.GroupSyncWrite(handler, sdk, GOAL, 2)
    for servo in IDS:
        read.addParam(servo)
        write.addParam(servo, [0, 8])

    def cycle() -> None:
        read.txRxPacket()
        for servo in IDS:
            write.changeParam(servo, [0, 8])
        write.txPacket()

    try:
        return paced(cycle, seconds)
    finally:
        handler.closePort()


def compare(port: str, seconds: float) -> dict[str, Any]:
    """Blocks of ours and of the SDK's in turns."""
    ours, theirs = ([], []), ([], [])
    for _ in range(BLOCKS):
        for block, into in ((our_block, ours), (sdk_block, theirs)):
            took, cpu = block(port, seconds)
            into[0].extend(took)
            into[1].append(cpu)
    return {
        "ours_p50_ms": 1e3 * float(np.median(ours[0])),
        "ours_p99_ms": 1e3 * float(np.percentile(ours[0], 99)),
        "ours_cpu": float(np.mean(ours[1])),
        "sdk_p50_ms": 1e3 * float(np.median(theirs[0])),
        "sdk_p99_ms": 1e3 * float(np.percentile(theirs[0], 99)),
        "sdk_cpu": float(np.mean(theirs[1])),
        "cpu_ratio_spread": sorted(round(a / b, 3) for a, b in zip(ours[1], theirs[1], strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 s instead of 60 s, and shorter turns")
    quick = parser.parse_args().quick
    seconds, turn = (10.0, 1.0) if quick else (60.0, 5.0)
    with tempfile.TemporaryDirectory() as folder, emulator_process(Path(folder)) as link:
        port = str(link)
        bare = bare_loop(seconds)
        figures: dict[str, Any] = run_loop(port, seconds)
        bare_ms = bare()
        beside = compare(port, turn)
    bare_late = float((bare_ms > PERIOD_S * 1e3).mean())
    time_ratio = beside["ours_p50_ms"] / beside["sdk_p50_ms"]
    cpu_ratio = beside["ours_cpu"] / beside["sdk_cpu"]
    figures |= {
        "time_ratio_vs_scservo": time_ratio,
        "cpu_ratio_vs_scservo": cpu_ratio,
        "cycle_p50_ms": beside["ours_p50_ms"],
        "cycle_p99_ms": beside["ours_p99_ms"],
        "bus_cpu_fraction": beside["ours_cpu"],
        "cpu_ratio_spread": beside["cpu_ratio_spread"],
    }
    peers = {
        "bare_late_fraction": bare_late,
        "bare_period_error_p99_ms": float(np.percentile(bare_ms, 99)),
        "scservo_p50_ms": beside["sdk_p50_ms"],
        "scservo_p99_ms": beside["sdk_p99_ms"],
        "scservo_cpu_fraction": beside["sdk_cpu"],
    }

    def row(name: str, ours: str, limit: str, holds: bool | None = None) -> tuple[str, str, str, str]:
        return name, ours, limit, "" if holds is None else ("yes" if holds else "NO")

    f = figures
    write_figures(
        "bus",
        figures,
        peers,
        [
            row("loop rate", f"{f['rate_hz']:.2f} Hz", f"{HZ} Hz", f["rate_hz"] > 0.999 * HZ),
            row(
                "cycles more than 5 ms late",
                f"{f['late_fraction']:.3%}",
                f"<= 0.1 %, bare loop {bare_late:.3%}",
                f["late_fraction"] <= 0.001 and f["late_fraction"] <= bare_late + 1e-9,
            ),
            row("cycles that ended after the next was due", f"{f['overrun_fraction']:.3%}", ""),
            row(
                "period error p99",
                f"{f['period_error_p99_ms']:.2f} ms",
                f"bare loop {peers['bare_period_error_p99_ms']:.2f} ms",
            ),
            row("loop's share of a core", f"{f['cpu_fraction']:.1%}", "< 25 %", f["cpu_fraction"] < 0.25),
            row("answers missing at first", f"{f['unanswered']}, retried {f['retries']}", ""),
            row(
                "bus cycle p50",
                f"{f['cycle_p50_ms']:.2f} ms, ratio {time_ratio:.2f}",
                f"<= 1.05 x scservo_sdk {beside['sdk_p50_ms']:.2f} ms",
                time_ratio <= 1.05,
            ),
            row(
                "bus's share of a core",
                f"{f['bus_cpu_fraction']:.1%}, ratio {cpu_ratio:.2f}",
                f"<= 0.3 x scservo_sdk {beside['sdk_cpu']:.1%}",
                cpu_ratio <= 0.3,
            ),
        ],
    )


if __name__ == "__main__":
    main()
