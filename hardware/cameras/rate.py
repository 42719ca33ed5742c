"""Does a camera give pictures at the rate it was asked for?"""

from collections.abc import Sequence

import numpy as np

from hardware.cameras.contract import CameraError
from hardware.control.clock import NS

WATCHED = 13  # pictures
SLOW, FAST = 1.25, 0.7  # of the period that the spec's rate makes
QUICK_SHARE = 20  # percentile of the periods that must not be too long: pictures may be lost in between


def check_rate(name: str, fps: int, stamps_ns: Sequence[int]) -> None:
    """Raise `CameraError` unless the stamps (n,) of pictures in a row are 1 / `fps` apart.

    A busy machine loses pictures, so that some periods are long: slow is a camera whose quickest are
    long too. Fast is one whose usual period is short.
    """
    if len(stamps_ns) < 3:
        raise CameraError(
            f"camera {name!r}: expected {fps} pictures/s, it gave {len(stamps_ns)} while {WATCHED} were "
            "waited for; set fps in the spec to what the camera has"
        )
    periods = np.diff(np.asarray(stamps_ns, dtype=np.int64)) / NS
    quick, usual = float(np.percentile(periods, QUICK_SHARE)), float(np.median(periods))
    if quick * fps > SLOW or usual * fps < FAST:
        measured = 1.0 / max(usual, 1e-6)
        raise CameraError(
            f"camera {name!r}: expected {fps} pictures/s, it gives {measured:.1f}; set fps in the spec to "
            "what the camera has, or give it light: in the dark many cameras slow down"
        )
