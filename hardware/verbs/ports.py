"""`python -m hardware ports`"""

from dataclasses import dataclass

from serial.tools import list_ports


@dataclass(frozen=True)
class Ports:
    """List the serial ports of this machine, to find the one an arm is plugged into."""

    def run(self) -> None:
        ports = sorted(list_ports.comports())
        for port in ports:
            identity = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else "-"
            print(f"{port.device:20} {identity:10} {port.description}")
        if not ports:
            print("no serial port found; is the adapter plugged in, and may this user open it?")
