"""`python -m hardware monitor`"""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from hardware.arms.calibration import calibration_path, load_calibration
from hardware.arms.serial_arm import SerialArm
from hardware.verbs.on_port import OnPort


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
            began, exchanges = time.monotonic(), 0
            if self.once:
                Console().print(_table(arm, 0.0))
                return
            with Live(refresh_per_second=5) as live:
                while True:
                    arm.get_observation()
                    exchanges += 1
                    live.update(_table(arm, exchanges / (time.monotonic() - began)))


def _table(arm: SerialArm, rate: float) -> Table:
    counters = [group.bus.counters for group in arm.groups]
    missing = sum(c.unanswered for c in counters)
    noise = sum(c.noise_bytes for c in counters)
    title = f"{rate:.0f} readings/s, {missing} answers missing, {noise} bytes of noise"
    table = Table("joint", "rad", "load", "A", "deg C", "V", "age s", "errors", title=title)
    state = arm.get_observation().state
    for i, (name, part) in enumerate(arm.health().items()):
        numbers = [f"{part[key]:.2f}" for key in ("load", "current_a")]
        numbers += [f"{part['temperature_c']:.0f}", f"{part['voltage_v']:.1f}", f"{part['age_s']:.2f}"]
        table.add_row(name, f"{state[i]:+.3f}", *numbers, str(part["error"]))
    return table
