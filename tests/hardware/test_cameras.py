"""Cameras that can be had without a camera: files, folders, and a real stream over HTTP."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from hardware.cameras.contract import CameraError
from hardware.cameras.intrinsics import load_intrinsics
from hardware.cameras.rate import WATCHED, check_rate
from hardware.cameras.table import make_camera
from hardware.emulator.stream import StreamServer
from hardware.spec import CameraSpec

WIDTH, HEIGHT = 64, 48


def spec(source: str, **changes) -> CameraSpec:
    values = {"name": "front", "width": WIDTH, "height": HEIGHT, "fps": 50, "frame": "f", "source": source}
    return CameraSpec(**(values | changes))


def picture(red: int) -> np.ndarray:
    """A plain picture (H, W, 3) BGR, red and a little green."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 2], image[..., 1] = red, 10
    return image


def jpeg(red: int) -> bytes:
    return cv2.imencode(".jpg", picture(red), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture(100 + 10 * i))
    return tmp_path


@pytest.fixture
def server():
    made = StreamServer(("front", "wrist"))
    yield made
    made.close()


def test_a_folder_gives_its_pictures_in_turn_at_the_rate(folder: Path) -> None:
    camera = make_camera(spec(f"folder:{folder}"))
    camera.open()
    seen = [camera.read(1.0) for _ in range(5)]
    camera.close()
    assert [int(p.image[0, 0, 0]) for p in seen] == [100, 110, 120, 100, 110]
    assert all(p.image[0, 0, 1] == 10 for p in seen)  # RGB
    assert set(np.diff([p.stamp_ns for p in seen]).round(-3)) == {20_000_000}
    assert seen[0].stamped_by == "source"


def test_a_video_file_gives_its_pictures_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 30, (WIDTH, HEIGHT))
    for red in (50, 150, 250):
        writer.write(picture(red))
    writer.release()
    camera = make_camera(spec(f"file:{file}"))
    camera.open()
    reds = [int(camera.read(1.0).image[..., 0].mean()) for _ in range(6)]
    np.testing.assert_allclose(reds, [50, 150, 250] * 2, atol=6)
    camera.close()
    camera.close()


def test_a_stream_gives_the_stamps_it_says_and_the_cameras_own_bytes(server: StreamServer) -> None:
    camera = make_camera(spec(server.url("front")))
    camera.open()
    data = jpeg(200)
    server.publish("wrist", 5, jpeg(10))
    server.publish("front", 123_456_789, data)
    got = camera.read(5.0)
    assert (got.stamp_ns, got.stamped_by, got.jpeg) == (123_456_789, "source", data)
    assert abs(int(got.image[..., 0].mean()) - 200) < 4
    camera.close()


def test_a_stream_that_stands_still_is_given_up_and_opened_again(server: StreamServer) -> None:
    camera = make_camera(spec(server.url("front")))
    camera.open()
    with pytest.raises(CameraError, match="stands still"):
        camera.read(0.05)
    with pytest.raises(CameraError, match="not open"):
        camera.read(0.05)
    camera.open()
    server.publish("front", 1, jpeg(1))
    assert camera.read(5.0).stamp_ns == 1
    camera.close()


def test_a_stream_that_ends_says_so() -> None:
    server = StreamServer(("front",))
    camera = make_camera(spec(server.url("front")))
    camera.open()
    server.publish("front", 1, jpeg(1))
    assert camera.read(5.0) is not None
    server.close()
    with pytest.raises(CameraError, match="the stream ended"):
        camera.read(5.0)


def test_a_damaged_picture_is_left_out(server: StreamServer) -> None:
    camera = make_camera(spec(server.url("front")))
    camera.open()
    server.publish("front", 1, b"\xff\xd8 no jpeg")
    assert camera.read(5.0) is None
    server.publish("front", 2, jpeg(7))
    assert camera.read(5.0).stamp_ns == 2
    camera.close()


