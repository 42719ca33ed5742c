"""The bus over a real pseudo-terminal: emulated servos, and every fault a line can have."""

import os
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_bus

from hardware.buses.bus import Bus
from hardware.buses.errors import PortError
from hardware.buses.feetech import FeetechCodec
from hardware.buses.port import SerialPort
from hardware.emulator.faults import FaultEvent, FaultRates
from hardware.emulator.robot import middle_shaft

IDS = tuple(range(1, 7))
SPECS = {"feetech": feetech_spec, "dynamixel": dynamixel_spec}
POSITION = {"feetech": (56, 2), "dynamixel": (132, 4)}
SPARE = 2
PATIENCE_S = 0.03  # a busy machine's emulator is late by itself
CYCLES = 150


@dataclass
class TimePlant:
    """Joints whose position tells the time: one tick a millisecond, so that an old answer shows."""

    n: int = 6
    start: float = field(default_factory=time.monotonic)

    @property
    def position(self):
        milliseconds = (time.monotonic() - self.start) * 1e3 % 4096
        return np.full(self.n, (milliseconds - 2048) * 2 * np.pi / 4096)

    @property
    def velocity(self):
        return np.zeros(self.n)

    @property
    def load(self):
        return np.zeros(self.n)

    def step(self, goal, limit, seconds):
        """Time goes on by itself."""

    def milliseconds(self) -> int:
        return int((time.monotonic() - self.start) * 1e3)


@pytest.fixture(params=SPECS)
def protocol(request):
    return request.param


def read(bus: Bus, protocol: str, servos=IDS, seconds: float = 0.1, **options):
    return bus.sync_read(
        servos, *POSITION[protocol], spare=SPARE, until_s=time.monotonic() + seconds, **options
    )


def test_servos_are_found_by_id_and_model(protocol, tmp_path):
    models = {"feetech": [777] * 6, "dynamixel": [1060, 1060, 1060, 1200, 1200, 1190]}[protocol]
    with emulated(SPECS[protocol](), tmp_path) as robot, opened_bus(robot) as bus:
        assert [bus.identify(i) for i in IDS] == models
        assert bus.identify(9) is None
        assert bus.ping(3)
        assert not bus.ping(9)
        assert bus.counters.noise_bytes == 0


def test_a_servo_is_heard_only_at_its_baud_rate(protocol, tmp_path):
    with emulated(SPECS[protocol](), tmp_path) as robot, opened_bus(robot, baud=115_200) as bus:
        assert bus.identify(1) is None
        bus.set_baud(1_000_000)
        assert bus.identify(1) is not None


@pytest.mark.parametrize(
    ("spec", "baud"), [(dynamixel_spec, 57_600), (dynamixel_spec, 9_600), (feetech_spec, 19_200)]
)
def test_a_scan_waits_for_slow_lines_and_servos_as_delivered(spec, baud, tmp_path):
    """At 57 600 baud request and answer take 4.7 ms, and a servo waits 0.5 ms before it answers."""
    slow = replace(spec(), buses=(replace(spec().buses[0], baud=baud),))
    with emulated(slow, tmp_path) as robot, opened_bus(robot, baud=baud, patience_s=PATIENCE_S) as bus:
        for servo in robot.servos:
            servo.memory["return_delay"] = 250
        assert {servo for servo, _ in bus.scan(range(1, 9))} == set(IDS)


def test_registers_are_written_and_read_back(protocol, tmp_path):
    goal = {"feetech": (42, 2), "dynamixel": (116, 4)}[protocol]
    with emulated(SPECS[protocol](), tmp_path) as robot, opened_bus(robot) as bus:
        assert bus.write(2, goal[0], (1234).to_bytes(goal[1], "little")) is not None
        assert bus.read(2, *goal).data == (1234).to_bytes(goal[1], "little")
        assert bus.sync_write(goal[0], {i: (1000 + i).to_bytes(goal[1], "little") for i in IDS})
        found = bus.sync_read(IDS, *goal)
        assert {i: int.from_bytes(r.data, "little") for i, r in found.items()} == {i: 1000 + i for i in IDS}
        assert bus.write(9, *goal[:1], b"\0\0", attempts=1) is None
        assert bus.sync_write(goal[0], {})


