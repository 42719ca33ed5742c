"""`python -m hardware emulate`"""

import os
import signal
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from hardware.emulator.faults import Faults, load_schedule
from hardware.emulator.plants import load_plant
from hardware.emulator.robot import EmulatedRobot
from hardware.emulator.world import serve
from hardware.spec import load_spec


@dataclass(frozen=True)
class Emulate:
    """Open a pseudo-terminal that answers as the servos of a robot do, until interrupted."""

    robot: str = "so101"
    """Name of a shipped robot spec, or path to a spec's YAML file."""
    folder: Path = Path(tempfile.gettempdir()) / "limber-emulated"
    """Where the ports appear, one for each bus of the spec."""
    plant: str = ""
    """What the servos turn: module:name, as sim:so101; empty: a motor and a load each, in numpy."""
    task: str = ""
    """Task of a simulated plant, e.g. PickPlace; empty: the arm alone."""
    cameras: tuple[str, ...] = ()
    """Cameras of the plant to serve as streams."""
    width: int = 0
    """Picture width in px; 0: as the spec says."""
    height: int = 0
    """Picture height in px; 0: as the spec says."""
    control_socket: Path | None = None
    """Where to listen for resets and faults; default: `control` beside the ports."""
    faults: Path | None = None
    """JSON file of fault rates and events; see hardware/emulator/faults.py."""
    seed: int = 0
    """Seed of the random faults."""
    wire_time: bool = True
    """Let answers take the time of their bytes at the baud rate."""
    ends_with: int = 0
    """Process whose end ends this one too; 0: none."""

    def run(self) -> None:
        rates, events = load_schedule(self.faults) if self.faults else (None, [])
        faults = Faults(rates, self.seed) if rates else Faults(seed=self.seed)
        size = self.width or None, self.height or None
        spec = load_spec(self.robot).with_cameras(self.cameras, *size)
        plant = load_plant(self.plant, spec, self.task or None)
        robot = EmulatedRobot(spec, self.folder, plant, faults, wire_time=self.wire_time)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        robot.open()
        control = serve(robot, self.control_socket or self.folder / "control")
        try:
            for name, line in robot.lines.items():
                print(f"bus {name}: {line.port.link}", flush=True)
            for name, url in robot.serve_cameras().items():
                print(f"camera {name}: {url}", flush=True)
            robot.schedule(events)
            while not ended.is_set() and (not self.ends_with or os.path.exists(f"/proc/{self.ends_with}")):
                robot.serve()
        finally:
            control.close()
            robot.close()
            for kind, count in sorted(robot.faults.injected.items()):
                print(f"injected {kind}: {count}")
