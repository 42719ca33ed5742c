"""A vendor SDK's port handler without a port: keeps what is written, gives what was laid ready."""

# ruff: noqa: N802 - the names are the SDKs'


class SdkPort:
    """What scservo_sdk and dynamixel_sdk want of a port; a read beyond what is ready times out at once."""

    def __init__(self, ready: bytes = b"") -> None:
        self.is_using = False
        self.written = b""
        self.ready = ready
        self.starved = False

    def clearPort(self) -> None:
        """Nothing: what is ready was laid there for the next read."""

    def writePort(self, packet) -> int:
        self.written = bytes(packet)
        return len(packet)

    def readPort(self, length: int) -> bytes:
        data, self.ready = self.ready[:length], self.ready[length:]
        self.starved = len(data) < length
        return data

    def setPacketTimeout(self, packet_length: int) -> None:
        """No time passes here."""

    def setPacketTimeoutMillis(self, msec: float) -> None:
        """No time passes here."""

    def isPacketTimeout(self) -> bool:
        return self.starved

    def getBaudRate(self) -> int:
        return 1_000_000
