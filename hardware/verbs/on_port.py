"""What the verbs for an arm on its serial ports have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hardware.arms.make import port_table
from hardware.arms.make_bus import make_bus
from hardware.arms.servo_group import ServoGroup
from hardware.spec import RobotSpec, load_spec


@dataclass(frozen=True)
class OnPort:
    """Options of a verb that talks to an arm's servos."""

    robot: str = "so101"
    """Name of a shipped robot spec, or path to a spec's YAML file."""
    port: str = ""
    """Serial port, or ports by bus as left=/dev/a,right=/dev/b; empty: the spec's."""

    def spec(self) -> RobotSpec:
        return load_spec(self.robot).with_cameras(())

    @contextmanager
    def groups(self, spec: RobotSpec) -> Iterator[list[ServoGroup]]:
        """The servos of every bus of `spec`, their ports open; nothing is asked of them yet."""
        ports = port_table(self.spec(), self.port)
        made = [ServoGroup(bus, make_bus(bus, ports[bus.name])) for bus in spec.buses]
        try:
            for group in made:
                group.bus.open()
            yield made
        finally:
            for group in made:
                group.bus.close()
