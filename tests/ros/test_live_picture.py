"""Where a person sees the cameras: what `auto` chooses, a Rerun log, a still of cameras of two sizes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from limber_nodes.live_picture_sinks import FileSink, RerunSink, make_sink

from hardware.errors import HardwareError

IMAGES = {
    "front": np.full((48, 64, 3), (250, 10, 10), np.uint8),
    "wrist": np.full((24, 32, 3), (10, 10, 250), np.uint8),
}


def test_without_a_display_it_is_a_still_of_all_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    sink = make_sink("auto", tmp_path / "live")
    assert isinstance(sink, FileSink)
    sink.show(IMAGES)
    sink.close()
    (still,) = (tmp_path / "live").iterdir()
    picture = cv2.imread(str(still))[..., ::-1]
    assert picture.shape == (48, 96, 3)
    np.testing.assert_allclose(picture[10, 10], (250, 10, 10), atol=12)
    np.testing.assert_allclose(picture[10, 84], (10, 10, 250), atol=12)
    np.testing.assert_allclose(picture[40, 84], 0, atol=12)


def test_rerun_is_given_every_camera(tmp_path: Path) -> None:
    """Into a file in place of the viewer, which needs a display."""

    class ToFile(RerunSink):
        def _connect(self) -> None:
            self._stream.save(tmp_path / "live.rrd")

    sink = ToFile(tmp_path)
    for _ in range(3):
        sink.show(IMAGES)
    sink.close()
    written = (tmp_path / "live.rrd").read_bytes()
    assert b"cameras/front" in written
    assert b"cameras/wrist" in written


@pytest.mark.skipif(bool(cv2.currentUIFramework()), reason="this OpenCV has windows")
def test_an_opencv_without_windows_is_said(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="this OpenCV has no windows; install opencv-python"):
        make_sink("window", tmp_path)


def test_none_is_none_and_anything_else_unknown(tmp_path: Path) -> None:
    assert make_sink("none", tmp_path) is None
    with pytest.raises(HardwareError, match=r"unknown live_picture 'windw' .did you mean 'window'"):
        make_sink("windw", tmp_path)
