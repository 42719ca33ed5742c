"""Robot specs: what is read, and the file and line of what cannot be right."""

from pathlib import Path

import numpy as np
import pytest

from hardware.errors import SpecError
from hardware.spec import load_spec, robot_names, spec_from_dict

GOOD = """\
name: toy
control_hz: 100
action_hz: 20
joints:
  - {name: a, position: [-1, 1], velocity: 2, acceleration: 10, jerk: 100, effort: 1, rest: 0}
  - {name: b, position: [-1, 1], velocity: 2, acceleration: 10, jerk: 100, effort: 1, rest: 0}
cameras:
  - {name: front, width: 64, height: 48, fps: 30}
buses:
  - name: arm
    baud: 1000000
    servos:
      - {joint: a, model: sts3215, id: 1}
      - {joint: b, model: sts3215, id: 2, direction: -1}
"""

MISTAKES = {
    "reversed limits": ("name: b, position: [-1, 1]", "name: b, position: [1, -1]", 6, "limits are reversed"),
    "equal limits": ("name: b, position: [-1, 1]", "name: b, position: [1, 1]", 6, "reversed or equal"),
    "limits without end": ("name: b, position: [-1, 1]", "name: b, position: [-.inf, .inf]", 6,
                           "expected finite limits"),
    "a limit that is no number": ("name: b, position: [-1, 1]", "name: b, position: [-1, .nan]", 6,
                                  "expected finite limits"),
    "one limit": ("name: a, position: [-1, 1]", "name: a, position: [1]", 5, r"expected \[lower, upper\]"),
    "duplicate joint": ("name: b", "name: a", 6, "joint 'a' is named twice"),
    "rest outside": ("rest: 0}\ncameras", "rest: 2}\ncameras", 6, "rest 2 is outside the position limits"),
    "no velocity": ("velocity: 2, acceleration: 10, jerk: 100, effort: 1, rest: 0}\ncam",
                    "acceleration: 10, jerk: 100, effort: 1, rest: 0}\ncam", 6, "missing key 'velocity'"),
    "negative jerk": ("jerk: 100, effort: 1, rest: 0}\ncam",
                      "jerk: -1, effort: 1, rest: 0}\ncam", 6, "jerk: expected"),
    "rates that do not divide": ("action_hz: 20", "action_hz: 30", 3, "must divide control_hz 100"),
    "a rate of zero": ("control_hz: 100", "control_hz: 0", 2, "expected a whole number above 0"),
    "unknown key": ("control_hz", "control_hertz", 2, "did you mean 'control_hz'"),
    "key twice": ("action_hz: 20", "action_hz: 20\naction_hz: 20", 4, "key 'action_hz' is given twice"),
    "camera of no width": ("width: 64", "width: 0", 8, "width: expected a whole number above 0"),
    "a latency below 0": ("fps: 30", "fps: 30, latency_ms: -5", 8, "expected a finite number of at"),
    "a latency without end": ("fps: 30", "fps: 30, latency_ms: .inf", 8, "expected a finite number of at"),
    "a blank in a joint's name": ("name: b", "name: b c", 6, "name: expected a letter, then letters, digits"),
    "a camera without a name": ("name: front", "name: ''", 8, "name: expected a letter, then letters"),
    "text for a number": ("velocity: 2, acceleration: 10, jerk: 100, effort: 1, rest: 0}\ncam",
                          "velocity: fast, acceleration: 10, jerk: 100, effort: 1, rest: 0}\ncam", 6,
                          "got 'fast'"),
    "no joints": ("joints:\n", "joints: []\nx:\n", 5, "unknown key 'x'"),
    "a servo of no joint": ("joint: b, model", "joint: c, model", 14, "unknown joint 'c'"),
    "two servos for a joint": ("joint: b, model", "joint: a, model", 14, "joint 'a' has two servos"),
    "two servos of one id": ("id: 2", "id: 1", 14, "id 1 is on bus 'arm' twice"),
    "an id that cannot be": ("id: 2", "id: 253", 14, "id: expected 1 to 252, got 253"),
    "an unknown servo": ("model: sts3215, id: 2", "model: sts3251, id: 2", 14, "did you mean 'sts3215'"),
    "a slanted direction": ("direction: -1", "direction: 2", 14, "direction: expected 1 or -1, got 2"),
    "an unknown driver": ("name: toy", "name: toy\ndriver: seral", 2, "did you mean 'serial'"),
    "an unknown base": ("name: toy", "name: toy\nextends: so110", 2, "did you mean 'so101'"),
    "not YAML": ("name: toy", "name: [toy", 2, "not valid YAML"),
}  # fmt: skip


