"""`python -m hardware doctor` on an emulated arm with every fault that it is to find, and on cameras."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.emulated import dynamixel_spec, emulated, feetech_spec, opened_bus

from hardware.__main__ import VERBS
from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.cli import parse
from hardware.doctor.duplicates import answers_twice
from hardware.emulator.faults import FaultEvent, FaultRates
from hardware.errors import LimberError
from hardware.servos.table import SERVOS


def doctor(*arguments: object) -> tuple[int, str]:
    """(exit code, what it prints)."""
    code = 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            parse(VERBS["doctor"], "python -m hardware doctor", [str(a) for a in arguments]).run()
        except SystemExit as end:
            code = end.code
    return code, out.getvalue()


@pytest.fixture
def robot(tmp_path: Path):
    with emulated(feetech_spec(), tmp_path) as made:
        yield made


def look(robot, *arguments: object) -> tuple[int, str]:
    return doctor("--robot", "so101_emulated", "--port", robot.lines["arm"].port.link, *arguments)


def test_an_arm_in_order(robot) -> None:
    code, said = look(robot)
    assert code == 0, said
    assert "6 of 6 answer as expected at 1000000 baud" in said
    assert "firmware: sts3215: 3.10" in said
    assert "supply: 7.4 to 7.4 V" in said
    assert "0 warning, 0 wrong" in said
    assert not any(servo.memory["torque_enable"] for servo in robot.servos)


def _twice(robot) -> None:
    robot.servos[2].memory["id"] = 2


def _renamed(robot) -> None:
    robot.servos[2].memory["id"] = 9


def _other_baud(robot) -> None:
    robot.servos[4].memory["baud"] = 1


def _other_model(robot) -> None:
    robot.servos[4].memory["model"] = 1234


def _slow(robot) -> None:
    robot.servos[3].memory["return_delay"] = 250


def _old(robot) -> None:
    robot.servos[3].memory["firmware_minor"] = 9


def _hot(robot) -> None:
    robot.befall(FaultEvent("heat", servo=5, value=90))


def _warm(robot) -> None:
    robot.befall(FaultEvent("heat", servo=5, value=60))


def _low_supply(robot) -> None:
    robot.befall(FaultEvent("voltage", seconds=60, value=3.6))


def _overloaded(robot) -> None:
    robot.befall(FaultEvent("error", seconds=60, servo=4, value=32))


def _torque_left_on(robot) -> None:
    robot.servos[0].memory["torque_enable"] = 1


def _other_offset(robot) -> None:
    robot.servos[1].memory["homing_offset"] = 7


def _silent(robot) -> None:
    robot.lines["arm"].silent |= set(range(1, 7))


@pytest.mark.parametrize(
    ("fault", "code", "messages"),
    [
        (
            _twice,
            1,
            ("two servos answer to id 2 (shoulder_lift)", "--old 2 --new 3", "elbow_flex (id 3) does not"),
        ),
        (
            _renamed,
            1,
            ("elbow_flex (id 3) does not answer", "no joint's: 9", "--old 9 --new 3", "replace-servo"),
        ),
        (_other_baud, 1, ("wrist_roll (id 5) answers at 500000 baud", "--old 5 --new 5", "--baud 1000000")),
        (_other_model, 1, ("wrist_roll (id 5) is a model 1234, a sts3215 is expected",)),
        (_slow, 0, ("warning  return delay: expected 0, got wrist_flex (id 4) 500 us", "--mend")),
        (_old, 0, ("warning  firmware: sts3215: 3.10 in", "3.9 in wrist_flex (id 4)")),
        (_hot, 1, ("wrong    temperature: wrist_roll (id 5) has", "lets go at 70")),
        (_warm, 0, ("warning  temperature: wrist_roll (id 5)",)),
        (_low_supply, 1, ("has 3.6 V, it is set to bear 4.0 to 8.0 V", "reports: voltage")),
        (_overloaded, 1, ("wrist_flex (id 4) reports: overload",)),
        (_torque_left_on, 0, ("warning  torque: is on in shoulder_pan (id 1)",)),
        (_other_offset, 1, ("shoulder_lift (id 2) has homing offset 7, the calibration says 0",)),
        (_silent, 1, ("no servo answers on", "switch the servos' supply on")),
    ],
)
def test_every_fault_is_named_with_what_mends_it(robot, fault, code: int, messages: tuple[str, ...]) -> None:
    robot.call(lambda: fault(robot))
    got, said = look(robot)
    assert got == code, said
    for message in messages:
        assert message in said, said


def test_an_arm_without_calibration_is_sent_to_calibrate(robot) -> None:
    code, said = look(robot, "--calibration", "nowhere.json")
    assert code == 1
    assert "'nowhere.json' does not exist\n         mend: python -m hardware calibrate" in said


def test_the_return_delay_can_be_mended(robot) -> None:
    _slow(robot)
    code, said = look(robot, "--mend")
    assert code == 0
    assert "return delay: 0 in all" in said
    assert robot.servos[3].memory["return_delay"] == 0


def test_nothing_is_written_under_torque(robot) -> None:
    _slow(robot)
    robot.servos[3].memory["torque_enable"] = 1
    code, said = look(robot, "--mend")
    assert code == 1
    assert "its torque is on" in said
    assert robot.servos[3].memory["return_delay"] == 250


def test_a_garbled_answer_counts_as_two_servos_and_one_that_is_noisy_does_not(tmp_path: Path) -> None:
    model = SERVOS["sts3215"]
    with emulated(feetech_spec(), tmp_path, FaultRates(corrupt=1.0)) as robot, opened_bus(robot) as bus:
        assert answers_twice(bus, model, 3)
        robot.faults.set_rates(corrupt=0.0, echo=1.0)
        assert not answers_twice(bus, model, 3)
        robot.faults.set_rates(echo=0.0, noise=1.0)
        assert not answers_twice(bus, model, 3)


def test_dynamixel_arms_have_a_doctor_too(tmp_path: Path) -> None:
    spec, file = dynamixel_spec(), tmp_path / "koch.yaml"
    servos = "\n".join(
        f"      - {{joint: {s.joint}, model: {s.model}, id: {s.id}}}" for s in spec.buses[0].servos
    )
    file.write_text(
        f"extends: so101\nname: koch\nbuses:\n  - name: arm\n    baud: 1000000\n    servos:\n{servos}\n"
    )
    save_calibration(tmp_path / "koch.json", middle_calibration(spec))
    with emulated(spec, tmp_path / "ports") as robot:
        robot.servos[2].memory["id"] = 2
        code, said = doctor(
            *("--robot", file, "--port", tmp_path / "ports/arm", "--calibration", tmp_path / "koch.json")
        )
    assert code == 1
    assert "two servos answer to id 2" in said
    assert "firmware: xl330_m288: 50" in said


def test_a_port_that_somebody_holds_is_not_opened(robot) -> None:
    port = str(robot.lines["arm"].port.link)
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, time; os.open({port!r}, os.O_RDWR); print(flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            holder.stdout.readline()
            code, said = look(robot)
        finally:
            holder.kill()
    assert code == 1
    assert f"({holder.pid})" in said
    assert "servos:" not in said


# -- the cameras' pictures ------------------------------------------------------------------------


def test_cameras_are_opened_and_counted(robot, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "0.png"), np.zeros((48, 64, 3), np.uint8))
    size = "width: 64, height: 48, fps: 20"
    spec = tmp_path / "arm.yaml"
    spec.write_text(
        "extends: so101\ndriver: serial\ncameras:\n"
        f"  - {{name: front, {size}, source: 'folder:{pictures}'}}\n"
        "  - {name: top, width: 99, height: 48, fps: 20, source: 'folder:" + f"{pictures}'}}\n"
        f"  - {{name: wrist, {size}}}\n"
        f"  - {{name: side, {size}, source: 'topic:/side/image_raw'}}\n"
    )
    save_calibration(tmp_path / "so101.json", middle_calibration(feetech_spec()))
    port = robot.lines["arm"].port.link
    code, said = doctor("--robot", spec, "--port", port, "--calibration", tmp_path / "so101.json")
    assert code == 1
    assert "ok       camera front: 64x48, " in said
    assert "stamped by the source" in said
    assert "wrong    camera top: camera 'top': expected 99x48, it gives 64x48" in said
    assert "wrong    camera wrist: has no source" in said
    assert "ok       camera side: topic:/side/image_raw" in said


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimberError, match="unknown robot 'so110'"):
        doctor("--robot", "so110")
    with pytest.raises(LimberError, match="expected its serial port, got none"):
        doctor()
