"""The Dynamixel codec against golden packets, against dynamixel_sdk, and against garbage."""

import numpy as np
import pytest
from dynamixel_sdk import COMM_SUCCESS, GroupSyncRead, GroupSyncWrite
from dynamixel_sdk.protocol2_packet_handler import Protocol2PacketHandler
from hypothesis import given
from hypothesis import strategies as st
from support.sdk_port import SdkPort

from hardware.buses.dynamixel import HEADER, STATUS, DynamixelCodec, crc16, fast_payload
from hardware.buses.errors import BusError
from hardware.buses.frames import Frame, Reply

CODEC = DynamixelCodec()
SDK = Protocol2PacketHandler()
ids = st.integers(0, 0xFC)
codes = st.integers(0, 255)
payloads = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from([0xFF, 0xFD, 0]), max_size=60).map(bytes)
)
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


@pytest.mark.parametrize(("packet", "frame"), GOLDEN.items())
def test_golden_packets(packet, frame):
    data = bytes.fromhex(packet)
    assert CODEC.encode(frame) == data
    decoded = CODEC.decode(data, 250, False)
    assert decoded.frames == (frame,)
    assert decoded.rest == b""
    assert decoded.noise == 0


def test_requests_are_byte_for_byte_those_of_the_vendor_sdk():
    """Where nothing is to be stuffed: the SDK counts stuffing and then sends the packet without it."""
    random = np.random.default_rng(0)
    stuffed = 0
    for _ in range(3000):
        port = SdkPort()
        servo, address = int(random.integers(0, 0xFD)), int(random.integers(0, 300))
        data = random.bytes(int(random.integers(1, 20)))
        kind = random.integers(4)
        servos = random.permutation(np.arange(1, 0xFD))[: random.integers(1, 20)].tolist()
        if kind == 0:
            SDK.readTx(port, servo, address, len(data))
            frame = CODEC.read(servo, address, len(data))
        elif kind == 1:
            SDK.writeTxOnly(port, servo, address, len(data), list(data))
            frame = CODEC.write(servo, address, data)
        elif kind == 2:
            group = GroupSyncRead(port, SDK, address, len(data))
            for one in servos:
                group.addParam(one)
            group.txPacket()
            frame = CODEC.sync_read(servos, address, len(data))
        else:
            group = GroupSyncWrite(port, SDK, address, len(data))
            values = {one: random.bytes(len(data)) for one in servos}
            for one, value in values.items():
                group.addParam(one, list(value))
            group.txPacket()
            frame = CODEC.sync_write(address, values)
        if b"\xff\xff\xfd" in bytes((frame.code,)) + frame.payload:
            stuffed += 1
            continue
        assert port.written == CODEC.encode(frame)
    assert stuffed < 10


def test_stuffing_is_what_the_vendor_sdk_adds():
    random = np.random.default_rng(1)
    for _ in range(3000):
        body = bytes(random.choice([0xFF, 0xFD, 0x00, 0x07], size=random.integers(1, 40)).astype(np.uint8))
        packet = [*HEADER, 1, (len(body) + 3) & 0xFF, (len(body) + 3) >> 8, 3, *body, 0, 0]
        theirs = bytes(SDK.addStuffing(list(packet)))
        ours = CODEC.encode(Frame(1, 3, body))
        assert ours[:-2] == theirs[:-2]
        assert CODEC.decode(ours, 60, False).frames == (Frame(1, 3, body),)


def test_answers_are_read_as_the_vendor_sdk_reads_them():
    """Where nothing is stuffed: on some stuffed payloads the SDK loses bytes."""
    random = np.random.default_rng(2)
    for _ in range(3000):
        servo, error = int(random.integers(0, 0xFD)), int(random.integers(0, 0x80))
        data = random.bytes(int(random.integers(1, 40)))
        packet = CODEC.encode(Frame(servo, STATUS, bytes((error,)) + data))
        if len(packet) != CODEC.reply_size(len(data)):
            continue
        theirs, result, their_error = SDK.readRx(SdkPort(packet), servo, len(data))
        assert result == COMM_SUCCESS
        assert (bytes(theirs), their_error) == (data, error)
        decoded = CODEC.decode(packet, 40, False)
        assert CODEC.replies(decoded.frames[0], len(data)) == (Reply(servo, error, data),)


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


@given(st.lists(st.tuples(ids, codes, payloads), max_size=5), st.data())
def test_frames_come_out_whole_however_they_are_cut(parts, data):
    frames = tuple(Frame(*part) for part in parts)
    stream = b"".join(CODEC.encode(frame) for frame in frames)
    found, rest, noise = (), b"", 0
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        decoded = CODEC.decode(rest + stream[:cut], 250, False)
        found, rest, noise = found + decoded.frames, decoded.rest, noise + decoded.noise
        stream = stream[cut:]
    assert found == frames
    assert rest == b""
    assert noise == 0


@given(
    st.one_of(st.binary(max_size=200), payloads.map(lambda p: HEADER + p)), st.integers(0, 250), st.booleans()
)
def test_garbage_never_raises_and_every_byte_is_accounted_for(data, longest, final):
    decoded = CODEC.decode(data, longest, final)
    framed = sum(len(CODEC.encode(frame)) for frame in decoded.frames)
    assert framed + len(decoded.rest) + decoded.noise == len(data)
    assert not (final and decoded.rest)
    for frame in decoded.frames:
        CODEC.replies(frame, 4)


@given(ids, payloads, st.data())
def test_a_changed_byte_is_never_taken_for_the_packet(servo, payload, data):
    packet = bytearray(CODEC.encode(Frame(servo, STATUS, payload)))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= data.draw(st.integers(1, 255))
    assert Frame(servo, STATUS, payload) not in CODEC.decode(bytes(packet), 250, True).frames


def test_a_header_that_noise_fakes_does_not_swallow_what_follows():
    frame = Frame(3, STATUS, b"\x00\x01\x02")
    stream = HEADER + b"\x05\xc8\x00" + CODEC.encode(frame)
    assert CODEC.decode(stream, 15, False).frames == (frame,)
    assert CODEC.decode(stream, 250, False).frames == ()
    assert CODEC.decode(stream, 250, True).frames == (frame,)


def test_what_the_length_cannot_say_is_refused():
    with pytest.raises(BusError, match="at most 65532 bytes"):
        CODEC.encode(Frame(1, 3, bytes(0x10000)))


def test_an_error_without_data_is_an_answer():
    frame = Frame(7, STATUS, b"\x07")
    assert CODEC.replies(frame, 4) == (Reply(7, 7, b""),)
    assert CODEC.replies(Frame(7, STATUS, b"\x80"), 4) == ()  # an alert alone does not explain it


def test_errors_in_words():
    assert CODEC.error_words(0) == ()
    assert CODEC.error_words(0x80) == ("hardware alert",)
    assert CODEC.error_words(0x87) == ("hardware alert", "register not accessible")
    assert CODEC.error_words(0x30) == ("error 48",)
