"""`python -m hardware monitor`"""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hardware.arms.calibration import calibration_path, load_calibration
from hardware.arms.serial_arm import SerialArm
from hardware.robot import Observation
from hardware.verbs.on_port import OnPort

TABLES_HZ = 5  # faster than that nobody reads
STALE_S = 0.1  # a reading older than this is shown in red


@dataclass(frozen=True)
class Monitor(OnPort):
    """Show every servo live: position, load, current, temperature, voltage, errors, and the bus's rates."""

    calibration: Path | None = None
    """Calibration file; default: the robot's own in the user's data folder."""
    once: bool = False
    """One reading, then end."""

    def run(self) -> None:
        spec = self.spec()
        calibration = load_calibration(self.calibration or calibration_path(spec.name))
        with self.groups(spec) as groups:
            arm = SerialArm(spec, groups, calibration)
            arm.connect()
            if self.once:
                Console().print(_table(arm, arm.get_observation(), 0.0))
                return
            with Live(refresh_per_second=TABLES_HZ) as live:
                while True:
                    shown, count, begin = arm.get_observation(), 0, time.monotonic()
                    while (passed := time.monotonic() - begin) < 1 / TABLES_HZ:
                        time.sleep(
                            max(0.0, (count + 1) * spec.control_dt - passed)
                        )  # as the control loop would
                        shown, count = arm.get_observation(), count + 1
                    live.update(_table(arm, shown, count / passed))


def _table(arm: SerialArm, seen: Observation, rate: float) -> Group:
    counters = [group.bus.counters for group in arm.groups]
    missing = sum(c.unanswered for c in counters)
    retries = sum(c.retries for c in counters)
    noise = sum(c.noise_bytes for c in counters)
    lines = [
        f"{rate:.0f} readings/s, {missing} answers missing, {retries} asked again, {noise} bytes of noise"
    ]
    lines += [group.bus.trouble for group in arm.groups if group.bus.trouble]
    table = Table("joint", "rad", "load", "A", "deg C", "V", "age s", "errors")
    health = arm.health()
    for i, (name, part) in enumerate((name, health[name]) for name in arm.spec.joint_names):
        age = float(part["age_s"])
        numbers = [f"{part[key]:.2f}" for key in ("load", "current_a")]
        numbers += [f"{part['temperature_c']:.0f}", f"{part['voltage_v']:.1f}", f"{age:.2f}"]
        style = "red" if age > STALE_S or part["error"] else None
        table.add_row(name, f"{seen.state[i]:+.3f}", *numbers, str(part["error"]), style=style)
    return Group(*map(Text, lines), table)
