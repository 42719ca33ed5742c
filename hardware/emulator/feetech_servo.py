"""An STS3215 as its bus sees it: registers, EEPROM lock, protections that latch.

Source: Feetech's memory table and what the arms of SO-101 users did (overload latches until the
torque is switched again, EEPROM is written with torque 0 and lock 0, 128 to 40 sets the midpoint).
"""

import numpy as np

from hardware.buses import feetech
from hardware.buses.frames import Frame
from hardware.emulator.memory import Memory
from hardware.emulator.motor import Motor
from hardware.emulator.servo import Drive, Sensed, Shaft
from hardware.servos.sts3215 import AMPERE, STS3215

DEFAULTS = {
    "firmware_major": 3,
    "firmware_minor": 10,
    "model": 777,
    "id": 1,
    "return_delay": 0,
    "status_level": 1,
    "min_position": 0,
    "max_position": 4095,
    "max_temperature": 70,
    "max_voltage": 80,
    "min_voltage": 40,
    "max_torque": 1000,
    "phase": 12,
    "p_gain": 32,
    "d_gain": 32,
    "i_gain": 0,
    "protection_current": 500,
    "protective_torque": 20,
    "protection_time": 200,
    "overload_torque": 80,
    "lock": 1,
}
VOLTAGE, ANGLE, HEAT, CURRENT, OVERLOAD = 1, 2, 4, 8, 32
TICK = STS3215.radians_per_tick
EEPROM_END = 40
SET_MIDPOINT = 128
STALL_CURRENT_A = 2.4
WARMING_S = 120.0


class FeetechServo:
    """One servo; `shaft` says how it sits in its joint."""

    def __init__(self, servo: int, shaft: Shaft, **registers: int) -> None:
        self.memory = Memory(STS3215, DEFAULTS | {"id": servo} | registers)
        self._shaft = shaft
        self.motor = Motor(WARMING_S)
        self._overloaded_s = 0.0
        self._status = 0
        self._actual = 2048.0  # ticks of the encoder, before the homing offset
        self._pending: tuple[int, bytes] | None = None

    def power_on(self, position: float) -> None:
        memory = self.memory
        memory.write(EEPROM_END, bytes(60))
        memory["lock"] = 1
        memory["torque_limit"] = memory["max_torque"]
        self._status = 0
        self._overloaded_s = 0.0
        self._actual = self._shaft.ticks(position, TICK)
        memory["goal_position"] = round(self._present())

    def overload(self) -> None:
        self._status |= OVERLOAD

    def answer(self, frame: Frame) -> Frame | None:
        code, payload = frame.code, frame.payload
        if code == feetech.PING:
            return self._reply()
        if code == feetech.READ and len(payload) == 2:
            return self._reply(self.memory.read(payload[0], payload[1]))
        if code == feetech.WRITE and len(payload) >= 2:
            self.write(payload[0], payload[1:])
        elif code == feetech.REG_WRITE and len(payload) >= 2:
            self._pending = payload[0], payload[1:]
        elif code == feetech.ACTION:
            if self._pending:
                self.write(*self._pending)
            self._pending = None
        else:
            return None
        return self._reply() if self.memory["status_level"] and frame.servo != 0xFE else None

    def read(self, address: int, length: int) -> Frame:
        """Its answer in a sync read."""
        return self._reply(self.memory.read(address, length))

    def write(self, address: int, data: bytes) -> None:
        """Registers from `address` on, as far as they may be written now."""
        memory = self.memory
        if address < EEPROM_END and (memory["lock"] or memory["torque_enable"]):
            return
        for name, register in STS3215.registers.items():
            start = register.address - address
            if register.read_only or start < 0 or start + register.size > len(data):
                continue
            self._set(name, register.decode(data[start : start + register.size]))

    def drive(self) -> Drive:
        memory = self.memory
        goal = memory["goal_position"] + memory["homing_offset"]
        limit = memory["torque_limit"] / 1000.0 if memory["torque_enable"] else 0.0
        if self._status & OVERLOAD:
            limit = min(limit, memory["protective_torque"] / 100.0)
        if self._status & (HEAT | CURRENT):
            limit = 0.0
        return Drive(self._shaft.angle(goal, TICK), limit)

    def sense(self, sensed: Sensed, seconds: float) -> None:
        memory = self.memory
        self._actual = self._shaft.ticks(sensed.position, TICK)
        effort = min(1.0, abs(sensed.load))
        self.motor.warm(effort, seconds)
        self._protect(sensed, effort, seconds)
        present = round(self._present())
        velocity = round(self._shaft.direction * sensed.velocity / TICK)
        memory["position"] = present % 4096 if abs(present) >= 1 << 15 else present
        memory["velocity"] = int(np.clip(velocity, -32767, 32767))
        memory["load"] = round(self._shaft.direction * 1000 * np.clip(sensed.load, -1, 1))
        memory["voltage"] = round(sensed.voltage * 10)
        memory["temperature"] = round(self.motor.temperature)
        memory["current"] = round(effort * STALL_CURRENT_A / AMPERE)
        memory["moving"] = int(abs(velocity) > 2)
        memory["status"] = self._error()

    def _protect(self, sensed: Sensed, effort: float, seconds: float) -> None:
        memory = self.memory
        busy = memory["torque_enable"] and effort * 100 > memory["overload_torque"]
        self._overloaded_s = self._overloaded_s + seconds if busy else 0.0
        if self._overloaded_s > memory["protection_time"] / 100.0:
            self.overload()
        if effort * STALL_CURRENT_A / AMPERE > memory["protection_current"]:
            self._status |= CURRENT
        if self.motor.temperature > memory["max_temperature"]:
            self._status |= HEAT
        low, high = memory["min_voltage"] / 10.0, memory["max_voltage"] / 10.0
        self._status = self._status & ~VOLTAGE | (0 if low <= sensed.voltage <= high else VOLTAGE)

    def _present(self) -> float:
        """What the position register shows: the encoder less the homing offset, on one turn."""
        return (self._actual - self.memory["homing_offset"]) % 4096

    def _set(self, name: str, value: int) -> None:
        memory = self.memory
        if name == "torque_enable" and value == SET_MIDPOINT:
            offset = round(self._actual) % 4096 - 2048
            memory["homing_offset"] = int(np.clip(offset, -2047, 2047))
            return
        if name == "torque_enable":
            self._status &= ~(OVERLOAD | CURRENT | HEAT)
            self._overloaded_s = 0.0
        if name == "goal_position" and memory["max_position"] > memory["min_position"]:
            value = int(np.clip(value, memory["min_position"], memory["max_position"]))
        memory[name] = value

    def _error(self) -> int:
        return self._status | self.motor.held_error

    def _reply(self, data: bytes = b"") -> Frame:
        return Frame(self.memory.id, self._error(), data)
