"""An XL330 or XL430 as its bus sees it: access and limit errors, shutdown that latches, the watchdog.

Source: ROBOTIS e-manual. The watchdog latches -1 and the motor goes on, as people found on 330-size
servos: nothing may rely on it.
"""

import numpy as np

from hardware.buses import dynamixel
from hardware.buses.frames import Frame
from hardware.emulator.memory import Memory
from hardware.emulator.motor import Motor
from hardware.emulator.servo import Drive, Sensed, Shaft
from hardware.servos.model import ServoModel
from hardware.servos.x_series import FULL_PWM, VELOCITY

DEFAULTS = {
    "firmware": 50,
    "baud": 3,
    "return_delay": 0,
    "mode": 3,
    "max_temperature": 72,
    "max_voltage": 140,
    "min_voltage": 35,
    "pwm_limit": 885,
    "velocity_limit": 445,
    "max_position": 4095,
    "min_position": 0,
    "shutdown": 53,
}
RAM = {"status_level": 2, "goal_pwm": 885}
CURRENT_LIMIT = 1750
STALL_CURRENT_A = 1.47
VOLTAGE, HEAT, SHOCK, OVERLOAD = 1, 4, 16, 32
OVERLOAD_LOAD, OVERLOAD_S = 0.8, 2.0
ACCESS, LENGTH, LIMIT, RANGE, UNKNOWN = 7, 5, 6, 4, 2
EEPROM_END = 64
POSITION_MODE = 3
LATCHED = 0xFF
WARMING_S = 60.0


