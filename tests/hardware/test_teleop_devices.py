"""What every teleoperator keeps to, and the two that read the kernel's devices."""

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.devices import EV_ABS, EV_KEY, EV_SYN, EVENT, PipeDevice

from hardware.errors import HardwareError
from hardware.spec import load_spec
from hardware.teleop import evdev, keys
from hardware.teleop.cartesian import ANGULAR, GRIPPER, LINEAR, CartesianTeleoperator, ToolMove
from hardware.teleop.device_file import DeviceFile
from hardware.teleop.gamepad import BUTTONS, Gamepad
from hardware.teleop.keyboard_tool import KEYS, STEP_M, KeyboardTool
from hardware.teleop.response import DEAD_ZONE, shaped
from hardware.teleop.spacemouse import SILENCE_S, SpaceMouse, _hid_id
from hardware.teleop.table import TELEOPERATORS, DeviceSettings

SPEC = load_spec("so101")
REST = SPEC.joint_array("rest")
READY = np.array([0.0, -0.4, 0.6, 1.37, 0.0, 0.5])
FULL = 32767
PATIENCE_S = 20.0


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[PipeDevice]:
    made = PipeDevice(tmp_path / "device")
    yield made
    made.close()


@pytest.fixture
def pad(pipe: PipeDevice) -> Iterator[Gamepad]:
    made = Gamepad(pipe.path)
    made.connect()
    yield made
    made.close()


@pytest.fixture
def knob(pipe: PipeDevice) -> Iterator[SpaceMouse]:
    made = SpaceMouse(pipe.path)
    made.connect()
    yield made
    made.close()


def poll_until(device: Gamepad | SpaceMouse, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
        device.poll()


# -- the contract ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TELEOPERATORS)
def test_every_device_of_the_table_keeps_the_contract(name: str, pipe: PipeDevice) -> None:
    """But for keys, which need a terminal: `test_keyboard.py` types on one."""
    device = TELEOPERATORS[name](SPEC, DeviceSettings(device=pipe.path, leader_driver="emulated"))
    assert device.help.strip()
    assert "\n" not in device.help
    if name.startswith("keyboard"):
        with pytest.raises(HardwareError, match=f"operator '{name}': expected a terminal"):
            device.connect()
    else:
        device.connect()
    try:
        assert list(device.poll()) == []
        device.begin(REST)
        before = time.monotonic_ns()
        device.press("@")
        device.poll()
        sample = device.goal(REST)
        assert sample is not None
        assert sample.goal.shape == REST.shape
        assert (sample.goal >= SPEC.joint_array("lower")).all()
        assert (sample.goal <= SPEC.joint_array("upper")).all()
        assert before <= sample.stamp_ns <= time.monotonic_ns()
        if name != "leader":  # an emulated hand moves that from the start on
            np.testing.assert_allclose(sample.goal, REST, atol=0.01)
    finally:
        device.close()
        device.close()


def test_session_keys_are_none_of_the_devices_letters() -> None:
    assert len(set(keys.SESSION_KEYS)) == len(keys.SESSION_KEYS) == 10
    assert not set(keys.SESSION_KEYS) & (set("qwertyuiopasdfghjkl;") | set(KEYS))
    assert set(BUTTONS.values()) <= set(keys.SESSION_KEYS)


# -- sticks to speeds -----------------------------------------------------------------------------


def test_a_stick_at_rest_moves_nothing_and_at_its_end_at_full_speed() -> None:
    values = [shaped(x) for x in np.linspace(-1.2, 1.2, 241)]
    assert values[0] == -1.0
    assert values[-1] == 1.0
    assert np.diff(values).min() >= 0.0
    assert np.diff(values).max() < 0.03, "without a step at the dead zone's edge"
    assert all(shaped(x) == 0.0 for x in (0.0, DEAD_ZONE, -DEAD_ZONE))


# -- gamepad --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "value", "expected"),
    [
        (evdev.ABS_Y, -FULL - 1, ToolMove(forward=LINEAR)),
        (evdev.ABS_Y, FULL, ToolMove(forward=-LINEAR)),
        (evdev.ABS_X, -FULL - 1, ToolMove(left=LINEAR)),
        (evdev.ABS_RY, -FULL - 1, ToolMove(up=LINEAR)),
        (evdev.ABS_RX, FULL, ToolMove(roll=ANGULAR)),
        (evdev.ABS_Z, 255, ToolMove(gripper=GRIPPER)),
        (evdev.ABS_RZ, 255, ToolMove(gripper=-GRIPPER)),
        (evdev.ABS_X, int(0.1 * FULL), ToolMove()),
    ],
)
def test_each_axis_moves_the_tool_its_way(
    pad: Gamepad, pipe: PipeDevice, axis: int, value: int, expected: ToolMove
) -> None:
    pipe.event(EV_ABS, axis, value)
    assert pad.poll() == []
    moved, wanted = pad.move(1.0), expected
    assert moved is not None
    for name in vars(wanted):
        assert getattr(moved, name) == pytest.approx(getattr(wanted, name)), name
    half = pad.move(0.5)
    assert half is not None
    assert half.forward == pytest.approx(0.5 * moved.forward)


