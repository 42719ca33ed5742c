"""Pictures served as MJPEG streams over HTTP on this host: what an emulated robot's cameras are opened as."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOUNDARY = "frame"


class StreamServer:
    """`http://127.0.0.1:<port>/<camera>`; whoever is slow misses pictures, nobody is waited for."""

    def __init__(self, cameras: tuple[str, ...], port: int = 0) -> None:
        """port 0: a free one."""
        self._pictures: dict[str, tuple[int, int, bytes]] = dict.fromkeys(cameras, (0, 0, b""))
        self._changed = threading.Condition()
        self._ended = False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.serve(self)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing is written about every picture."""

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, name="streams", daemon=True).start()

    def url(self, camera: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{camera}"

    def publish(self, camera: str, stamp_ns: int, jpeg: bytes) -> None:
        """The newest picture of a camera."""
        with self._changed:
            self._pictures[camera] = (self._pictures[camera][0] + 1, stamp_ns, jpeg)
            self._changed.notify_all()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Every new picture, as a part, until the client goes away."""
        camera = request.path.strip("/")
        if camera not in self._pictures:
            request.send_error(404, f"no camera {camera}; there are {', '.join(self._pictures)}")
            return
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        request.end_headers()
        seen = 0
        try:
            while True:
                seen, stamp_ns, jpeg = self._after(camera, seen)
                if self._ended:
                    return
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
                request.wfile.write(f"{head}X-Timestamp-Ns: {stamp_ns}\r\n\r\n".encode() + jpeg + b"\r\n")
        except OSError:  # the client went away
            return

    def _after(self, camera: str, seen: int) -> tuple[int, int, bytes]:
        """The first picture after number `seen`, waited for."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._pictures[camera][0] > seen)
            return self._pictures[camera]

    def close(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._http.shutdown()
        self._http.server_close()
