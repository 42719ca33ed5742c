"""Cameras in the graph: other people's topics under the robot's names, and what is said of a wrong one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from limber_nodes import conversions, qos
from limber_nodes.camera_processes import CameraProcesses
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from support.emulated import emulated, feetech_spec
from support.ros_process import Listener, NodeProcess, environment, listener

from hardware.arms.calibration import middle_calibration, save_calibration
from hardware.errors import HardwareError
from hardware.spec import CameraSpec

WIDTH, HEIGHT, FPS = 64, 48, 20
RED = (200, 40, 20)  # RGB


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cameras' processes run what is in the tree."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


@pytest.fixture(scope="module")
def graph() -> Iterator[Listener]:
    with listener() as made:
        made.listen(CompressedImage, "front/image_raw/compressed")
        made.listen(CameraInfo, "front/camera_info")
        yield made


def camera(source: str = "topic:/driver/Image", **changes) -> CameraSpec:
    values = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frame": "front_frame", "source": source}
    return CameraSpec("front", **(values | changes))


def raw(encoding: str, pixel: tuple[int, ...], padding: int = 0) -> Callable[[], Image]:
    """A plain picture as a driver publishes it, its rows `padding` bytes longer than they need to be."""
    row = np.tile(np.array(pixel, np.uint8), WIDTH).tobytes() + bytes(padding)
    return lambda: Image(encoding=encoding, width=WIDTH, height=HEIGHT, step=len(row), data=row * HEIGHT)


def packed(format: str = "jpeg") -> CompressedImage:
    picture = np.full((HEIGHT, WIDTH, 3), RED[::-1], np.uint8)
    return CompressedImage(format=format, data=cv2.imencode(".jpg", picture)[1].tobytes())


@contextmanager
def driver(
    graph: Listener, make: Callable[[], object], stamped: bool = True, topic: str = ""
) -> Iterator[str]:
    """Somebody else's driver publishes what `make` gives, on a topic for its type: the camera's source.

    Stamped with the time of day, or not at all.
    """
    topic = topic or f"/driver/{type(make()).__name__}"
    publisher = graph.node.create_publisher(type(make()), topic, qos.FRAMES_OUT)
    ended = threading.Event()

    def publish() -> None:
        due = time.monotonic()
        while not ended.is_set():
            message = make()
            if stamped and hasattr(message, "header"):
                message.header.stamp = conversions.time_msg(time.time_ns())
            publisher.publish(message)
            due += 1 / FPS
            time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield f"topic:{topic}"
    finally:
        ended.set()
        thread.join()
        graph.node.destroy_publisher(publisher)


@contextmanager
def running(spec: CameraSpec) -> Iterator[CameraProcesses]:
    """Its process, as robot_node starts it."""
    processes = CameraProcesses([spec], 95, ["robot_node"])
    processes.start()
    try:
        yield processes
    finally:
        processes.stop()


def seen(graph: Listener) -> tuple[np.ndarray, CompressedImage]:
    """The mean colour (3,) RGB of the newest picture under the robot's name, and its message."""
    message = graph.wait_for("front/image_raw/compressed", 3)[-1]
    return conversions.compressed_array(message).mean(axis=(0, 1)), message


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (raw("rgb8", RED), RED),
        (raw("bgr8", RED[::-1], padding=7), RED),
        (raw("bgra8", (*RED[::-1], 255)), RED),
        (raw("mono8", (120,)), (120, 120, 120)),
        (packed, RED),
    ],
    ids=["rgb8", "bgr8 padded", "bgra8", "mono8", "compressed"],
)
def test_a_topic_is_republished_under_the_robots_names(graph: Listener, make, expected) -> None:
    with driver(graph, make) as source, running(camera(source)):
        colour, message = seen(graph)
    np.testing.assert_allclose(colour, expected, atol=4)
    assert message.header.frame_id == "front_frame"
    assert message.format == "jpeg"


def test_stamps_are_the_drivers_on_the_robots_clock_less_the_latency(graph: Listener) -> None:
    made: list[int] = []  # when, by the time of day

    def make() -> Image:
        """A picture whose shade says which it is, for 1.6 s."""
        message = raw("mono8", (8 * (len(made) % 32),))()
        made.append(time.time_ns())
        message.header.stamp = conversions.time_msg(made[-1])
        return message

    with driver(graph, make, stamped=False) as source, running(camera(source, latency_ms=310.0)):
        messages = graph.wait_for("front/image_raw/compressed", 5)
    day_ns = time.time_ns() - time.monotonic_ns()
    for message in messages:
        shade = round(conversions.compressed_array(message).mean() / 8)
        exposed_ns = conversions.stamp_ns(message.header.stamp) + day_ns + 310_000_000
        off = min((abs(exposed_ns - when) for k, when in enumerate(made) if k % 32 == shade))
        assert off < 20_000_000  # what the clocks' difference wanders between two looks at it