def test_bumpers_pitch_while_they_are_held(pad: Gamepad, pipe: PipeDevice) -> None:
    for value, expected in ((1, ANGULAR), (2, ANGULAR), (0, 0.0)):  # pressed, repeated, let go
        pipe.event(EV_KEY, evdev.BTN_TR, value)
        assert pad.poll() == []
        assert pad.move(1.0) == ToolMove(pitch=expected)
    pipe.event(EV_KEY, evdev.BTN_TL2, 1)  # a trigger that is a button
    pad.poll()
    assert pad.move(1.0) == ToolMove(gripper=GRIPPER)


def test_buttons_are_the_sessions_keys_once_a_press(pad: Gamepad, pipe: PipeDevice) -> None:
    for code, key in BUTTONS.items():
        for value in (1, 2, 0):
            pipe.event(EV_KEY, code, value)
        assert pad.poll() == [key]
    pipe.event(EV_ABS, evdev.ABS_HAT0Y, 1)
    pipe.event(EV_ABS, evdev.ABS_HAT0Y, 0)
    pipe.event(EV_ABS, evdev.ABS_HAT0X, -1)
    assert pad.poll() == [keys.HAND_BACK, keys.PARK]


def test_an_event_in_two_pieces_and_one_that_was_dropped(pad: Gamepad, pipe: PipeDevice) -> None:
    whole = struct.pack(EVENT, 1, 2, EV_ABS, evdev.ABS_X, -FULL - 1)
    pipe.write(whole[:10])
    pad.poll()
    assert pad.move(1.0) == ToolMove()
    pipe.write(whole[10:])
    pad.poll()
    moved = pad.move(1.0)
    assert moved is not None
    assert moved.left == pytest.approx(LINEAR)
    pipe.write(struct.pack(EVENT, 1, 2, EV_SYN, evdev.SYN_DROPPED, 0))
    pad.poll()
    assert pad.move(1.0) == ToolMove(), "what the axes are is not known any more"


def test_a_gamepad_that_is_unplugged_lets_go_and_is_found_again(pad: Gamepad, pipe: PipeDevice) -> None:
    pipe.event(EV_ABS, evdev.ABS_Y, -FULL)
    pad.poll()
    driver = CartesianTeleoperator(SPEC, pad)
    driver.begin(READY)
    assert driver.goal(READY) is not None
    pipe.unplug()
    driver.poll()
    assert driver.goal(READY) is None
    pipe.plug()
    poll_until(pad, lambda: pad.move(1.0) is not None)
    elsewhere = READY + 0.2
    sample = driver.goal(elsewhere)
    assert sample is not None
    np.testing.assert_allclose(sample.goal, elsewhere)  # from where the arm is by then, the stick let go


