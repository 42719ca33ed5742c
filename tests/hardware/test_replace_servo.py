"""`python -m hardware replace-servo`, `calibrate --joint`: a new servo in a joint's place, on a real line."""

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_arm

from hardware.__main__ import VERBS
from hardware.arms.calibration import CalibrationError, load_calibration, middle_calibration, save_calibration
from hardware.cli import parse
from hardware.errors import LimberError

ELBOW = 2  # index of elbow_flex, whose id is 3


def run(verb: str, *arguments: object) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        parse(VERBS[verb], f"python -m hardware {verb}", [str(a) for a in arguments]).run()
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_calibration(tmp_path / "so101.json", middle_calibration(feetech_spec()))
    return tmp_path / "so101.json"


@pytest.fixture
def robot(tmp_path: Path) -> Iterator:
    with emulated(feetech_spec(), tmp_path / "ports") as made:
        yield made


def put_in_new(robot, **registers: int) -> None:
    """Another servo in the elbow: id 1, slow to answer, narrow, and mounted differently."""
    memory = robot.servos[ELBOW].memory
    values = {"id": 1, "return_delay": 250, "homing_offset": 333, "min_position": 100, "max_position": 900}
    for name, value in (values | registers).items():
        memory[name] = value


def leave_alone(robot) -> None:
    """Unplug all others."""
    robot.lines["arm"].servos = [robot.servos[ELBOW]]


def plug_in_all(robot) -> None:
    robot.lines["arm"].servos = list(robot.servos)


def replace(robot, file: Path, *arguments: object, joint: str = "elbow_flex") -> str:
    port = robot.lines["arm"].port.link
    return run("replace-servo", "--port", port, "--joint", joint, "--calibration", file, *arguments)


@pytest.mark.parametrize("baud_code", [0, 4])
def test_a_servo_alone_on_the_line_takes_the_joints_place(robot, file: Path, baud_code: int) -> None:
    put_in_new(robot, baud=baud_code)
    leave_alone(robot)
    said = replace(robot, file, "--yes")
    rate = {0: 1_000_000, 4: 115_200}[baud_code]
    assert f"id 1 at {rate} baud is now elbow_flex: id 3 at 1000000 baud" in said
    assert (
        "elbow_flex must be calibrated: python -m hardware calibrate --robot so101 --joint elbow_flex" in said
    )
    memory = robot.servos[ELBOW].memory
    expected = {"id": 3, "baud": 0, "return_delay": 0, "homing_offset": 0, "min_position": 0}
    expected |= {"max_position": 4095, "mode": 0, "lock": 1, "torque_enable": 0}
    assert {name: memory[name] for name in expected} == expected


def test_beside_others_it_is_found_by_its_rate(robot, file: Path) -> None:
    put_in_new(robot, baud=1)
    assert "id 1 at 500000 baud is now elbow_flex: id 3" in replace(robot, file, "--yes")
    assert [servo.memory.id for servo in robot.servos] == [1, 2, 3, 4, 5, 6]


def test_nothing_moves_by_the_old_servos_calibration(robot, file: Path) -> None:
    put_in_new(robot)
    leave_alone(robot)
    replace(robot, file, "--yes")
    plug_in_all(robot)
    with pytest.raises(
        CalibrationError, match=r"'elbow_flex': calibrated over 0\.00 rad, .* calibrate again"
    ):
        opened_arm(robot, load_calibration(file)).__enter__()


def test_done_twice_it_finds_the_servo_again(robot, file: Path) -> None:
    put_in_new(robot)
    leave_alone(robot)
    replace(robot, file, "--yes")
    assert "id 3 at 1000000 baud is now elbow_flex: id 3" in replace(robot, file, "--yes")


