"""`python -m hardware VERB` on an emulated arm: what a person at a new arm types first."""

import contextlib
import io
import os
import sys
import threading
import time

import numpy as np
import pytest
from support.emulated import emulated, feetech_spec, opened_arm

from hardware.__main__ import VERBS
from hardware.arms.calibration import load_calibration, middle_calibration, save_calibration
from hardware.cli import parse
from hardware.errors import LimberError


def run(verb: str, *arguments: object) -> str:
    """What a verb prints; its `LimberError` passes."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        parse(VERBS[verb], f"python -m hardware {verb}", [str(a) for a in arguments]).run()
    return out.getvalue()


@pytest.fixture
def port(tmp_path):
    with emulated(feetech_spec(), tmp_path):
        yield tmp_path / "arm"


def test_scan_finds_every_servo_and_its_model(port):
    shown = run("scan", "--port", port, "--protocol", "feetech", "--baud", 1_000_000)
    assert shown.count("sts3215") == 6
    assert "id   6  sts3215" in shown


def test_scan_says_where_nothing_answers(port):
    with pytest.raises(LimberError, match=r"no servo answers on .*; is the supply on"):
        run("scan", "--port", port, "--protocol", "feetech", "--baud", 500_000)
    with pytest.raises(LimberError, match="feetech: unknown baud rate 9600; valid: 1000000, 500000"):
        run("scan", "--port", port, "--protocol", "feetech", "--baud", 9600)
    with pytest.raises(LimberError, match="is not there"):
        run("scan", "--port", port.with_name("nowhere"))


def test_a_servo_gets_another_id_and_rate_and_is_found_again(port):
    assert "id 6 at 1000000 baud is now id 16 at 57600 baud" in run(
        "set-id", "--port", port, "--old", 6, "--new", 16, "--baud", 57_600
    )
    assert "id  16  sts3215" in run("scan", "--port", port, "--protocol", "feetech", "--baud", 57_600)
    assert "id 16 at 57600 baud is now id 6" in run("set-id", "--port", port, "--old", 16, "--new", 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--old", 6, "--new", 3), "id 3 is taken by another servo"),
        (("--old", 6, "--new", 300), "new: expected an id of 0 to 252, got 300"),
        (("--old", 6, "--new", 7, "--model", "sts3251"), "unknown servo model 'sts3251'"),
        (("--old", 6, "--new", 7, "--baud", 1200), "unknown baud rate '1200'"),
        (("--old", 9, "--new", 7), "no servo with id 9 answers on .* at any baud rate"),
    ],
)
def test_ids_that_cannot_be_are_refused(port, arguments, message):
    with pytest.raises(LimberError, match=message):
        run("set-id", "--port", port, *arguments)


def test_monitor_shows_every_joint(port, tmp_path):
    spec = feetech_spec()
    save_calibration(tmp_path / "so101.json", middle_calibration(spec))
    shown = run("monitor", "--port", port, "--calibration", tmp_path / "so101.json", "--once")
    assert all(name[:8] in shown for name in spec.joint_names)
    assert "7.4" in shown


def test_calibrate_keeps_what_is_there_and_speaks_lerobots_files(port, tmp_path):
    spec, file, theirs = feetech_spec(), tmp_path / "so101.json", tmp_path / "lerobot.json"
    save_calibration(file, middle_calibration(spec))
    with pytest.raises(LimberError, match="exists; --overwrite replaces it"):
        run("calibrate", "--port", port, "--out", file)
    run("calibrate", "--out", file, "--to-lerobot", theirs)
    again = tmp_path / "again.json"
    run("calibrate", "--out", again, "--from-lerobot", theirs)
    assert again.read_text() == file.read_text()


def test_calibrate_by_hand(tmp_path, monkeypatch):
    """A person moves every joint from stop to stop, then presses Enter."""
    spec, file, folder = feetech_spec(), tmp_path / "so101.json", tmp_path / "ports"
    keys, person = os.pipe()
    with emulated(spec, folder, assembly=7) as robot, os.fdopen(keys) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        move = threading.Thread(target=sweep, args=(robot, person))
        move.start()
        shown = run("calibrate", "--port", folder / "arm", "--out", file)
        move.join()
        assert f"written: {file}" in shown
        with opened_arm(robot, load_calibration(file)) as arm:
            arm.connect()
            seen = arm.get_observation().state
            assert np.abs(seen - robot.plant.position).max() < 0.06
    os.close(person)


def sweep(robot, person: int) -> None:
    """Every joint to and fro, slowly enough to be seen, then Enter."""
    low, high = robot.spec.joint_array("lower"), robot.spec.joint_array("upper")
    for phase in np.linspace(0, 4 * np.pi, 400):
        robot.call(lambda p=phase: robot.plant.place(0.5 * (low + high) + 0.5 * (high - low) * np.sin(p)))
        time.sleep(0.01)
    os.write(person, b"\n")


def test_an_unswept_arm_is_not_calibrated(tmp_path, monkeypatch):
    keys, person = os.pipe()
    os.write(person, b"\n")
    with emulated(feetech_spec(), tmp_path / "ports") as _, os.fdopen(keys) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(LimberError, match=r"swept .* ticks, expected 200 to 4000"):
            run("calibrate", "--port", tmp_path / "ports" / "arm", "--out", tmp_path / "so101.json")
    os.close(person)
    assert not (tmp_path / "so101.json").exists()


def test_a_port_is_needed(tmp_path):
    save_calibration(tmp_path / "so101.json", middle_calibration(feetech_spec()))
    with pytest.raises(LimberError, match="bus 'arm' of robot 'so101': expected its serial port, got none"):
        run("monitor", "--calibration", tmp_path / "so101.json")