def test_a_gamepad_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="expected a gamepad at /dev/input/by-id/"):
        Gamepad().connect()
    with pytest.raises(HardwareError, match="expected a device that can be read: No such file"):
        Gamepad(str(tmp_path / "event9")).connect()
    with pytest.raises(HardwareError, match="expected a device that can be read"):
        DeviceFile(lambda: "/proc/self/mem/nothing").open()


# -- SpaceMouse -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ((0, -350, 0, 0, 0, 0), ToolMove(forward=LINEAR)),
        ((-350, 0, 0, 0, 0, 0), ToolMove(left=LINEAR)),
        ((0, 0, -350, 0, 0, 0), ToolMove(up=LINEAR)),
        ((0, 0, 0, -350, 0, 0), ToolMove(pitch=ANGULAR)),
        ((0, 0, 0, 0, -350, 0), ToolMove(roll=ANGULAR)),
        ((9000, 20, -20, 0, 0, 350), ToolMove(left=-LINEAR)),
    ],
)
def test_each_way_of_the_knob_moves_the_tool(
    knob: SpaceMouse, pipe: PipeDevice, axes: tuple[int, ...], expected: ToolMove
) -> None:
    pipe.axes(*axes)
    knob.poll()
    moved = knob.move(1.0)
    assert moved is not None
    for name in vars(expected):
        assert getattr(moved, name) == pytest.approx(getattr(expected, name)), name


def test_an_older_knob_sends_its_angles_apart_and_buttons_work_the_gripper(
    knob: SpaceMouse, pipe: PipeDevice
) -> None:
    pipe.axes(0, -350, 0)
    pipe.write(struct.pack("<B3h", 2, -350, 0, 0))
    pipe.write(bytes([3, 2, 0]))
    pipe.write(bytes([23, 1, 2, 3]))  # some other report, as of the battery
    pipe.write(bytes([1, 0]))  # and one that is cut short
    knob.poll()
    assert knob.move(1.0) == ToolMove(forward=LINEAR, pitch=ANGULAR, gripper=GRIPPER)
    pipe.write(bytes([3, 1, 0]))
    knob.poll()
    assert knob.move(1.0) == ToolMove(forward=LINEAR, pitch=ANGULAR, gripper=-GRIPPER)


def test_a_silent_knob_rests_and_an_unplugged_one_lets_go(knob: SpaceMouse, pipe: PipeDevice) -> None:
    pipe.axes(350, 350, 350, 0, 0, 0)
    knob.poll()
    assert knob.move(1.0) != ToolMove()
    time.sleep(SILENCE_S)
    knob.poll()
    assert knob.move(1.0) == ToolMove()
    pipe.unplug()
    knob.poll()
    assert knob.move(1.0) is None
    pipe.plug()
    poll_until(knob, lambda: knob.move(1.0) is not None)


def test_a_spacemouse_is_known_by_its_makers_number(tmp_path: Path) -> None:
    uevent = tmp_path / "uevent"
    uevent.write_text("DRIVER=hid-generic\nHID_ID=0003:0000256F:0000C635\nHID_NAME=3Dconnexion\n")
    assert _hid_id(uevent) == (0x256F, 0xC635)
    assert _hid_id(tmp_path / "missing") == (0, 0)
    with pytest.raises(HardwareError, match="expected a SpaceMouse among /dev/hidraw"):
        SpaceMouse().connect()


# -- the tool by keys -----------------------------------------------------------------------------


def test_the_tools_keys_add_up_and_are_spent_once() -> None:
    device = KeyboardTool()
    for key in "wwwa@":
        device.press(key)
    assert device.move(0.01) == ToolMove(forward=pytest.approx(3 * STEP_M), left=STEP_M)
    assert device.move(0.01) == ToolMove()
    for key in KEYS:
        assert f"{key}" in KeyboardTool.help