def test_a_slow_reader_misses_pictures_and_gets_the_newest(server: StreamServer) -> None:
    camera = make_camera(spec(server.url("front")))
    camera.open()
    server.publish("front", 1, jpeg(1))
    assert camera.read(5.0).stamp_ns == 1
    for stamp in range(2, 60):
        server.publish("front", stamp, jpeg(1))
        time.sleep(0.001)
    stamps = [camera.read(5.0).stamp_ns]
    while stamps[-1] < 59:
        stamps.append(camera.read(5.0).stamp_ns)
    assert stamps == sorted(set(stamps))
    camera.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "",
            "expected a source as /dev/v4l/by-id/..., http://.*, topic:/some/image_raw, got ''",
        ),
        ("topic:/front/image_raw", "topic:/front/image_raw is a ROS topic; only robot_node can open it"),
        ("/dev/v4l/by-id/nothing", "is not there; cameras: "),
        ("file:nowhere.mp4", "file 'nowhere.mp4' does not exist"),
        ("folder:nowhere", "folder 'nowhere' does not exist"),
        ("http://127.0.0.1:9/front", "no stream at http://127.0.0.1:9/front"),
    ],
)
def test_cameras_that_are_not_there_are_named(source: str, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        make_camera(spec(source)).open()


def test_other_sizes_and_no_pictures_are_named(folder: Path, server: StreamServer, tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="camera 'front': expected 640x480, it gives 64x48"):
        make_camera(spec(f"folder:{folder}", width=640, height=480)).open()
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(CameraError, match="is no video"):
        make_camera(spec(f"file:{tmp_path / 'no.mp4'}")).open()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CameraError, match="has no picture"):
        make_camera(spec(f"folder:{tmp_path / 'empty'}")).open()
    with pytest.raises(CameraError, match=r"expected an MJPEG stream .* got status 404"):
        make_camera(spec(server.url("top"))).open()
    camera = make_camera(spec(server.url("front"), width=640, height=480))
    camera.open()
    server.publish("front", 1, jpeg(1))
    with pytest.raises(CameraError, match="expected 640x480, it gives 64x48"):
        camera.read(5.0)
    camera.close()


CALIBRATION = """
image_width: 64
image_height: 48
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [60.0, 0, 31.5, 0, 61.0, 23.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [58.0, 0, 31, 0, 0, 59, 23, 0, 0, 0, 1, 0]}
"""


def calibrated(folder: Path, text: str) -> CameraSpec:
    (folder / "front.yaml").write_text(text)
    return spec("", intrinsics=str(folder / "front.yaml"))


def test_intrinsics_are_what_camera_calibration_wrote(tmp_path: Path) -> None:
    assert load_intrinsics(spec("")) is None
    found = load_intrinsics(calibrated(tmp_path, CALIBRATION))
    assert (found.k[0], found.k[2], found.k[4], found.k[5]) == (60.0, 31.5, 61.0, 23.5)
    assert found.d == (0.1, -0.2, 0.001, 0.0, 0.0)
    assert found.p[:4] == (58.0, 0.0, 31.0, 0.0)
    url = spec("", intrinsics=f"file://{tmp_path}/front.yaml")
    assert load_intrinsics(url) == found


def test_without_a_projection_the_camera_matrix_is_it(tmp_path: Path) -> None:
    text = CALIBRATION.partition("rectification_matrix")[0]
    found = load_intrinsics(calibrated(tmp_path, text))
    assert found.p == (60.0, 0.0, 31.5, 0.0, 0.0, 61.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert found.r == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("image_width: 64", "image_width: 640"), "was calibrated at 640x48, the spec has 64x48"),
        (("image_width: 64", ""), "key 'image_width' is missing"),
        (("plumb_bob", "fisheye"), "distortion_model 'fisheye' is none of plumb_bob, rational_polynomial"),
        (("data: [60.0, 0,", "data: [60.0,"), "camera_matrix: expected 9 numbers, got 8"),
        (("data: [60.0, 0,", "data: [x, 0,"), "could not convert string to float"),
        (("camera_name: front", "camera_name: [front"), "not valid YAML"),
        ((CALIBRATION, "nothing"), "expected a file of ROS's camera_calibration"),
    ],
)
def test_intrinsics_that_cannot_be_right_are_named(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(CameraError, match=message) as error:
        load_intrinsics(calibrated(tmp_path, CALIBRATION.replace(*change)))
    assert "camera 'front': intrinsics '" in str(error.value)
    assert "\n" not in str(error.value)


def test_intrinsics_that_are_not_there_are_named() -> None:
    with pytest.raises(CameraError, match=r"'nowhere.yaml' cannot be read: No such file"):
        load_intrinsics(spec("", intrinsics="nowhere.yaml"))


def stamps(fps: float, jitter: float = 0.0, lost: float = 0.0) -> list[int]:
    """When `WATCHED` pictures came: `jitter` of a period early or late, a share `lost` of them not at all."""
    random = np.random.default_rng(0)
    when = [i / fps + jitter / fps * random.uniform(-1, 1) for i in range(200) if random.random() >= lost]
    return [int(t * 1e9) for t in when[:WATCHED]]


def test_the_rate_is_judged_by_the_stamps() -> None:
    check_rate("front", 30, stamps(30))
    check_rate("front", 30, stamps(29.97))
    check_rate("front", 30, stamps(30, jitter=0.1, lost=0.3))  # a busy machine, not a slow camera
    for fps in (5, 15, 20, 60):
        with pytest.raises(CameraError, match=rf"camera 'front': expected 30 pictures/s, it gives {fps}\.0"):
            check_rate("front", 30, stamps(fps))
    with pytest.raises(CameraError, match="it gave 2 while 13 were waited for"):
        check_rate("front", 30, stamps(30)[:2])
