"""The emulated robot: the vendors' SDKs as its clients, and servos that behave as servos do."""

import subprocess
import sys
import time
from pathlib import Path

import dynamixel_sdk
import numpy as np
import pytest
import scservo_sdk
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_bus

from hardware.emulator.faults import FaultEvent, load_schedule
from hardware.emulator.plant import ServoParameters, ServoPlant
from hardware.errors import HardwareError
from hardware.servos.sts3215 import REGISTERS, STS3215

IDS = tuple(range(1, 7))


def register(name: str) -> tuple[int, int]:
    return REGISTERS[name].address, REGISTERS[name].size


def wait_for(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


# -- the vendors' SDKs as clients -----------------------------------------------------------------


@pytest.fixture
def scservo(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot:
        port = scservo_sdk.PortHandler(str(tmp_path / "arm"))
        assert port.openPort()
        assert port.setBaudRate(1_000_000)
        yield robot, port, scservo_sdk.PacketHandler(0)
        port.closePort()


def test_scservo_sdk_drives_the_emulated_arm(scservo):
    _, port, sdk = scservo
    for servo in IDS:
        model, result, error = sdk.ping(port, servo)
        assert (model, result, error) == (777, scservo_sdk.COMM_SUCCESS, 0)
        assert sdk.write1ByteTxRx(port, servo, 40, 1) == (scservo_sdk.COMM_SUCCESS, 0)
    write = scservo_sdk.GroupSyncWrite(port, sdk, 42, 2)
    goals = {servo: 1900 + 20 * servo for servo in IDS}
    for servo, goal in goals.items():
        write.addParam(servo, [goal & 0xFF, goal >> 8])
    assert write.txPacket() == scservo_sdk.COMM_SUCCESS
    read = scservo_sdk.GroupSyncRead(port, sdk, 56, 15)
    for servo in IDS:
        read.addParam(servo)

    def arrived() -> bool:
        if read.txRxPacket() != scservo_sdk.COMM_SUCCESS:
            return False
        return all(abs(read.getData(i, 56, 2) - goals[i]) < 60 for i in IDS)  # sag and play

    assert wait_for(arrived)


def test_scservo_sdk_passes_old_data_off_as_new_and_ours_does_not(scservo, tmp_path):
    """A servo falls silent: the SDK's group stops reading there, yet says that later ones are available."""
    robot, port, sdk = scservo
    read = scservo_sdk.GroupSyncRead(port, sdk, 56, 2)
    for servo in IDS:
        read.addParam(servo)
    assert read.txRxPacket() == scservo_sdk.COMM_SUCCESS
    before = read.getData(6, 56, 2)
    robot.lines["arm"].silent.add(3)
    robot.plant.place(robot.plant.position + 0.3)
    time.sleep(0.05)
    assert read.txRxPacket() != scservo_sdk.COMM_SUCCESS
    assert read.isAvailable(6, 56, 2)
    assert read.getData(6, 56, 2) == before  # where it was, not where it is
    port.closePort()
    with opened_bus(robot, patience_s=0.03) as bus:
        found = bus.sync_read(IDS, 56, 2, spare=2, until_s=time.monotonic() + 0.2)
        assert set(found) == set(IDS) - {3}
        assert abs(int.from_bytes(found[6].data, "little") - before) > 100


def test_dynamixel_sdk_drives_the_emulated_arm(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as robot:
        port = dynamixel_sdk.PortHandler(str(tmp_path / "arm"))
        assert port.openPort()
        assert port.setBaudRate(1_000_000)
        sdk = dynamixel_sdk.PacketHandler(2.0)
        models = [servo.model.number for servo in robot.servos]
        assert [sdk.ping(port, i)[0] for i in IDS] == models
        found, result = sdk.broadcastPing(port)
        assert result == dynamixel_sdk.COMM_SUCCESS
        assert {i: data[0] for i, data in found.items()} == dict(zip(IDS, models, strict=True))
        for servo in IDS:
            assert sdk.write1ByteTxRx(port, servo, 64, 1) == (dynamixel_sdk.COMM_SUCCESS, 0)
            assert sdk.write4ByteTxRx(port, servo, 116, 2000) == (dynamixel_sdk.COMM_SUCCESS, 0)
        for fast in (False, True):
            group = dynamixel_sdk.GroupSyncRead(port, sdk, 132, 4)
            for servo in IDS:
                group.addParam(servo)

            def arrived(group=group, fast=fast) -> bool:
                result = group.fastSyncRead() if fast else group.txRxPacket()
                if result != dynamixel_sdk.COMM_SUCCESS:
                    return False
                return all(abs(group.getData(i, 132, 4) - 2000) < 80 for i in IDS)

            assert wait_for(arrived)
        port.closePort()


# -- Feetech servos -------------------------------------------------------------------------------


@pytest.fixture
def arm(tmp_path):
    with emulated(feetech_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        yield robot, bus


def read(bus, servo: int, name: str) -> int:
    found = bus.read(servo, *register(name))
    assert found is not None
    return REGISTERS[name].decode(found.data)


def write(bus, servo: int, name: str, value: int) -> None:
    assert bus.write(servo, REGISTERS[name].address, REGISTERS[name].encode(value)) is not None


def test_eeprom_is_written_with_torque_off_and_lock_open_only(arm):
    _, bus = arm
    write(bus, 1, "p_gain", 16)
    assert read(bus, 1, "p_gain") == 32  # locked
    write(bus, 1, "lock", 0)
    write(bus, 1, "torque_enable", 1)
    write(bus, 1, "p_gain", 16)
    assert read(bus, 1, "p_gain") == 32  # under torque
    write(bus, 1, "torque_enable", 0)
    write(bus, 1, "p_gain", 16)
    assert read(bus, 1, "p_gain") == 16


def test_a_new_id_answers_at_once(arm):
    _, bus = arm
    write(bus, 5, "lock", 0)
    bus.write(5, REGISTERS["id"].address, b"\x09", attempts=1)
    assert bus.identify(9) == 777
    assert bus.identify(5) is None


def test_read_only_registers_stay(arm):
    _, bus = arm
    write(bus, 1, "lock", 0)
    write(bus, 1, "model", 1)
    write(bus, 1, "temperature", 200)
    assert read(bus, 1, "model") == 777
    assert read(bus, 1, "temperature") < 60


def test_128_in_torque_enable_makes_here_the_middle(arm):
    robot, bus = arm
    robot.plant.place(np.full(6, 0.4))
    wait_for(lambda: read(bus, 1, "position") != 2048)
    write(bus, 1, "torque_enable", 128)
    assert wait_for(lambda: read(bus, 1, "position") == 2048)
    assert read(bus, 1, "homing_offset") != 0


def test_goals_are_kept_within_the_position_limits(arm):
    _, bus = arm
    for name, value in (("lock", 0), ("min_position", 1500), ("max_position", 2500)):
        write(bus, 1, name, value)
    write(bus, 1, "goal_position", 4000)
    assert read(bus, 1, "goal_position") == 2500


def test_an_overload_latches_until_torque_is_switched(arm):
    robot, bus = arm
    write(bus, 1, "lock", 0)
    write(bus, 1, "protection_time", 20)
    write(bus, 1, "torque_enable", 1)
    write(bus, 1, "goal_position", 3000)
    robot.plant.block(0)
    assert wait_for(lambda: bus.sync_read((1,), 56, 15)[1].error & 32)
    robot.plant.block(0, False)
    time.sleep(0.05)
    assert bus.sync_read((1,), 56, 15)[1].error & 32
    write(bus, 1, "torque_enable", 0)
    write(bus, 1, "torque_enable", 1)
    time.sleep(0.05)
    assert not bus.sync_read((1,), 56, 15)[1].error & 32


def test_a_brownout_drops_torque_and_ram(arm):
    robot, bus = arm
    write(bus, 2, "torque_enable", 1)
    write(bus, 2, "torque_limit", 300)
    robot.schedule([FaultEvent("brownout", seconds=0.2)])
    assert wait_for(lambda: bus.identify(2) is None)
    assert wait_for(lambda: bus.identify(2) == 777)
    assert read(bus, 2, "torque_enable") == 0
    assert read(bus, 2, "torque_limit") == 1000


def test_an_arm_without_torque_falls_and_one_with_torque_sags_a_little(arm):
    robot, bus = arm
    robot.plant.place(np.zeros(6) + np.array([0, 1.0, 0, 0, 0, 0]))
    time.sleep(0.05)
    write(bus, 2, "goal_position", read(bus, 2, "position"))
    write(bus, 2, "torque_enable", 1)
    held = read(bus, 2, "position")
    time.sleep(1.0)
    sag = abs(read(bus, 2, "position") - held) * STS3215.radians_per_tick
    assert sag < 0.06
    write(bus, 2, "torque_enable", 0)
    assert wait_for(lambda: abs(read(bus, 2, "position") - held) * STS3215.radians_per_tick > 0.3)


# -- Dynamixel servos -----------------------------------------------------------------------------


def test_dynamixel_errors_are_told(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        assert bus.write(1, 64, b"\x01").error == 0
        assert bus.codec.error_words(bus.write(1, 11, b"\x04").error) == ("register not accessible",)
        assert bus.codec.error_words(bus.write(1, 132, bytes(4)).error) == ("register not accessible",)
        goal = (5000).to_bytes(4, "little")
        assert bus.codec.error_words(bus.write(1, 116, goal).error) == ("value beyond a limit",)
        assert bus.codec.error_words(bus.write(1, 116, b"\0\0").error) == ("wrong data length",)


def test_the_watchdog_latches_and_the_motor_goes_on(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        bus.write(4, 64, b"\x01")
        bus.write(4, 98, b"\x02")  # 40 ms
        bus.write(4, 116, (3000).to_bytes(4, "little"))
        time.sleep(0.3)
        assert bus.read(4, 98, 1).data == b"\xff"
        assert wait_for(lambda: int.from_bytes(bus.read(4, 132, 4).data, "little") > 2900)
        refused = bus.write(4, 116, (2000).to_bytes(4, "little"))
        assert bus.codec.error_words(refused.error) == ("value out of range",)


def test_a_hardware_error_shuts_down_until_a_reboot(tmp_path):
    with emulated(dynamixel_spec(), tmp_path) as robot, opened_bus(robot) as bus:
        bus.write(1, 64, b"\x01")
        robot.schedule([FaultEvent("heat", servo=1, value=90.0)])
        assert wait_for(lambda: bus.read(1, 70, 1).data == b"\x04")
        assert bus.read(1, 64, 1).data == b"\0"
        assert "hardware alert" in bus.codec.error_words(bus.read(1, 64, 1).error)


# -- the plant and the process --------------------------------------------------------------------


def test_the_plant_keeps_its_speed_and_its_torque():
    plant = ServoPlant([ServoParameters()], np.zeros(1))
    fastest = 0.0
    for _ in range(600):
        plant.step(np.array([2.0]), np.ones(1), 0.001)
        fastest = max(fastest, abs(float(plant.velocity[0])))
        assert abs(float(plant.load[0])) <= 1.0
    assert 2.0 < fastest <= 4.7
    assert abs(float(plant.position[0]) - 2.0) < 0.03


def test_half_the_torque_limit_holds_half_the_load():
    heavy = ServoParameters(gravity=1.2, gravity_angle=-np.pi / 2)
    for limit, holds in ((1.0, True), (0.5, False)):
        plant = ServoPlant([heavy], np.zeros(1))
        plant.step(np.zeros(1), np.array([limit]), 1.0)
        assert (abs(float(plant.position[0])) < 0.1) is holds


def test_the_process_serves_until_it_is_told_to_end(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "hardware", "emulate", "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"bus arm: {tmp_path / 'arm'}\n"
    port = scservo_sdk.PortHandler(str(tmp_path / "arm"))
    assert port.openPort()
    assert scservo_sdk.PacketHandler(0).ping(port, 3)[0] == 777
    port.closePort()
    process.terminate()
    assert process.wait(20) == 0
    assert not Path(tmp_path / "arm").is_symlink()


def test_a_schedule_that_is_none_is_refused(tmp_path):
    for text, message in (
        ("{", "expected a fault schedule"),
        ('{"rates": {"dorp": 0.1}}', "unknown fault rate 'dorp' .did you mean 'drop'"),
        ('{"rates": {"drop": -1}}', "expected a number of at least 0, got -1"),
        ('{"events": [{"kind": "unplugged"}]}', "unknown fault 'unplugged'"),
        ('{"events": [{"kind": "unplug", "when": 3}]}', "expected a fault schedule"),
    ):
        file = tmp_path / "faults.json"
        file.write_text(text)
        with pytest.raises(HardwareError, match=message):
            load_schedule(file)
    file.write_text('{"rates": {"drop": 0.1}, "events": [{"kind": "unplug", "at_s": 3}]}')
    rates, events = load_schedule(file)
    assert rates.drop == 0.1
    assert events == [FaultEvent("unplug", at_s=3)]
