"""`python -m hardware failsafes`"""

from dataclasses import dataclass

from hardware.safety.failsafes import legend, table


@dataclass(frozen=True)
class Failsafes:
    """Print what the control loop does when: one line a condition."""

    def run(self) -> None:
        print(f"{table()}\n\n{legend()}")
