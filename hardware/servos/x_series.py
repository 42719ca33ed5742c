"""Dynamixel XL330 and XL430: one table but for what is measured at 126, current or load.

Source: ROBOTIS e-manual, control tables of XL330-M077, XL330-M288 and XL430-W250.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np

from hardware.servos.model import Feedback, Register, ServoModel, rows

SIGNED: Final = "two's complement"
REGISTERS = {
    "model": Register(0, 2, read_only=True, eeprom=True),
    "firmware": Register(6, read_only=True, eeprom=True),
    "id": Register(7, eeprom=True),
    "baud": Register(8, eeprom=True),
    "return_delay": Register(9, eeprom=True),  # 2 us
    "drive_mode": Register(10, eeprom=True),
    "mode": Register(11, eeprom=True),
    "homing_offset": Register(20, 4, sign=SIGNED, eeprom=True),
    "max_temperature": Register(31, eeprom=True),
    "max_voltage": Register(32, 2, eeprom=True),
    "min_voltage": Register(34, 2, eeprom=True),
    "pwm_limit": Register(36, 2, eeprom=True),
    "current_limit": Register(38, 2, eeprom=True),
    "velocity_limit": Register(44, 4, eeprom=True),
    "max_position": Register(48, 4, eeprom=True),
    "min_position": Register(52, 4, eeprom=True),
    "shutdown": Register(63, eeprom=True),
    "torque_enable": Register(64),
    "status_level": Register(68),
    "hardware_error": Register(70, read_only=True),
    "watchdog": Register(98),  # 20 ms; latches -1
    "goal_pwm": Register(100, 2, sign=SIGNED),
    "goal_current": Register(102, 2, sign=SIGNED),
    "goal_velocity": Register(104, 4, sign=SIGNED),
    "profile_acceleration": Register(108, 4),
    "profile_velocity": Register(112, 4),
    "goal_position": Register(116, 4, sign=SIGNED),
    "moving": Register(122, read_only=True),
    "pwm": Register(124, 2, sign=SIGNED, read_only=True),
    "current": Register(126, 2, sign=SIGNED, read_only=True),
    "velocity": Register(128, 4, sign=SIGNED, read_only=True),
    "position": Register(132, 4, sign=SIGNED, read_only=True),
    "voltage": Register(144, 2, read_only=True),
    "temperature": Register(146, read_only=True),
}
BAUD_CODES = {9_600: 0, 57_600: 1, 115_200: 2, 1_000_000: 3, 2_000_000: 4, 3_000_000: 5, 4_000_000: 6}
VELOCITY = 0.229 * 2 * np.pi / 60  # rad/s a unit
FULL_PWM = 885.0
STALL_CURRENT_A = 1.47  # XL330 at 5 V; an XL430 measures its load instead
BLOCK = np.dtype(
    [
        ("pwm", "<i2"),
        ("current", "<i2"),
        ("velocity", "<i4"),
        ("position", "<i4"),
        ("", "V8"),
        ("voltage", "<u2"),
        ("temperature", "u1"),
    ]
)


def decode(measures_current: bool, blocks: Sequence[bytes]) -> Feedback:
    """Registers 124 to 146 of n servos. Error bits are not among them: an answer's alert tells of one."""
    seen = rows(blocks, BLOCK)
    effort = seen["current"].astype(np.float64)
    return Feedback(
        position=seen["position"].astype(np.int64),
        velocity=seen["velocity"] * VELOCITY,
        load=seen["pwm"] / FULL_PWM if measures_current else effort / 1000.0,
        current=effort / 1000.0 if measures_current else np.full(len(effort), np.nan),
        voltage=seen["voltage"] / 10.0,
        temperature=seen["temperature"].astype(np.float64),
        error=np.zeros(len(effort), dtype=np.int64),
    )


def _model(name: str, number: int, measures_current: bool, stall_torque: float, speed: float) -> ServoModel:
    registers = {
        k: v for k, v in REGISTERS.items() if measures_current or k not in ("current_limit", "goal_current")
    }
    return ServoModel(
        name=name,
        number=number,
        protocol="dynamixel",
        ticks_per_turn=4096,
        registers=registers,
        baud_codes=BAUD_CODES,
        feedback=(124, BLOCK.itemsize),
        spare=1,  # 147, Backup Ready
        decode=partial(decode, measures_current),
        torque_limit=("goal_pwm", 885),
        supervised=(64, 7),
        faults={1: "voltage", 4: "overheated", 8: "motor encoder", 16: "electrical shock", 32: "overload"},
        protects=4 | 16 | 32,  # the delivered value of its register "shutdown"
        clears_by="reboot",
        rated={"stall_torque": stall_torque, "stall_current": STALL_CURRENT_A, "speed": speed},
    )


XL330_M077 = _model("xl330_m077", 1190, True, 0.228, 40.1)
XL330_M288 = _model("xl330_m288", 1200, True, 0.52, 10.8)
XL430_W250 = _model("xl430_w250", 1060, False, 1.4, 5.97)
