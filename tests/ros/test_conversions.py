"""Messages to arrays and back, through real serialisation."""

import numpy as np
import pytest
from limber_nodes import conversions
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from hardware.robot import ObjectPose
from hardware.spec import CameraSpec
from policies.data import cdr

NAMES = ("a", "b", "c")
RNG = np.random.default_rng(0)


def travel(message: object) -> object:
    """There and back over the wire's format."""
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize("stamp", [0, 1, 999_999_999, 1_000_000_000, 33_333_333, 2**31 * 10**9 - 1])
def test_stamps_are_kept_bit_for_bit(stamp: int) -> None:
    message = conversions.joint_state(NAMES, stamp, [1.0, 2.0, 3.0])
    assert conversions.stamp_ns(travel(message).header.stamp) == stamp
    assert cdr.stamp_ns(serialize_message(message)) == stamp
    plan = conversions.trajectory(NAMES, stamp, np.zeros((2, 3)), 0.05)
    assert cdr.stamp_ns(serialize_message(plan)) == stamp


def test_joint_states_always_fill_all_three() -> None:
    position = RNG.standard_normal(3)
    message = travel(conversions.joint_state(NAMES, 5, position))
    got, velocity, effort = conversions.joint_arrays(message)
    np.testing.assert_array_equal(got, position)
    assert velocity.tolist() == effort.tolist() == [0.0, 0.0, 0.0]
    order = conversions.in_order(message.name, ("c", "a"))
    np.testing.assert_array_equal(got[order], position[[2, 0]])
    with pytest.raises(ValueError, match="expected joints a d, got a b c"):
        conversions.in_order(message.name, ("a", "d"))


def test_trajectories_keep_points_names_and_times() -> None:
    points = RNG.standard_normal((16, 3))
    message = travel(conversions.trajectory(NAMES, 7, points, 0.05))
    np.testing.assert_array_equal(conversions.trajectory_array(message), points)
    last = message.points[15].time_from_start
    assert last.sec * 10**9 + last.nanosec == 750_000_000
    empty = travel(conversions.trajectory(NAMES, 7, np.zeros((0, 3)), 0.05))
    assert conversions.trajectory_array(empty).shape == (0, 3)
    message.points[3].positions = message.points[3].positions[:2]
    with pytest.raises(ValueError, match="expected 3 positions"):
        conversions.trajectory_array(message)


def test_pictures_come_back() -> None:
    image = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        conversions.image_array(travel(conversions.image_msg(1, "f", image))), image
    )
    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8), 32).reshape(24, 32)
    colors = np.stack([smooth, 255 - smooth, smooth // 2], axis=-1)
    got = conversions.compressed_array(travel(conversions.compressed_msg(1, "f", colors)))
    assert np.abs(got.astype(int) - colors).mean() < 3  # red, green and blue in their places
    with pytest.raises(ValueError, match="encoding rgb8 or bgr8, got 'mono8'"):
        conversions.image_array(Image(encoding="mono8"))
    with pytest.raises(ValueError, match="expected JPEG"):
        conversions.compressed_array(CompressedImage(data=[1, 2, 3]))


def test_rows_with_padding_and_bgr_are_understood() -> None:
    image = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    padded = np.zeros((4, 20), dtype=np.uint8)
    padded[:, :15] = image[..., ::-1].reshape(4, 15)
    message = Image(height=4, width=5, step=20, encoding="bgr8", data=padded.tobytes())
    np.testing.assert_array_equal(conversions.image_array(message), image)


def test_camera_info_is_a_pinhole_of_the_angle() -> None:
    camera = CameraSpec("front", 640, 480, 30, "front_optical_frame")
    info = conversions.camera_info(9, camera, fovy=np.pi / 2)
    assert info.k[4] == pytest.approx(240.0)  # half the height at 45 degrees
    assert (info.k[2], info.k[5]) == (319.5, 239.5)
    assert (info.width, info.height, info.header.frame_id) == (640, 480, "front_optical_frame")


def test_objects_come_back() -> None:
    objects = {
        "cube": ObjectPose((0.1, -0.2, 0.03), (0.5, 0.5, -0.5, 0.5), (0.03, 0.03, 0.04)),
        "bin": ObjectPose((0.0, 0.2, 0.0), (1.0, 0.0, 0.0, 0.0), (0.1, 0.1, 0.05)),
    }
    message = travel(conversions.markers(11, objects))
    assert conversions.object_poses(message) == objects
    assert {m.header.frame_id for m in message.markers} == {"base_link"}
