"""The servo models there are."""

from hardware.servos.model import ServoModel
from hardware.servos.sts3215 import STS3215
from hardware.servos.x_series import XL330_M077, XL330_M288, XL430_W250

SERVOS: dict[str, ServoModel] = {m.name: m for m in (STS3215, XL330_M077, XL330_M288, XL430_W250)}
BY_NUMBER: dict[tuple[str, int], ServoModel] = {(m.protocol, m.number): m for m in SERVOS.values()}
