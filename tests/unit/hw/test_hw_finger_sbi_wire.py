"""The driver of certified readers, against any HTTP that a device service may speak."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from finger_service import Play, Signer
from finger_service import Service as DeviceService
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.errors import DeviceError, DeviceFailed
from hw.finger.sbi import MAX_SMALL_ANSWER_BYTES, SBIReader, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = b"x" * (1 << 20)
SOON_S = 3.0


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(curve=True)


@pytest.fixture(scope="module")
def service(signer: Signer) -> Iterator[DeviceService]:
    running = DeviceService(Play(signer))
    running.play.finger.set()
    yield running
    running.stop()


def opens(
    service: DeviceService, signer: Signer, wire: Callable[[bytes], Iterable[bytes]]
) -> DeviceError | None:
    """Open a reader on a service that answers so; return what it raised."""
    service.play.wire, service.play.sent_bytes = wire, 0
    port = SBIReader(Service(service.port, "Developer"), trusted=signer.certificate)
    begun = time.monotonic()
    try:
        port.open()
    except DeviceError as error:
        return error
    finally:
        port.close()
        assert time.monotonic() - begun < SOON_S
    return None


@pytest.mark.parametrize(
    "size",
    [b"-5", b"-1", b"-0", b"+5", b"0x5", b"1_0", b" ", b"", b"g", b"fffffffff", b"7fffffff",
     b"1" * 70_000],
)  # fmt: skip
def test_a_strange_size_of_a_chunk_is_refused_and_little_is_read(
    service: DeviceService, signer: Signer, size: bytes
) -> None:
    def wire(_: bytes) -> Iterator[bytes]:
        yield CHUNKED + size + b"\r\n"
        for _ in range(48):
            yield MIB

    assert isinstance(opens(service, signer, wire), DeviceFailed)
    assert service.play.sent_bytes < 16 * len(MIB), "what the kernel holds, and no more"


def test_chunks_are_bounded_together(service: DeviceService, signer: Signer) -> None:
    def wire(body: bytes) -> Iterator[bytes]:
        yield CHUNKED
        for _ in range(MAX_SMALL_ANSWER_BYTES // 1000):
            yield b"3e8\r\n" + b" " * 1000 + b"\r\n"
        yield b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    assert isinstance(opens(service, signer, wire), DeviceFailed)


def test_an_answer_without_a_length_is_bounded_too(service: DeviceService, signer: Signer) -> None:
    def wire(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(48):
            yield MIB

    assert isinstance(opens(service, signer, wire), DeviceFailed)
    assert service.play.sent_bytes < 16 * len(MIB)


def in_chunks(body: bytes, cuts: list[int], extension: bytes, trailer: bytes) -> bytes:
    edges = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [body[one:other] for one, other in pairwise(edges)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return CHUNKED + chunks + b"0\r\n" + trailer + b"\r\n"


SOME = settings(max_examples=60, deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


@SOME
@given(
    st.lists(st.integers(0, 5_000), max_size=8),
    st.sampled_from([b"", b";a=b", b" ", b";" + b"x" * 300]),
    st.sampled_from([b"", b"A: b\r\n"]),
)
def test_a_body_cut_into_any_chunks_is_the_same(
    service: DeviceService, signer: Signer, cuts: list[int], extension: bytes, trailer: bytes
) -> None:
    assert opens(service, signer, lambda body: [in_chunks(body, cuts, extension, trailer)]) is None


@SOME
@given(st.data())
def test_a_chunked_body_cut_short_anywhere_is_refused(
    service: DeviceService, signer: Signer, data: st.DataObject
) -> None:
    def wire(body: bytes) -> list[bytes]:
        whole = in_chunks(body, [7, 100], b"", b"")
        # Without its last line the body is whole.
        return [whole[: data.draw(st.integers(0, len(whole) - 5))]]

    assert isinstance(opens(service, signer, wire), DeviceError)


LINE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
            b"Content-Length: -5", b"Content-Length: 99999999999999999999", b"Content-Length: 3",
            b"Content-Length: \xb2", b"Content-Length", b"Connection: keep-alive", b": ",
            b" folded", b"A: " + b"b" * 70_000, b"Content-Encoding: gzip",
        ]
    ),
)  # fmt: skip
STATUS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/9.9 200 OK",
            b"HTTP/1.1 -200 OK", b"HTTP/1.1 99999 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.1 204 No",
            b"HTTP/1.1 2_00 OK", b"ICY 200 OK", b"HTTP/1.1 " + b"2" * 70_000,
        ]
    ),
)  # fmt: skip
CHUNK = st.one_of(
    st.binary(max_size=30),
    st.integers(-(1 << 40), 1 << 40).map(lambda size: b"%x\r\nbody\r\n" % size),
    st.sampled_from(
        [b"4\r\nbody\r\n", b"4\r\nbodies\r\n", b"0\r\n\r\n", b"4;\r\nbody\r\n", b"\r\n"]
    ),
)


@SOME
@given(STATUS, st.lists(LINE, max_size=5), st.lists(CHUNK, max_size=5))
def test_any_head_and_any_body_is_typed(
    service: DeviceService, signer: Signer, status: bytes, lines: list[bytes], chunks: list[bytes]
) -> None:
    whole = b"\r\n".join([status, *lines, b"", b"".join(chunks)])
    assert isinstance(opens(service, signer, lambda _: [whole]), DeviceError)


@SOME
@given(st.lists(CHUNK, max_size=5))
def test_any_chunked_body_is_typed(
    service: DeviceService, signer: Signer, chunks: list[bytes]
) -> None:
    whole = CHUNKED + b"".join(chunks)
    assert isinstance(opens(service, signer, lambda _: [whole]), DeviceError)