class DynamixelServo:
    """One servo; `shaft` says how it sits in its joint."""

    def __init__(self, servo: int, model: ServoModel, shaft: Shaft, **registers: int) -> None:
        self.model = model
        self._has_current = "goal_current" in model.registers
        defaults = DEFAULTS | ({"current_limit": CURRENT_LIMIT} if self._has_current else {})
        self.memory = Memory(model, defaults | {"model": model.number, "id": servo} | registers)
        self._shaft = shaft
        self.motor = Motor(WARMING_S)
        self._overloaded_s = 0.0
        self._silent_s = 0.0
        self._actual = 2048.0
        self._pending: tuple[int, bytes] | None = None

    def power_on(self, position: float) -> None:
        self.memory.write(EEPROM_END, bytes(256 - EEPROM_END))
        for name, value in RAM.items():
            self.memory[name] = value
        if self._has_current:
            self.memory["goal_current"] = self.memory["current_limit"]
        self._actual = self._shaft.ticks(position, self.model.radians_per_tick)
        self.memory["goal_position"] = self._present()
        self._overloaded_s = self._silent_s = 0.0

    def overload(self) -> None:
        self._latch(OVERLOAD)

    def answer(self, frame: Frame) -> Frame | None:
        code, payload = frame.code, frame.payload
        self._silent_s = 0.0
        if code == dynamixel.PING:
            return self._reply(0, self.memory.read(0, 2) + self.memory.read(6, 1))
        level = self.memory["status_level"]
        if code == dynamixel.READ and len(payload) == 4:
            return self.read(*_address_length(payload)) if level >= 1 else None
        reply = self._reply(self._do(code, payload))
        return reply if level >= 2 and frame.servo != 0xFE else None

    def read(self, address: int, length: int) -> Frame:
        """Its answer to a read, plain or sync."""
        self._silent_s = 0.0
        return self._reply(0, self.memory.read(address, length))

    def write(self, address: int, data: bytes) -> int:
        """Registers from `address` on, or none of them: the error number, 0 for none."""
        memory = self.memory
        self._silent_s = 0.0
        if address < EEPROM_END and memory["torque_enable"]:
            return ACCESS
        values: dict[str, int] = {}
        for name, register in self.model.registers.items():
            start = register.address - address
            if start < 0 or start >= len(data):
                continue
            if register.read_only:
                return ACCESS
            if start + register.size > len(data):
                return LENGTH
            values[name] = register.decode(data[start : start + register.size])
        error = self._check(values)
        if error:
            return error
        for name, value in values.items():
            memory[name] = value
        return 0

    def drive(self) -> Drive:
        memory = self.memory
        limit = memory["goal_pwm"] / FULL_PWM if memory["torque_enable"] else 0.0
        if self._has_current and memory["mode"] in (0, 5):
            limit = min(limit, memory["goal_current"] / 1000.0 / STALL_CURRENT_A)
        if self._failed() & memory["shutdown"]:
            limit = 0.0
        goal = memory["goal_position"] - memory["homing_offset"]
        return Drive(self._shaft.angle(goal, self.model.radians_per_tick), max(0.0, limit))

    def sense(self, sensed: Sensed, seconds: float) -> None:
        memory, tick = self.memory, self.model.radians_per_tick
        self._actual = self._shaft.ticks(sensed.position, tick)
        effort = min(1.0, abs(sensed.load))
        self.motor.warm(effort, seconds)
        self._protect(sensed, effort, seconds)
        signed = self._shaft.direction * float(np.clip(sensed.load, -1, 1))
        velocity = self._shaft.direction * sensed.velocity
        memory["position"] = self._present()
        memory["velocity"] = round(velocity / VELOCITY)
        memory["pwm"] = round(signed * FULL_PWM)
        memory["current"] = round(signed * (STALL_CURRENT_A if self._has_current else 1.0) * 1000)
        memory["voltage"] = round(sensed.voltage * 10)
        memory["temperature"] = round(self.motor.temperature)
        memory["moving"] = int(abs(velocity) > 2 * VELOCITY)
        memory["hardware_error"] = self._failed()
        self._silent_s += seconds
        if 0 < memory["watchdog"] < LATCHED and self._silent_s > memory["watchdog"] * 0.02:
            memory["watchdog"] = LATCHED

    def _do(self, code: int, payload: bytes) -> int:
        if code == dynamixel.WRITE and len(payload) >= 3:
            return self.write(int.from_bytes(payload[:2], "little"), payload[2:])
        if code == dynamixel.REG_WRITE and len(payload) >= 3:
            self._pending = int.from_bytes(payload[:2], "little"), payload[2:]
            return 0
        if code == dynamixel.ACTION:
            pending, self._pending = self._pending, None
            return self.write(*pending) if pending else 0
        if code == dynamixel.REBOOT:
            self.memory["hardware_error"] = 0
            self.power_on(self._shaft.angle(self._actual, self.model.radians_per_tick))
            return 0
        return UNKNOWN

    def _check(self, values: dict[str, int]) -> int:
        memory = self.memory
        if memory["watchdog"] == LATCHED and {"goal_position", "goal_velocity", "goal_pwm"} & values.keys():
            return RANGE
        goal = values.get("goal_position")
        least, most = memory["min_position"], memory["max_position"]
        if goal is not None and memory["mode"] == POSITION_MODE and not least <= goal <= most:
            return LIMIT
        if abs(values.get("goal_pwm", 0)) > memory["pwm_limit"]:
            return LIMIT
        if self._has_current and abs(values.get("goal_current", 0)) > memory["current_limit"]:
            return LIMIT
        return 0

    def _protect(self, sensed: Sensed, effort: float, seconds: float) -> None:
        memory = self.memory
        busy = memory["torque_enable"] and effort > OVERLOAD_LOAD
        self._overloaded_s = self._overloaded_s + seconds if busy else 0.0
        found = 0 if self._overloaded_s <= OVERLOAD_S else OVERLOAD
        if self.motor.temperature > memory["max_temperature"]:
            found |= HEAT
        if not memory["min_voltage"] <= sensed.voltage * 10 <= memory["max_voltage"]:
            found |= VOLTAGE
        self._latch(found)

    def _latch(self, found: int) -> None:
        """Errors stay until a reboot."""
        memory = self.memory
        memory["hardware_error"] = memory["hardware_error"] | found
        if memory["hardware_error"] & memory["shutdown"]:
            memory["torque_enable"] = 0

    def _failed(self) -> int:
        return self.memory["hardware_error"] | self.motor.held_error

    def _present(self) -> int:
        return round(self._actual) + self.memory["homing_offset"]

    def _reply(self, error: int, data: bytes = b"") -> Frame:
        alert = dynamixel.ALERT if self._failed() else 0
        return Frame(self.memory.id, dynamixel.STATUS, bytes((error | alert,)) + data)


def _address_length(payload: bytes) -> tuple[int, int]:
    return int.from_bytes(payload[:2], "little"), int.from_bytes(payload[2:4], "little")
