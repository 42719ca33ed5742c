"""What goes wrong on a bus and a person can mend."""

from hardware.errors import HardwareError


class BusError(HardwareError):
    """A servo that does not answer, or refuses; a packet that cannot be."""


class PortError(BusError):
    """A serial port that cannot be opened, or went away."""
