"""`python -m hardware doctor`: the port on file trees like a machine's, the servos on an emulated line."""

import contextlib
import io
import os
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
from hardware.doctor.adapter import check_adapter
from hardware.doctor.duplicates import answers_twice
from hardware.doctor.grabbers import check_grabbers
from hardware.doctor.machine import Machine
from hardware.doctor.port import check_port
from hardware.doctor.usb_bandwidth import check_usb_bandwidth
from hardware.emulator.faults import FaultEvent, FaultRates
from hardware.errors import LimberError
from hardware.servos.table import SERVOS
from hardware.spec import CameraSpec

PORT = "/dev/ttyUSB0"
HUB = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"


def write(root: Path, path: str, text: str = "") -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def link(root: Path, path: str, target: str) -> None:
    """A link inside the tree, relative as those of /sys are."""
    at = root / path.lstrip("/")
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(os.path.relpath(root / target.lstrip("/"), at.parent))


def process(root: Path, pid: int, name: str, *files: str) -> None:
    write(root, f"/proc/{pid}/comm", f"{name}\n")
    (root / f"proc/{pid}/fd").mkdir()
    for i, file in enumerate(files):
        (root / f"proc/{pid}/fd/{i}").symlink_to(file)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with a CH340 behind a hub: /dev/ttyUSB0, mode 660, of this process's group."""
    write(tmp_path, PORT)
    os.chmod(tmp_path / "dev/ttyUSB0", 0o660)
    for device, speed in ((HUB, 480), (f"{HUB}/1-2.1", 12), (HUB.rpartition("/")[0], 480)):
        write(tmp_path, f"{device}/speed", f"{speed}\n")
    write(tmp_path, f"{HUB}/1-2.1/idVendor", "1a86\n")
    write(tmp_path, f"{HUB}/1-2.1/idProduct", "7523\n")
    write(tmp_path, f"{HUB}/1-2.1/1-2.1:1.0/ttyUSB0/dev")
    link(tmp_path, "/sys/class/tty/ttyUSB0/device", f"{HUB}/1-2.1/1-2.1:1.0/ttyUSB0")
    (tmp_path / "proc").mkdir()
    return tmp_path


def levels(findings) -> dict[str, str]:
    return {f.subject: f.level for f in findings}


def only(findings, level: str):
    """The one finding of a level."""
    (found,) = [f for f in findings if f.level == level]
    return found


# -- the port -----------------------------------------------------------------------------------


def test_a_port_in_order(root: Path) -> None:
    assert levels(check_port(Machine(root), PORT)) == {"port": "ok", "rights": "ok", "holder": "ok"}
    link(root, "/dev/serial/by-id/usb-arm", PORT)
    said = [f.said for f in check_port(Machine(root), "/dev/serial/by-id/usb-arm")]
    assert said[0] == "/dev/serial/by-id/usb-arm is /dev/ttyUSB0"


def test_a_port_that_is_not_there(root: Path) -> None:
    found = only(check_port(Machine(root), "/dev/ttyACM7"), "wrong")
    assert found.said == "/dev/ttyACM7 is not there; ports: /dev/ttyUSB0"
    assert "--port" in found.mend


def test_rights_name_the_group_to_join(root: Path) -> None:
    stranger = Machine(root, user=54321, groups=frozenset((54321,)))
    assert only(check_port(stranger, PORT), "wrong").mend.startswith("sudo usermod -aG ")
    member = Machine(root, user=54321, groups=frozenset((os.stat(root / "dev/ttyUSB0").st_gid,)))
    assert levels(check_port(member, PORT))["rights"] == "ok"
    os.chmod(root / "dev/ttyUSB0", 0o600)
    assert only(check_port(member, PORT), "wrong").mend == f"sudo chmod g+rw {PORT}"
    os.chmod(root / "dev/ttyUSB0", 0o666)
    assert levels(check_port(stranger, PORT))["rights"] == "ok"


def test_who_holds_the_port_is_named(root: Path) -> None:
    process(root, 77, "python", "/dev/null", PORT)
    process(root, 78, "bash", "/dev/null")
    found = only(check_port(Machine(root), PORT), "wrong")
    assert found.said == "/dev/ttyUSB0 is held by python (77)"
    assert found.mend == "kill 77"


def test_a_real_process_that_holds_a_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.touch()
    with subprocess.Popen(["sleep", "30"], stdin=file.open()) as holder:
        try:
            found = only(check_port(Machine(), str(file)), "wrong")
        finally:
            holder.kill()
    assert f"sleep ({holder.pid})" in found.said


# -- who takes it -------------------------------------------------------------------------------


