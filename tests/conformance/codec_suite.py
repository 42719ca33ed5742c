"""What every `Codec` must do. Inherit `CodecConformance`, name the class Test..., and fill in its attributes.

class TestMyCodec(CodecConformance):
    codec = MyCodec()
    ...

The vendor's SDK is the oracle for requests and answers; the codec alone answers for noise and cuts.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sdk_port import SdkPort

from hardware.buses.errors import BusError
from hardware.buses.frames import Codec, Frame, Reply

PACKETS = 3000
COMM_SUCCESS = 0  # in both SDKs
LONGEST = 250
ids = st.integers(0, 0xFC)
# Every class that inherits a test of Hypothesis runs it with another `self`.
inherited = settings(suppress_health_check=[HealthCheck.differing_executors])


class CodecConformance:
    """The tests. `golden`: packets in hex and their frames."""

    codec: ClassVar[Codec]
    sdk: ClassVar[Any]  # the vendor's packet handler
    group_read: ClassVar[Any]
    group_write: ClassVar[Any]
    golden: ClassVar[Mapping[str, Frame]]
    header: ClassVar[bytes]
    awkward: ClassVar[bytes]  # bytes that look like framing
    long_header: ClassVar[bytes]  # of a packet that says 200 bytes follow
    highest_address: ClassVar[int]
    refusal: ClassVar[tuple[int, str]]  # bytes of a payload that cannot be, and what is said
    sdk_stuffs = False  # whether the SDK fails on payloads that contain the header

    answer: Callable[[int, int, bytes], Frame]  # (servo, error, data) -> a servo's answer

    def draw_payload(self, data: st.DataObject) -> bytes:
        return data.draw(
            st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(self.awkward), max_size=60).map(bytes))
        )

    def test_golden_packets(self) -> None:
        for packet, frame in self.golden.items():
            data = bytes.fromhex(packet)
            assert self.codec.encode(frame) == data
            decoded = self.codec.decode(data, LONGEST, False)
            assert (decoded.frames, decoded.rest, decoded.noise) == ((frame,), b"", 0)

    def test_requests_are_byte_for_byte_those_of_the_vendor_sdk(self) -> None:
        """Where nothing is to be stuffed: Dynamixel's SDK counts stuffing, then sends without it."""
        random = np.random.default_rng(0)
        skipped = 0
        for _ in range(PACKETS):
            port = SdkPort()
            frame = self._request(random, port)
            if self.sdk_stuffs and self.header[:3] in bytes((frame.code,)) + frame.payload:
                skipped += 1
                continue
            assert port.written == self.codec.encode(frame)
        assert skipped < 10

    def _request(self, random: np.random.Generator, port: SdkPort) -> Frame:
        """A random request, made by the SDK on `port` and by the codec."""
        sdk, codec = self.sdk, self.codec
        servo, address = int(random.integers(0, 0xFD)), int(random.integers(0, self.highest_address))
        data = random.bytes(int(random.integers(1, 9)))
        servos = random.permutation(np.arange(1, 0xFD))[: random.integers(1, 20)].tolist()
        match random.integers(4):
            case 0:
                sdk.readTx(port, servo, address, len(data))
                return codec.read(servo, address, len(data))
            case 1:
                data += random.bytes(int(random.integers(0, 12)))
                sdk.writeTxOnly(port, servo, address, len(data), list(data))
                return codec.write(servo, address, data)
            case 2:
                group = self.group_read(port, sdk, address, len(data))
                for one in servos:
                    group.addParam(one)
                group.txPacket()
                return codec.sync_read(servos, address, len(data))
        group = self.group_write(port, sdk, address, len(data))
        values = {one: random.bytes(len(data)) for one in servos}
        for one, value in values.items():
            group.addParam(one, list(value))
        group.txPacket()
        return codec.sync_write(address, values)

    def test_answers_are_read_as_the_vendor_sdk_reads_them(self) -> None:
        """Where nothing is stuffed: on some stuffed payloads Dynamixel's SDK loses bytes."""
        random = np.random.default_rng(1)
        skipped = 0
        for _ in range(PACKETS):
            servo, error = int(random.integers(0, 0xFD)), int(random.integers(0, 0x80))
            data = random.bytes(int(random.integers(1 if self.sdk_stuffs else 0, 40)))
            if random.random() < 0.3:
                data = bytes(random.choice(list(self.awkward), size=len(data)).astype(np.uint8))
            packet = self.codec.encode(self.answer(servo, error, data))
            decoded = self.codec.decode(packet, 80, False)
            assert self.codec.replies(decoded.frames[0], len(data)) == (Reply(servo, error, data),)
            if len(packet) != self.codec.reply_size(len(data)):
                skipped += 1
                continue
            theirs, result, their_error = self.sdk.readRx(SdkPort(packet), servo, len(data))
            assert result == COMM_SUCCESS
            assert (bytes(theirs), their_error) == (data, error)
        assert skipped < PACKETS // 4

    @inherited
    @given(st.data())
    def test_frames_come_out_whole_however_they_are_cut(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, 5))
        frames = tuple(
            Frame(data.draw(ids), data.draw(st.integers(0, 255)), self.draw_payload(data))
            for _ in range(count)
        )
        stream = b"".join(self.codec.encode(frame) for frame in frames)
        found, rest, noise = (), b"", 0
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            decoded = self.codec.decode(rest + stream[:cut], LONGEST, False)
            found, rest, noise = found + decoded.frames, decoded.rest, noise + decoded.noise
            stream = stream[cut:]
        assert (found, rest, noise) == (frames, b"", 0)

    @inherited
    @given(st.data(), st.integers(0, LONGEST), st.booleans())
    def test_garbage_never_raises_and_every_byte_is_accounted_for(
        self, data: st.DataObject, longest: int, final: bool
    ) -> None:
        garbage = data.draw(st.one_of(st.binary(max_size=200), st.none()))
        if garbage is None:
            garbage = self.header + self.draw_payload(data)
        decoded = self.codec.decode(garbage, longest, final)
        framed = sum(len(self.codec.encode(frame)) for frame in decoded.frames)
        assert framed + len(decoded.rest) + decoded.noise == len(garbage)
        assert not (final and decoded.rest)
        for frame in decoded.frames:
            self.codec.replies(frame, 4)

    @inherited
    @given(st.data(), st.lists(st.integers(0, 0xFE), max_size=30).map(bytes), ids)
    def test_a_packet_is_found_behind_noise(self, data: st.DataObject, noise: bytes, servo: int) -> None:
        frame = self.answer(servo, 0, self.draw_payload(data))
        decoded = self.codec.decode(noise + self.codec.encode(frame), 90, False)
        assert decoded.frames == (frame,)
        assert decoded.noise == len(noise)

    @inherited
    @given(st.data(), ids)
    def test_a_changed_byte_is_never_taken_for_the_packet(self, data: st.DataObject, servo: int) -> None:
        frame = self.answer(servo, 0, self.draw_payload(data))
        packet = bytearray(self.codec.encode(frame))
        at = data.draw(st.integers(0, len(packet) - 1))
        packet[at] ^= data.draw(st.integers(1, 255))
        assert frame not in self.codec.decode(bytes(packet), LONGEST, True).frames

    def test_a_header_that_noise_fakes_does_not_swallow_what_follows(self) -> None:
        frame = self.answer(3, 0, b"\x01\x02")
        stream = self.long_header + self.codec.encode(frame)
        assert self.codec.decode(stream, 15, False).frames == (frame,)  # too long to be expected
        assert self.codec.decode(stream, LONGEST, False).frames == ()  # may still come
        assert self.codec.decode(stream, LONGEST, True).frames == (frame,)

    def test_what_the_length_cannot_say_is_refused(self) -> None:
        size, message = self.refusal
        with pytest.raises(BusError, match=message):
            self.codec.encode(Frame(1, 3, bytes(size)))
