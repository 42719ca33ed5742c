"""The warmth of an emulated motor, and the errors that a test lets a servo show."""

AMBIENT_C = 25.0
HEATING_C = 60.0  # above the room, at stall


class Motor:
    """Warms with the square of its effort, within `warming_s`."""

    def __init__(self, warming_s: float) -> None:
        self._warming_s = warming_s
        self.temperature = AMBIENT_C  # deg C
        self.held_error = 0  # error bits shown from now on, whatever the servo finds

    def warm(self, effort: float, seconds: float) -> None:
        """Go on for `seconds` at a share (0..1) of the stall torque."""
        wanted = AMBIENT_C + HEATING_C * effort * effort
        self.temperature += (wanted - self.temperature) * min(1.0, seconds / self._warming_s)