def test_nobody_is_after_the_port(root: Path) -> None:
    process(root, 5, "bash")
    write(root, "/etc/udev/rules.d/50-else.rules", 'ATTRS{idVendor}=="1a86", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    assert levels(check_grabbers(Machine(root), PORT)) == {"grabber": "ok"}


def test_brltty_is_found_by_its_rule_and_by_its_process(root: Path) -> None:
    rules = "/usr/lib/udev/rules.d/85-brltty.rules"
    write(
        root,
        rules,
        '# ENV{PRODUCT}=="403/6001/*"\nENV{PRODUCT}=="1a86/7523/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm"\n',
    )
    found = only(check_grabbers(Machine(root), PORT), "warning")
    assert found.said == f"brltty may take {PORT} for a Braille display: rule in {rules}"
    assert "brltty" in found.mend
    process(root, 9, "brltty")
    assert "it runs" in only(check_grabbers(Machine(root), PORT), "wrong").said
    write(root, "/etc/udev/rules.d/85-brltty.rules")  # hides the other
    assert only(check_grabbers(Machine(root), PORT), "warning").said.endswith("it runs")


def test_rules_for_another_adapter_are_nothing(root: Path) -> None:
    write(root, "/usr/lib/udev/rules.d/85-brltty.rules", 'ENV{PRODUCT}=="403/6001/*", GOTO="brltty"\n')
    assert levels(check_grabbers(Machine(root), PORT)) == {"grabber": "ok"}


def test_modem_manager_is_told_to_leave_the_adapter_alone(root: Path) -> None:
    process(root, 9, "ModemManager")
    found = only(check_grabbers(Machine(root), PORT), "warning")
    assert 'ATTRS{idVendor}=="1a86", ENV{ID_MM_DEVICE_IGNORE}="1"' in found.mend


# -- the adapter --------------------------------------------------------------------------------


@pytest.mark.parametrize(("timer", "level"), [("16", "warning"), ("1", "ok"), (None, "ok")])
def test_the_latency_timer(root: Path, timer: str | None, level: str) -> None:
    file = "/sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    if timer:
        write(root, file, f"{timer}\n")
    (found,) = check_adapter(Machine(root), PORT)
    assert found.level == level
    assert found.mend == (f"echo 1 | sudo tee {file}" if level == "warning" else "")
    assert "1a86:7523" in found.said


def test_a_pseudo_terminal_is_no_adapter(root: Path) -> None:
    write(root, "/dev/pts/3")
    (found,) = check_adapter(Machine(root), "/dev/pts/3")
    assert (found.level, found.said) == ("ok", "/dev/pts/3 is no USB adapter")


# -- the cameras' links -------------------------------------------------------------------------


def plug(root: Path, number: int, device: str, speed: int) -> None:
    """A camera /dev/videoN at a place of the USB tree."""
    write(root, f"{device}/speed", f"{speed}\n")
    write(root, f"{device}/1:1.0/video4linux/video{number}/dev")
    write(root, f"/dev/video{number}")
    link(root, f"/sys/class/video4linux/video{number}/device", f"{device}/1:1.0")


def camera(name: str, number: int, fourcc: str = "YUYV", fps: int = 30) -> CameraSpec:
    return CameraSpec(name, 640, 480, fps, f"{name}_frame", source=f"/dev/video{number}", fourcc=fourcc)


def test_three_raw_cameras_do_not_fit_through_one_hub(root: Path) -> None:
    write(root, f"{HUB}/product", "USB2.0 Hub\n")
    for i in (1, 2, 3):
        plug(root, i, f"{HUB}/1-2.{i + 1}", 480)
    link(root, "/dev/v4l/by-id/usb-front", "/dev/video1")
    cameras = [camera("front", 1), camera("wrist", 2), camera("top", 3)]
    one = CameraSpec("front", 640, 480, 30, "f", source="/dev/v4l/by-id/usb-front", fourcc="YUYV")
    assert levels(check_usb_bandwidth(Machine(root), [one])) == {"USB bandwidth": "ok"}
    found = only(check_usb_bandwidth(Machine(root), cameras), "wrong")
    assert "front 147, wrist 147, top 147 Mbit/s through 1-2 (USB2.0 Hub: 480 Mbit/s, 384" in found.said
    assert found.mend == "set fourcc: MJPG for front, wrist, top in the spec"
    assert only(check_usb_bandwidth(Machine(root), cameras[:2]), "warning").level == "warning"
    packed = [camera(c.name, i + 1, "MJPG") for i, c in enumerate(cameras)]
    assert levels(check_usb_bandwidth(Machine(root), packed)) == {"USB bandwidth": "ok"}


def test_a_camera_behind_a_slow_link(root: Path) -> None:
    plug(root, 4, f"{HUB}/1-2.4", 12)
    found = only(check_usb_bandwidth(Machine(root), [camera("wrist", 4, "MJPG")]), "wrong")
    assert "12 Mbit/s" in found.said
    assert "another USB controller" in found.mend


def test_cameras_that_are_not_on_usb_need_no_link(root: Path) -> None:
    front = CameraSpec("front", 640, 480, 30, "f", source="folder:pictures")
    assert not list(check_usb_bandwidth(Machine(root), [front]))


# -- the servos, on a real serial line ------------------------------------------------------------


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