@pytest.mark.parametrize(
    ("prepare", "joint", "message"),
    [
        (lambda r: put_in_new(r), "elbow_flex", "two servos answer to id 1 .* all others unplugged"),
        (
            lambda r: put_in_new(r, id=20, model=1234),
            "elbow_flex",
            "expected a sts3215, id 20 is a model 1234",
        ),
        (lambda r: None, "elbow", "unknown joint 'elbow' .*valid: elbow_flex"),
        (lambda r: r.lines["arm"].servos.clear(), "elbow_flex", "no servo answers on .*; is the supply on"),
        (
            lambda r: (put_in_new(r, id=20), setattr_memory(r, 4, "id", 21)),
            "elbow_flex",
            "any of ids 20 .1000000 baud., 21 .1000000 baud. may be the new servo",
        ),
        (
            lambda r: r.lines["arm"].servos.remove(r.servos[ELBOW]),
            "elbow_flex",
            "none of them is the new servo",
        ),
        (
            lambda r: (put_in_new(r, id=20), setattr_memory(r, 2, "torque_enable", 1)),
            "elbow_flex",
            "torque is on",
        ),
    ],
)
def test_what_is_not_sure_is_refused_and_nothing_is_written(
    robot, file: Path, prepare, joint: str, message: str
) -> None:
    prepare(robot)
    ids = [servo.memory.id for servo in robot.servos]
    before = file.read_text()
    with pytest.raises(LimberError, match=message):
        replace(robot, file, "--yes", joint=joint)
    assert [servo.memory.id for servo in robot.servos] == ids
    assert file.read_text() == before


def setattr_memory(robot, index: int, name: str, value: int) -> None:
    robot.servos[index].memory[name] = value


def test_a_dynamixel_is_replaced_too(tmp_path: Path) -> None:
    spec, file = dynamixel_spec(), tmp_path / "koch.yaml"
    servos = "".join(
        f"      - {{joint: {s.joint}, model: {s.model}, id: {s.id}}}\n" for s in spec.buses[0].servos
    )
    file.write_text(
        f"extends: so101\nname: koch\nbuses:\n  - name: arm\n    baud: 1000000\n    servos:\n{servos}"
    )
    with emulated(spec, tmp_path / "ports") as robot:
        memory = robot.servos[4].memory
        memory["id"], memory["baud"], memory["return_delay"] = 1, 1, 250  # as delivered: 57600 baud
        said = run(
            *("replace-servo", "--robot", file, "--port", tmp_path / "ports/arm", "--joint", "wrist_roll"),
            *("--calibration", tmp_path / "none.json", "--yes"),
        )
        assert "id 1 at 57600 baud is now wrist_roll: id 5 at 1000000 baud" in said
        assert (memory.id, memory.baud, memory["return_delay"], memory["mode"]) == (5, 1_000_000, 0, 3)


def test_guided_from_the_new_servo_to_the_calibrated_joint(robot, file: Path, monkeypatch) -> None:
    """A person plugs in, presses Enter, says yes, sweeps the one joint, presses Enter."""
    put_in_new(robot)
    leave_alone(robot)
    spec, before = robot.spec, load_calibration(file)
    low, high = spec.joint_array("lower")[ELBOW], spec.joint_array("upper")[ELBOW]
    keys, person = os.pipe()

    def act() -> None:
        os.write(person, b"\n")
        while robot.servos[ELBOW].memory.id != 3:
            time.sleep(0.01)
        plug_in_all(robot)
        os.write(person, b"y\n")
        while robot.servos[ELBOW].memory["torque_enable"]:
            time.sleep(0.01)
        pose = spec.joint_array("rest")
        for phase in np.linspace(0, 4 * np.pi, 300):
            pose[ELBOW] = 0.5 * (low + high) + 0.5 * (high - low) * np.sin(phase)
            robot.call(lambda: robot.plant.place(pose))
            time.sleep(0.01)
        os.write(person, b"\n")

    hand = threading.Thread(target=act)
    with os.fdopen(keys, buffering=1) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        hand.start()
        said = replace(robot, file)
        hand.join()
    os.close(person)
    assert "Plug the new sts3215 for elbow_flex into" in said
    assert f"written: {file}" in said
    after = load_calibration(file)
    assert [j for j in after.joints if j.joint != "elbow_flex"] == [
        j for j in before.joints if j.joint != "elbow_flex"
    ]
    with opened_arm(robot, after) as arm:
        arm.connect()
        seen = arm.get_observation().state
        assert np.abs(seen - robot.plant.position).max() < 0.06
