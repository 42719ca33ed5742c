"""The doctor's checks of port, adapter and USB links, on file trees like a machine's."""

import os
import subprocess
from pathlib import Path

import pytest

from hardware.doctor.adapter import check_adapter
from hardware.doctor.grabbers import check_grabbers
from hardware.doctor.machine import Machine
from hardware.doctor.port import check_port
from hardware.doctor.usb_bandwidth import check_usb_bandwidth
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
