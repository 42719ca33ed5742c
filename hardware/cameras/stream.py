"""An MJPEG stream over HTTP as a camera: JPEG parts of a multipart answer, as IP cameras serve it.

A part's `X-Timestamp-Ns` (the exposure in nanoseconds of this machine's monotonic clock) is believed
where there is one; else the picture is stamped when it came. The JPEG bytes are handed on as they are.
"""

import http.client
import time
from contextlib import suppress
from urllib.parse import urlsplit

import cv2
import numpy as np

from hardware.cameras.contract import CameraError, Picture, check_size, rgb
from hardware.control.clock import NS
from hardware.spec import CameraSpec

CONNECT_S = 3.0
MOST_BYTES = 32 << 20  # of one picture; more is no picture


class StreamCamera:
    """One connection to a stream."""

    def __init__(self, spec: CameraSpec, url: str) -> None:
        self._spec = spec
        self._url = urlsplit(url)
        self._connection: http.client.HTTPConnection | None = None
        self._body: http.client.HTTPResponse | None = None

    def open(self) -> None:
        self.close()
        url, name = self._url, self._spec.name
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=CONNECT_S)
        try:
            connection.request("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""))
            body = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise CameraError(f"camera {name!r}: no stream at {url.geturl()}: {error}") from None
        if body.status != 200 or not body.headers.get_content_type().startswith("multipart/"):
            connection.close()
            raise CameraError(
                f"camera {name!r}: expected an MJPEG stream at {url.geturl()}, got status {body.status} "
                f"and {body.headers.get_content_type()}"
            )
        self._connection, self._body = connection, body

    def read(self, timeout_s: float) -> Picture | None:
        if self._body is None or self._connection is None:
            raise CameraError(f"camera {self._spec.name!r}: not open")
        if self._connection.sock:
            self._connection.sock.settimeout(timeout_s)
        try:
            stamp_ns, data = self._part()
        except TimeoutError:
            self.close()  # in the middle of a part, for all one can know
            raise CameraError(f"camera {self._spec.name!r}: the stream stands still") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            raise CameraError(f"camera {self._spec.name!r}: the stream ended: {error}") from None
        arrival_ns = time.monotonic_ns()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            return None  # damaged on the way; the next one will do
        check_size(self._spec.name, (self._spec.width, self._spec.height), picture.shape[1::-1])
        image = rgb(picture)
        latency_ns = int(self._spec.latency_ms * NS / 1000)
        if stamp_ns is not None:
            return Picture(stamp_ns, "source", image, data)
        return Picture(arrival_ns - latency_ns, "arrival", image, data)

    def close(self) -> None:
        body, self._body = self._body, None
        connection, self._connection = self._connection, None
        with suppress(OSError):
            if body:
                body.close()
            if connection:
                connection.close()

    def _part(self) -> tuple[int | None, bytes]:
        """(stamp, JPEG) of the next part."""
        assert self._body is not None
        headers: dict[str, str] = {}
        while True:
            line = self._body.readline(4096)
            if not line:
                raise ValueError("no more pictures")
            text = line.strip().decode("latin-1")
            if not text and headers:
                break
            name, colon, value = text.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        size = int(headers["content-length"]) if "content-length" in headers else -1
        if not 0 < size <= MOST_BYTES:
            raise ValueError(f"a part says it has {headers.get('content-length')!r} bytes")
        data = self._body.read(size)
        if len(data) < size:
            raise ValueError("cut short")
        stamp = headers.get("x-timestamp-ns")
        return (int(stamp) if stamp and stamp.isdigit() else None), data
