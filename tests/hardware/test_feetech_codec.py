"""The Feetech codec against golden packets, against scservo_sdk, and against garbage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scservo_sdk import COMM_SUCCESS, GroupSyncRead, GroupSyncWrite, PacketHandler
from support.sdk_port import SdkPort

from hardware.buses.errors import BusError
from hardware.buses.feetech import FeetechCodec
from hardware.buses.frames import Frame, Reply

CODEC = FeetechCodec()
SDK = PacketHandler(0)
ids = st.integers(0, 0xFC)
payloads = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from([0xFF, 0xFE, 0, 1]), max_size=60).map(bytes)
)
GOLDEN = {
    "FF FF 01 02 01 FB": CODEC.ping(1),
    "FF FF 01 04 02 38 02 BE": CODEC.read(1, 0x38, 2),
    "FF FF 01 04 03 28 01 CE": CODEC.write(1, 40, b"\x01"),
    "FF FF 01 04 00 00 08 F2": Frame(1, 0, b"\x00\x08"),
    "FF FF FE 0A 82 38 02 01 02 03 04 05 06 26": CODEC.sync_read(range(1, 7), 0x38, 2),
    "FF FF FE 0A 83 2A 02 01 00 08 02 00 08 35": CODEC.sync_write(42, {1: b"\x00\x08", 2: b"\x00\x08"}),
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
    random = np.random.default_rng(0)
    for _ in range(3000):
        port = SdkPort()
        servo, address = int(random.integers(0, 0xFD)), int(random.integers(0, 90))
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
            data = data[:8]
            group = GroupSyncWrite(port, SDK, address, len(data))
            values = {one: random.bytes(len(data)) for one in servos}
            for one, value in values.items():
                group.addParam(one, list(value))
            group.txPacket()
            frame = CODEC.sync_write(address, values)
        assert port.written == CODEC.encode(frame)


def test_answers_are_read_as_the_vendor_sdk_reads_them():
    random = np.random.default_rng(1)
    for _ in range(3000):
        servo, error = int(random.integers(0, 0xFD)), int(random.integers(0, 0x80))
        data = random.bytes(int(random.integers(0, 40)))
        if random.random() < 0.3:
            data = bytes(random.choice([0xFF, 0xFE, 0x00, 0x01], size=len(data)).astype(np.uint8))
        packet = CODEC.encode(Frame(servo, error, data))
        theirs, result, their_error = SDK.readRx(SdkPort(packet), servo, len(data))
        assert result == COMM_SUCCESS
        assert (bytes(theirs), their_error) == (data, error)
        decoded = CODEC.decode(packet, 40, False)
        assert CODEC.replies(decoded.frames[0], len(data)) == (Reply(servo, error, data),)


@given(st.lists(st.tuples(ids, st.integers(0, 255), payloads), max_size=5), st.data())
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


@given(st.binary(max_size=200), st.integers(0, 250), st.booleans())
def test_garbage_never_raises_and_every_byte_is_accounted_for(data, longest, final):
    decoded = CODEC.decode(data, longest, final)
    framed = sum(len(CODEC.encode(frame)) for frame in decoded.frames)
    assert framed + len(decoded.rest) + decoded.noise == len(data)
    assert not (final and decoded.rest)
    for frame in decoded.frames:
        CODEC.replies(frame, 4)


@given(st.lists(st.integers(0, 0xFE), max_size=30).map(bytes), ids, payloads)
def test_a_packet_is_found_behind_noise(noise, servo, payload):
    frame = Frame(servo, 0, payload)
    decoded = CODEC.decode(noise + CODEC.encode(frame), 60, False)
    assert decoded.frames == (frame,)
    assert decoded.noise == len(noise)


@given(ids, payloads, st.data())
def test_a_changed_byte_is_never_taken_for_the_packet(servo, payload, data):
    packet = bytearray(CODEC.encode(Frame(servo, 0, payload)))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= data.draw(st.integers(1, 255))
    assert Frame(servo, 0, payload) not in CODEC.decode(bytes(packet), 250, True).frames


def test_a_header_that_noise_fakes_does_not_swallow_what_follows():
    frame = Frame(3, 0, b"\x01\x02")
    stream = b"\xff\xff\x05\xc8" + CODEC.encode(frame)  # says 200 bytes follow
    assert CODEC.decode(stream, 15, False).frames == (frame,)  # too long to be expected
    assert CODEC.decode(stream, 250, False).frames == ()  # may still come
    assert CODEC.decode(stream, 250, True).frames == (frame,)


def test_what_the_length_byte_cannot_say_is_refused():
    with pytest.raises(BusError, match="at most 250 bytes, got 251"):
        CODEC.encode(Frame(1, 3, bytes(251)))


def test_error_bits_in_words():
    assert CODEC.error_words(0) == ()
    assert CODEC.error_words(1 | 32) == ("voltage", "overload")
    assert CODEC.error_words(2 | 4 | 8) == ("angle sensor", "overheated", "over-current")
    assert CODEC.error_words(16) == ("bit 4",)