def test_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(GOOD)
    spec = load_spec(str(path))
    assert spec.joint_names == ("a", "b")
    assert spec.camera_names == ("front",)
    assert spec.cameras[0].frame == "front_optical_frame"
    assert (spec.ticks_per_step, spec.control_dt, spec.action_dt) == (5, 0.01, 0.05)
    np.testing.assert_array_equal(spec.joint_array("upper"), [1.0, 1.0])
    assert spec_from_dict(spec.to_dict()) == spec
    assert spec_from_dict(spec.to_dict()).hash == spec.hash


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(mistake: str, tmp_path: Path) -> None:
    old, new, line, message = MISTAKES[mistake]
    assert GOOD.count(old) == 1, "the mistake must be in one place"
    path = tmp_path / "toy.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(str(path))
    text = str(caught.value)
    assert text.startswith(f"{path}:{line}: "), text
    assert "\n" not in text


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(SpecError, match=r"toy.yaml: expected text in UTF-8"):
        load_spec(str(path))


def test_a_joint_without_a_servo_is_named(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(GOOD.replace("      - {joint: b, model: sts3215, id: 2, direction: -1}\n", ""))
    with pytest.raises(SpecError, match=r"toy.yaml:9: no servo for joint 'b'"):
        load_spec(str(path))


def test_a_spec_says_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    path, base = tmp_path / "mine.yaml", load_spec("so101")
    path.write_text("extends: so101\ndriver: serial\ncontrol_hz: 200\n")
    spec = load_spec(str(path))
    assert (spec.driver, spec.control_hz, spec.name) == ("serial", 200, "so101")
    assert (spec.joints, spec.buses, spec.cameras) == (base.joints, base.buses, base.cameras)
    path.write_text("extends: so101\naction_hz: 30\n")
    with pytest.raises(SpecError, match=r"mine.yaml:2: action_hz 30 must divide control_hz 100"):
        load_spec(str(path))


def test_unknown_names_are_answered_with_the_valid_ones() -> None:
    with pytest.raises(SpecError, match=r"unknown robot 'so110' \(did you mean 'so101'\?\); valid: .*so101"):
        load_spec("so110")
    with pytest.raises(SpecError, match=r"unknown camera 'wirst' \(did you mean 'wrist'\?\)"):
        load_spec("so101").with_cameras(("wirst",))
    with pytest.raises(SpecError, match="width: expected a whole number above 0, got 0"):
        load_spec("so101").with_cameras(width=0)
    with pytest.raises(SpecError, match="does not exist"):
        load_spec("nowhere.yaml")


@pytest.mark.parametrize("robot", robot_names())
def test_shipped_specs_are_whole(robot: str) -> None:
    spec = load_spec(robot)
    assert spec.name in robot_names()  # an emulated robot has the name of what it stands for
    for camera in spec.camera_names[:1]:  # a leader arm has none
        assert spec.with_cameras((camera,), 32, 24).cameras[0].width == 32
    stopping = spec.joint_array("velocity") / spec.joint_array("acceleration")
    assert (stopping < 1.0).all(), "a joint stops within a second"


def test_the_hash_changes_with_anything_in_the_spec() -> None:
    spec = load_spec("so101")
    assert spec.hash == load_spec("so101").hash
    assert spec.with_cameras((), None, None).hash != spec.hash
