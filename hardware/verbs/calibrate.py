"""`python -m hardware calibrate`"""

import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.live import Live
from rich.table import Table

from hardware.arms.calibrate import Calibrator
from hardware.arms.calibration import calibration_path, load_calibration, save_calibration
from hardware.arms.lerobot_calibration import export_lerobot, import_lerobot
from hardware.errors import HardwareError
from hardware.servos.table import SERVOS
from hardware.verbs.on_port import OnPort
from hardware.verbs.one_joint import one_joint, with_joint

KEEP_S = 1.0  # what was swept is written down this often


@dataclass(frozen=True)
class Calibrate(OnPort):
    """Find every joint's range by hand, set the servos' homing offsets, and write the calibration file.

    Move each joint from stop to stop, then press Enter. Interrupted, it goes on where it was.
    """

    joint: str = ""
    """Only this joint, as after its servo was replaced; the others stay as the file has them."""
    out: Path | None = None
    """The file; default: the robot's own in the user's data folder, where robot_node looks for it."""
    overwrite: bool = False
    """Replace a calibration that is there."""
    anew: bool = False
    """Forget what an interrupted calibration had swept."""
    from_lerobot: Path | None = None
    """Take LeRobot's calibration file of this arm instead; nothing is moved or written to the servos."""
    to_lerobot: Path | None = None
    """Write the calibration that is there as LeRobot's file, and do nothing else."""

    def run(self) -> None:
        spec = one_joint(self.spec(), self.joint) if self.joint else self.spec()
        out = self.out or calibration_path(spec.name)
        if self.to_lerobot:
            export_lerobot(self.to_lerobot, spec, load_calibration(out))
            print(f"written: {self.to_lerobot}")
            return
        before = load_calibration(out) if self.joint else None
        if out.exists() and not self.overwrite and not before:
            raise HardwareError(f"calibration {str(out)!r} exists; --overwrite replaces it")
        if self.from_lerobot:
            calibration = import_lerobot(self.from_lerobot, spec)
        else:
            with self.groups(spec) as groups:
                for group in groups:
                    group.check()
                partial = f".{self.joint}.partial.json" if self.joint else ".partial.json"
                calibrator = Calibrator(spec, groups, out.with_suffix(partial))
                if not self.anew and calibrator.resume():
                    print("going on with what was swept before; --anew forgets it")
                print("the torque goes off now: hold the arm if it is up")
                calibrator.begin()
                self._sweep(calibrator)
                calibration = calibrator.finish()
        if before:
            calibration = with_joint(before, calibration.joints[0])
        save_calibration(out, calibration)
        print(f"written: {out} (hash {calibration.hash})")

    def _sweep(self, calibrator: Calibrator) -> None:
        """Read until Enter is pressed; a table shows how far each joint came."""
        print("move each joint by hand from stop to stop, then press Enter")
        kept = time.monotonic()
        with Live(self._table(calibrator), refresh_per_second=10) as live:
            while not select.select([sys.stdin], [], [], 0.0)[0]:
                calibrator.see()
                live.update(self._table(calibrator))
                if time.monotonic() - kept > KEEP_S:
                    calibrator.keep()
                    kept = time.monotonic()
        sys.stdin.readline()
        calibrator.keep()

    def _table(self, calibrator: Calibrator) -> Table:
        table = Table("joint", "swept", "of", "now")
        for joint in calibrator.spec.joints:
            sweep = calibrator.sweeps[joint.name]
            model = SERVOS[calibrator.spec.servos[joint.name].model]
            wanted = (joint.upper - joint.lower) / model.radians_per_tick
            table.add_row(
                f"{joint.name} (id {calibrator.spec.servos[joint.name].id})",
                f"{sweep.range} ticks",
                f"about {wanted:.0f}",
                str(sweep.present),
            )
        return table
