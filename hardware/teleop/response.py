"""From a stick's position to a speed: nothing around the middle, gentle near it, all of it at the end."""

DEAD_ZONE = 0.12  # of full scale: half of XInput's 7849 of 32767, which leaves little for fine work
EXPONENT = 1.8  # 1: straight; 2 is the usual "expo" of remote controls, and feels slow in the middle


def shaped(value: float) -> float:
    """The share of full speed, -1 to 1, for a deflection of -1 to 1; continuous at the dead zone's edge."""
    size = min(abs(value), 1.0)
    if size <= DEAD_ZONE:
        return 0.0
    share: float = ((size - DEAD_ZONE) / (1.0 - DEAD_ZONE)) ** EXPONENT
    return share if value > 0 else -share
