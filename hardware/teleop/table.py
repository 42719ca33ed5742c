"""The devices a person can drive with: one file and one line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardware.spec import RobotSpec
from hardware.teleop.cartesian import CartesianTeleoperator
from hardware.teleop.contract import Teleoperator
from hardware.teleop.gamepad import Gamepad
from hardware.teleop.keyboard import KeyboardJog
from hardware.teleop.keyboard_tool import KeyboardTool
from hardware.teleop.leader import make_leader
from hardware.teleop.spacemouse import SpaceMouse


@dataclass(frozen=True)
class DeviceSettings:
    """Which device, where there may be several; each looks at what is its own."""

    device: str = ""  # path of a gamepad's event device or a SpaceMouse's hidraw; empty: the first found
    leader: str = "so101_leader"  # name of a shipped spec, or path to one
    leader_driver: str = ""  # empty: as the leader's spec says
    leader_port: str = ""
    leader_calibration: str = ""


TELEOPERATORS: Mapping[str, Callable[[RobotSpec, DeviceSettings], Teleoperator]] = {
    "keyboard": lambda spec, _: KeyboardJog(spec),
    "keyboard_tool": lambda spec, _: CartesianTeleoperator(spec, KeyboardTool()),
    "leader": lambda spec, s: make_leader(
        spec, s.leader, s.leader_driver, s.leader_port, s.leader_calibration
    ),
    "gamepad": lambda spec, s: CartesianTeleoperator(spec, Gamepad(s.device)),
    "spacemouse": lambda spec, s: CartesianTeleoperator(spec, SpaceMouse(s.device)),
}
