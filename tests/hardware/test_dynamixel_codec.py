"""The Dynamixel codec against golden packets, against dynamixel_sdk, and against garbage."""

import numpy as np
from conformance.codec_suite import CodecConformance
from dynamixel_sdk import COMM_SUCCESS, GroupSyncRead, GroupSyncWrite
from dynamixel_sdk.protocol2_packet_handler import Protocol2PacketHandler
from support.sdk_port import SdkPort

from hardware.buses.dynamixel import HEADER, STATUS, DynamixelCodec, crc16, fast_payload
from hardware.buses.frames import Frame, Reply

CODEC = DynamixelCodec()
SDK = Protocol2PacketHandler()
GOLDEN = {
    "FF FF FD 00 01 03 00 01 19 4E": CODEC.ping(1),
    "FF FF FD 00 01 07 00 02 84 00 04 00 1D 15": CODEC.read(1, 132, 4),
    "FF FF FD 00 01 06 00 03 40 00 01 DB 66": CODEC.write(1, 64, b"\x01"),
    "FF FF FD 00 01 08 00 55 00 00 08 00 00 1C 38": Frame(1, STATUS, b"\x00\x00\x08\x00\x00"),
    "FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA": CODEC.sync_read((1, 2), 132, 4),
    "FF FF FD 00 FE 09 00 8A 84 00 04 00 01 02 4D 72": CODEC.fast_sync_read((1, 2), 132, 4),
    "FF FF FD 00 FE 11 00 83 74 00 04 00 01 00 08 00 00 02 00 08 00 00 68 4C": CODEC.sync_write(
        116, {1: b"\x00\x08\x00\x00", 2: b"\x00\x08\x00\x00"}
    ),
}


class TestDynamixelCodec(CodecConformance):
    codec = CODEC
    sdk = SDK
    sdk_stuffs = True
    group_read, group_write = GroupSyncRead, GroupSyncWrite
    header = HEADER
    awkward = bytes((0xFF, 0xFD, 0))
    long_header = HEADER + b"\x05\xc8\x00"
    highest_address = 300
    refusal = (0x10000, "at most 65532 bytes")
    golden = GOLDEN

    def answer(self, servo: int, error: int, data: bytes) -> Frame:
        return Frame(servo, STATUS, bytes((error,)) + data)


def test_stuffing_is_what_the_vendor_sdk_adds():
    random = np.random.default_rng(1)
    for _ in range(3000):
        body = bytes(random.choice([0xFF, 0xFD, 0x00, 0x07], size=random.integers(1, 40)).astype(np.uint8))
        packet = [*HEADER, 1, (len(body) + 3) & 0xFF, (len(body) + 3) >> 8, 3, *body, 0, 0]
        theirs = bytes(SDK.addStuffing(list(packet)))
        ours = CODEC.encode(Frame(1, 3, body))
        assert ours[:-2] == theirs[:-2]
        assert CODEC.decode(ours, 60, False).frames == (Frame(1, 3, body),)


def test_fast_answers_are_read_as_the_vendor_sdk_reads_them():
    random = np.random.default_rng(3)
    for _ in range(500):
        servos = random.permutation(np.arange(1, 0xFD))[: random.integers(1, 12)].tolist()
        length = int(random.integers(1, 20))
        replies = tuple(Reply(s, int(random.integers(8)), random.bytes(length)) for s in servos)
        packet = CODEC.encode(Frame(0xFE, STATUS, fast_payload(replies)))
        assert len(packet) == CODEC.fast_reply_size(len(servos), length)
        group = GroupSyncRead(SdkPort(packet), SDK, 132, length)
        for servo in servos:
            group.addParam(servo)
        assert group.fastSyncReadRxPacket() == COMM_SUCCESS
        assert {s: bytes(group.data_dict[s]) for s in servos} == {r.servo: r.data for r in replies}
        decoded = CODEC.decode(packet, len(packet), False)
        assert CODEC.replies(decoded.frames[0], length) == replies


def test_each_block_of_a_fast_answer_ends_with_the_crc_of_the_packet_so_far():
    packet = CODEC.encode(Frame(0xFE, STATUS, fast_payload([Reply(1, 0, b"ab"), Reply(2, 0, b"cd")])))
    first = 8 + 4
    assert int.from_bytes(packet[first : first + 2], "little") == crc16(packet[:first])
    assert int.from_bytes(packet[-2:], "little") == crc16(packet[:-2])


def test_crc_is_the_vendor_sdks():
    random = np.random.default_rng(4)
    for _ in range(500):
        data = random.bytes(int(random.integers(1, 100)))
        assert crc16(data) == SDK.updateCRC(0, data, len(data))


def test_an_error_without_data_is_an_answer():
    frame = Frame(7, STATUS, b"\x07")
    assert CODEC.replies(frame, 4) == (Reply(7, 7, b""),)
    assert CODEC.replies(Frame(7, STATUS, b"\x80"), 4) == ()  # an alert alone does not explain it


def test_errors_in_words():
    assert CODEC.error_words(0) == ()
    assert CODEC.error_words(0x80) == ("hardware alert",)
    assert CODEC.error_words(0x87) == ("hardware alert", "register not accessible")
    assert CODEC.error_words(0x30) == ("error 48",)