@pytest.mark.parametrize(("stamped", "word"), [(True, "source"), (False, "arrival")])
def test_diagnostics_say_whose_the_stamps_are(graph: Listener, stamped: bool, word: str) -> None:
    with driver(graph, raw("rgb8", RED), stamped=stamped), running(camera(latency_ms=12.5)):
        graph.heard["/diagnostics"].clear()
        values = graph.wait(lambda: graph.diagnostics("front_camera"), "the camera's diagnostics")
    assert values["stamped_by"] == word
    assert values["latency_ms"] == "12.5"
    assert int(values["pictures"]) > 0


def test_a_calibration_goes_into_camera_info(graph: Listener, tmp_path: Path) -> None:
    file = tmp_path / "front.yaml"
    file.write_text(
        f"image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_name: front\n"
        "camera_matrix: {data: [60, 0, 31.5, 0, 61, 23.5, 0, 0, 1]}\ndistortion_model: rational_polynomial\n"
        "distortion_coefficients: {data: [1, 2, 3, 4, 5, 6, 7, 8]}\n"
    )
    with driver(graph, raw("rgb8", RED)), running(camera(intrinsics=str(file))):
        info = graph.wait_for("front/camera_info", 2)[-1]
    assert (info.k[0], info.k[2], info.k[4], info.width, info.height) == (60.0, 31.5, 61.0, WIDTH, HEIGHT)
    assert info.distortion_model == "rational_polynomial"
    assert list(info.d) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert list(info.p[:4]) == [60.0, 0.0, 31.5, 0.0]


def test_a_driver_that_goes_away_is_said_and_heard_again_when_it_is_back(graph: Listener) -> None:
    with driver(graph, raw("rgb8", RED)):
        processes = CameraProcesses([camera()], 95, ["robot_node"])
        processes.start()
    try:

        def status() -> DiagnosticStatus | None:
            found = [
                s for a in graph.heard["/diagnostics"][-20:] for s in a.status if s.name == "front_camera"
            ]
            return found[-1] if found else None

        graph.wait(lambda: status() and "publisher went away" in status().message, "the word of it")
        assert status().level == DiagnosticStatus.WARN
        with driver(graph, raw("rgb8", RED)):
            graph.wait_for("front/image_raw/compressed", 3)
        assert processes.restarts == 0
    finally:
        processes.stop()


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (raw("rgb8", RED), {"width": 640}, "camera 'front': expected 640x48, it gives 64x48"),
        (raw("rgb8", RED), {"fps": 60}, "camera 'front': expected 60 pictures/s, it gives "),
        (raw("bayer_rggb8", (1,)), {}, "encoding 'bayer_rggb8' is none of rgb8, bgr8"),
        (lambda: String(data="x"), {}, "expected sensor_msgs/msg/Image or .*, it is std_msgs/msg/String"),
        (
            lambda: Image(encoding="rgb8", width=WIDTH, height=HEIGHT, step=3 * WIDTH, data=b"short"),
            {},
            "64x48 rgb8 with rows of 192 bytes needs 9216 bytes, 5 came",
        ),
        (lambda: CompressedImage(format="jpeg", data=b"no"), {}, "2 bytes of 'jpeg' are no JPEG and no PNG"),
        (raw("rgb8", RED), {"intrinsics": "nowhere.yaml"}, "intrinsics 'nowhere.yaml' cannot be read"),
    ],
    ids=["size", "rate", "encoding", "type", "short", "no picture", "intrinsics"],
)
def test_a_topic_that_gives_something_else_is_named(graph: Listener, make, changes, message: str) -> None:
    with driver(graph, make) as source, pytest.raises(HardwareError, match=message):
        CameraProcesses([camera(source, **changes)], 95, ["robot_node"]).start()


def test_a_topic_without_a_publisher_and_ones_own_are_named(graph: Listener) -> None:
    with (
        driver(graph, raw("rgb8", RED), topic="/other/image"),
        pytest.raises(
            HardwareError, match=r"topic '/nobody' has no publisher; pictures are on: .*/other/image"
        ),
    ):
        CameraProcesses([camera("topic:/nobody")], 95, ["robot_node"]).start()
    with pytest.raises(HardwareError, match="is where this camera is published to"):
        CameraProcesses([camera("topic:/front/image_raw")], 95, ["robot_node"]).start()


def test_robot_node_with_a_wrong_camera_ends_before_it_could_be_armed(
    graph: Listener, tmp_path: Path
) -> None:
    save_calibration(tmp_path / "so101.json", middle_calibration(feetech_spec()))
    spec = tmp_path / "arm.yaml"
    spec.write_text(
        "extends: so101\ndriver: serial\ncameras:\n"
        f"  - {{name: front, width: 99, height: {HEIGHT}, fps: {FPS}, source: 'topic:/driver/Image'}}\n"
    )
    with emulated(feetech_spec(), tmp_path / "ports") as robot, driver(graph, raw("rgb8", RED)):
        process = NodeProcess(
            "robot_node", robot=spec, port=tmp_path / "ports/arm", calibration=tmp_path / "so101.json"
        )
        try:
            code, output = process.wait()
        finally:
            process.close()
        assert not any(servo.memory["torque_enable"] for servo in robot.servos)
    assert code == 2, output
    assert "camera 'front': expected 99x48, it gives 64x48" in output
    assert "Traceback" not in output