def test_fast_sync_read_falls_back_where_a_servo_is_missing(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as robot, opened_bus(robot, patience_s=PATIENCE_S) as bus:
        assert tuple(read(bus, "dynamixel", fast=True)) == IDS
        assert bus.counters.exchanges == 1
        robot.lines["arm"].silent.add(3)
        assert set(read(bus, "dynamixel", fast=True)) == set(IDS) - {3}


@pytest.mark.parametrize(
    ("fault", "counter"),
    [
        ({"drop": 0.05}, "unanswered"),
        ({"corrupt": 0.05}, "unanswered"),
        ({"late": 0.05, "late_ms": 50}, "late"),
        ({"split": 0.3}, None),
        ({"noise": 0.3}, "noise_bytes"),
        ({"echo": 0.5}, "echoes"),
    ],
)
def test_faults_are_survived_and_counted(protocol, fault, counter, tmp_path):
    with (
        emulated(SPECS[protocol](), tmp_path, FaultRates(**fault), seed=1) as robot,
        opened_bus(robot, patience_s=PATIENCE_S) as bus,
    ):
        whole = 0
        for _ in range(CYCLES):
            found = read(bus, protocol, seconds=0.3)  # time enough for retries on a busy machine
            whole += set(found) == set(IDS)
            assert all(len(r.data) == POSITION[protocol][1] for r in found.values())
        kind = next(iter(fault))
        assert robot.faults.injected[kind] > 5
        assert whole > 0.9 * CYCLES  # a retry mends nearly all
        if counter:
            assert getattr(bus.counters, counter) > 0
        robot.faults.set_rates(**{kind: 0.0})
        time.sleep(0.2)
        assert tuple(read(bus, protocol)) == IDS


@pytest.mark.parametrize("seed", range(3))
def test_an_old_answer_is_never_passed_off_as_new(protocol, seed, tmp_path):
    plant = TimePlant()
    rates = FaultRates(drop=0.03, corrupt=0.03, late=0.08, late_ms=25, split=0.1, noise=0.05, echo=0.1)
    with (
        emulated(SPECS[protocol](), tmp_path, rates, seed, plant=plant) as robot,
        opened_bus(robot, patience_s=0.01) as bus,
    ):
        answered = 0
        for _ in range(CYCLES):
            before = plant.milliseconds()
            found = read(bus, protocol, seconds=0.03)
            after = plant.milliseconds()
            for servo, reply in found.items():
                ticks = int.from_bytes(reply.data, "little")
                zero = middle_shaft(robot.spec, robot.spec.joint_names[servo - 1], 1).zero_ticks - 2048
                said = (ticks - zero) % 4096
                age = (after - said + 2048) % 4096 - 2048  # ticks are rounded: may be -1
                assert age <= after - before + 3, (
                    f"servo {servo}: {age} ms old, asked {after - before} ms ago"
                )
                answered += 1
        assert answered > 3 * CYCLES
        assert robot.faults.injected["late"] > 10


def test_a_servo_that_vanishes_is_left_out_and_comes_back(protocol, tmp_path):
    with emulated(SPECS[protocol](), tmp_path) as robot, opened_bus(robot, patience_s=PATIENCE_S) as bus:
        assert tuple(read(bus, protocol)) == IDS
        robot.lines["arm"].silent.add(4)
        for _ in range(5):
            assert set(read(bus, protocol)) == set(IDS) - {4}
        robot.lines["arm"].silent.clear()
        deadline = time.monotonic() + 10.0
        while 4 not in read(bus, protocol) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert set(read(bus, protocol)) == set(IDS)


def test_a_port_that_goes_away_is_opened_again_when_it_is_back(protocol, tmp_path):
    with emulated(SPECS[protocol](), tmp_path) as robot, opened_bus(robot, patience_s=PATIENCE_S) as bus:
        assert tuple(read(bus, protocol)) == IDS
        robot.schedule([FaultEvent("unplug", seconds=0.3)])
        time.sleep(0.1)
        assert read(bus, protocol) == {}
        assert not bus.sync_write(42, {1: b"\0\0"})
        assert "went away" in bus.trouble or "is not there" in bus.trouble
        deadline = time.monotonic() + 10.0
        while not read(bus, protocol) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert tuple(read(bus, protocol)) == IDS
        assert bus.trouble == ""
        assert bus.counters.lost_port >= 1


def test_a_ping_answered_with_a_voltage_error_is_told_from_an_echo(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        robot.servos[0].motor.held_error = 1
        robot.advance()
        assert bus.ping(1)
        robot.faults.set_rates(echo=1.0)
        assert bus.ping(1)
        assert not bus.ping(9)


def test_error_bits_come_with_the_answer_and_are_counted(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_bus(robot, patience_s=PATIENCE_S) as bus:
        robot.servos[1].motor.held_error = 32
        found = read(bus, "feetech")
        assert found[2].error == 32
        assert bus.counters.errors == {"overload": 1}


def test_ports_that_cannot_be_opened_say_what_to_do(tmp_path):
    missing = SerialPort(str(tmp_path / "nowhere"), 1_000_000)
    with pytest.raises(PortError, match=r"is not there \(is the adapter plugged in and powered"):
        missing.open()
    with emulated(feetech_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        second = SerialPort(bus.port.path, 1_000_000)
        with pytest.raises(PortError, match=r"in use|cannot be opened"):
            second.open()
        with pytest.raises(PortError, match="is not open"):
            second.read(1, 0.0)
    if os.getuid() != 0:
        locked = tmp_path / "locked"
        locked.touch(mode=0)
        with pytest.raises(PortError, match="join its group"):
            SerialPort(str(locked), 1_000_000).open()


def test_a_bus_whose_port_never_opened_answers_nothing(tmp_path):
    bus = Bus(SerialPort(str(tmp_path / "nowhere"), 1_000_000), FeetechCodec())
    assert bus.sync_read(IDS, 56, 15) == {}
    assert bus.read(1, 3, 2, attempts=1) is None
    assert "is not there" in bus.trouble
