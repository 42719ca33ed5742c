"""The Feetech codec against golden packets, against scservo_sdk, and against garbage."""

from conformance.codec_suite import CodecConformance
from scservo_sdk import GroupSyncRead, GroupSyncWrite, PacketHandler

from hardware.buses.feetech import HEADER, FeetechCodec
from hardware.buses.frames import Frame

CODEC = FeetechCodec()
GOLDEN = {
    "FF FF 01 02 01 FB": CODEC.ping(1),
    "FF FF 01 04 02 38 02 BE": CODEC.read(1, 0x38, 2),
    "FF FF 01 04 03 28 01 CE": CODEC.write(1, 40, b"\x01"),
    "FF FF 01 04 00 00 08 F2": Frame(1, 0, b"\x00\x08"),
    "FF FF FE 0A 82 38 02 01 02 03 04 05 06 26": CODEC.sync_read(range(1, 7), 0x38, 2),
    "FF FF FE 0A 83 2A 02 01 00 08 02 00 08 35": CODEC.sync_write(42, {1: b"\x00\x08", 2: b"\x00\x08"}),
}


class TestFeetechCodec(CodecConformance):
    codec = CODEC
    sdk = PacketHandler(0)
    group_read, group_write = GroupSyncRead, GroupSyncWrite
    header = HEADER
    awkward = bytes((0xFF, 0xFE, 0, 1))
    long_header = b"\xff\xff\x05\xc8"
    highest_address = 90
    refusal = (251, "at most 250 bytes, got 251")
    golden = GOLDEN

    def answer(self, servo: int, error: int, data: bytes) -> Frame:
        return Frame(servo, error, data)


def test_error_bits_in_words():
    assert CODEC.error_words(0) == ()
    assert CODEC.error_words(1 | 32) == ("voltage", "overload")
    assert CODEC.error_words(2 | 4 | 8) == ("angle sensor", "overheated", "over-current")
    assert CODEC.error_words(16) == ("bit 4",)
