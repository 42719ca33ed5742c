"""Feetech STS3215, the servo of the SO-100 and SO-101 arms.

Source: Feetech, "STS3215 memory table" (firmware 3.x); rated values of the 7.4 V version, 1:345 gear.
"""

from collections.abc import Sequence

import numpy as np

from hardware.servos.model import Feedback, Register, ServoModel, rows, signed_magnitude

REGISTERS = {
    "firmware_major": Register(0, read_only=True, eeprom=True),
    "firmware_minor": Register(1, read_only=True, eeprom=True),
    "model": Register(3, 2, read_only=True, eeprom=True),
    "id": Register(5, eeprom=True),
    "baud": Register(6, eeprom=True),
    "return_delay": Register(7, eeprom=True),  # 2 us
    "status_level": Register(8, eeprom=True),
    "min_position": Register(9, 2, eeprom=True),
    "max_position": Register(11, 2, eeprom=True),
    "max_temperature": Register(13, eeprom=True),
    "max_voltage": Register(14, eeprom=True),
    "min_voltage": Register(15, eeprom=True),
    "max_torque": Register(16, 2, eeprom=True),
    "phase": Register(18, eeprom=True),
    "p_gain": Register(21, eeprom=True),
    "d_gain": Register(22, eeprom=True),
    "i_gain": Register(23, eeprom=True),
    "protection_current": Register(28, 2, eeprom=True),
    "homing_offset": Register(31, 2, sign=11, eeprom=True),
    "mode": Register(33, eeprom=True),
    "protective_torque": Register(34, eeprom=True),
    "protection_time": Register(35, eeprom=True),
    "overload_torque": Register(36, eeprom=True),
    "torque_enable": Register(40),
    "acceleration": Register(41),
    "goal_position": Register(42, 2, sign=15),
    "goal_time": Register(44, 2),
    "goal_velocity": Register(46, 2, sign=15),
    "torque_limit": Register(48, 2),
    "lock": Register(55),
    "position": Register(56, 2, sign=15, read_only=True),
    "velocity": Register(58, 2, sign=15, read_only=True),
    "load": Register(60, 2, sign=10, read_only=True),
    "voltage": Register(62, read_only=True),
    "temperature": Register(63, read_only=True),
    "status": Register(65, read_only=True),
    "moving": Register(66, read_only=True),
    "current": Register(69, 2, sign=15, read_only=True),
    "max_acceleration": Register(85),
}
AMPERE = 0.0065  # a unit of current
BLOCK = np.dtype(
    [
        ("position", "<u2"),
        ("velocity", "<u2"),
        ("load", "<u2"),
        ("voltage", "u1"),
        ("temperature", "u1"),
        ("", "u1"),
        ("status", "u1"),
        ("moving", "u1"),
        ("", "<u2"),
        ("current", "<u2"),
    ]
)


def decode(blocks: Sequence[bytes]) -> Feedback:
    """Registers 56 to 70 of n servos."""
    seen = rows(blocks, BLOCK)
    return Feedback(
        position=signed_magnitude(seen["position"], 15),
        velocity=signed_magnitude(seen["velocity"], 15) * (2 * np.pi / 4096),
        load=signed_magnitude(seen["load"], 10) / 1000.0,
        current=signed_magnitude(seen["current"], 15) * AMPERE,
        voltage=seen["voltage"] / 10.0,
        temperature=seen["temperature"].astype(np.float64),
        error=seen["status"].astype(np.int64),
    )


STS3215 = ServoModel(
    name="sts3215",
    number=777,
    protocol="feetech",
    ticks_per_turn=4096,
    registers=REGISTERS,
    baud_codes={
        1_000_000: 0,
        500_000: 1,
        250_000: 2,
        128_000: 3,
        115_200: 4,
        57_600: 5,
        38_400: 6,
        19_200: 7,
    },
    feedback=(56, BLOCK.itemsize),
    spare=2,  # 71 and 72 can be read
    decode=decode,
    torque_limit=("torque_limit", 1000),
    supervised=(40, 10),
    faults={1: "voltage", 2: "angle sensor", 4: "overheated", 8: "over-current", 32: "overload"},
    protects=4 | 8 | 32,
    clears_by="torque",
    rated={"stall_torque": 1.6, "stall_current": 2.4, "speed": 4.7},
)
