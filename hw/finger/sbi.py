"""A certified reader through its device service: `sbi://127.0.0.1:4501?trust=CERTIFICATE.pem`.

MOSIP's Secure Biometric Interface: HTTP with verbs of its own on the loopback, the devices'
statements as JWS. Read were the schemas of SBI 0.9.5 and the text of the MDS specification that SBI
continues, as MOSIP's documentation of version 1.2.0 holds them; its counterpart in tests is a small
service written here from the same text, and no vendor's service has been met. Only RCAPTURE is
spoken: CAPTURE encrypts the image for MOSIP's own authentication. Every statement must be signed
under the trusted certificate and carry the transaction that was asked for, so that no older capture
is taken for this one. The hash that chains several captures is not looked at: there is one. The
record is handed on as it is; decoding it is the models' business. Speaks to the loopback only.

Whoever runs this needs the host's loopback: a process in a network namespace of its own finds no
service.

Spec: [MDS] "Device Service - Communication Interfaces", "Error Codes".
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from hw.errors import DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger.errors import DEVICE, ModuleRefused, NoFinger, PortClosed, Unproven
from hw.finger.jws import parse_base64url, parse_signed
from hw.finger.port import CodedFinger, Phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from hw.finger.port import Light

HOST: Final = "127.0.0.1"
PORTS: Final = range(4501, 4601)
PURPOSE: Final = "Registration"
"""What a device that gives its images away unencrypted is for."""
SPEC_VERSION: Final = "0.9.5"
FORMAT: Final = "iso19794-4"
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 12 * 1024 * 1024
MAX_SMALL_ANSWER_BYTES: Final = 1024 * 1024
MAX_DEVICES: Final = 16
MAX_CERTIFICATE_BYTES: Final = 65_536
PRODUCTION: Final = "Production"
ENVIRONMENTS: Final = frozenset({"Staging", "Developer", "Pre-Production", PRODUCTION})
ASK_S: Final = 5.0
SPARE_S: Final = 3.0
"""So much longer than it was given a service may take to say that nobody touched."""
CLOSE_S: Final = 2.0
MAX_CHUNK_LINE_BYTES: Final = 4096
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_RECORD_BEGIN: Final = b"FIR\0"
_NOBODY_TOUCHED: Final = 101
_NO_DEVICE: Final = frozenset({106, 202})


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked of a device service.

    Attributes:
        port: of the loopback, 4501 to 4600.
        environment: one of `ENVIRONMENTS`; the device must say the same.
        score: the quality, 1 to 100, that the device should reach before it takes an image.
    """

    port: int
    environment: str = PRODUCTION
    score: int = 40


@dataclass(frozen=True, slots=True)
class _Device:
    device_id: str = field(repr=False)
    sub_id: str
    code: str = field(repr=False)


class SBIReader:
    """A finger port over a device service."""

    def __init__(self, service: Service, *, trusted: x509.Certificate) -> None:
        """Choose a service; nothing is asked yet.

        Args:
            service: where and how.
            trusted: the certificate of the device's provider, or of the one device.
        """
        self._service, self._trusted = service, trusted
        self._calling = threading.Lock()
        self._given_up = threading.Event()
        self._device: _Device | None = None
        self._wire: socket.socket | None = None

    @property
    def simulated(self) -> bool:
        """Whether the service's environment is another than production."""
        return self._service.environment != PRODUCTION

    @classmethod
    def of_file(cls, service: Service, path: Path) -> SBIReader:
        """Trust the certificate of a PEM file.

        Raises:
            DeviceMissing: there is no such file.
            DeviceFailed: it holds no certificate.
        """
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_CERTIFICATE_BYTES)
        except OSError as error:
            raise DeviceMissing(DEVICE, f"the certificate: {error.strerror}") from error
        try:
            return cls(service, trusted=x509.load_pem_x509_certificate(raw))
        except ValueError as error:
            raise DeviceFailed(DEVICE, "the file holds no certificate") from error

    def open(self) -> None:
        """Find a finger device that is ready, and let it prove who it is.

        Raises:
            DeviceMissing: no service, or no finger device on it.
            Unproven: its statement is not signed by whom is trusted.
            DeviceTimeout, DeviceFailed: the service does not do its work.
        """
        with self._calling:
            if self._device is not None:
                return
            self._given_up.clear()
            found = parse_discovered(
                self._exchange("MOSIPDISC", "/device", {"type": "Finger"}, within_s=ASK_S)
            )
            information = parse_information(
                self._exchange("MOSIPDINFO", "/info", None, within_s=ASK_S)
            )
            proven = [
                parse_signed(each, trusted=self._trusted, now=datetime.now(UTC))
                for each in information
            ]
            self._device = self._choose(found, proven)

    def capture(
        self, *, timeout_s: float, on_phase: Callable[[Phase], None] | None = None
    ) -> CodedFinger:
        """Let the service take one finger; it ends at most `SPARE_S` after timeout_s.

        Raises:
            NoFinger: nobody touched within timeout_s.
            Unproven: what came is not signed by whom is trusted, or not what was asked for.
            ModuleRefused: the service answers with an error code.
            PortClosed, DeviceMissing, DeviceTimeout, DeviceFailed: as the port says.
        """
        told = on_phase or (lambda _: None)
        with self._calling:
            device = self._need_open()
            told(Phase.WAITING)
            transaction = str(uuid.uuid4())
            asked = self._request(device, transaction, timeout_s)
            raw = self._exchange("RCAPTURE", "/capture", asked, within_s=timeout_s + SPARE_S)
            token = parse_captured(raw)
            said = parse_signed(token, trusted=self._trusted, now=datetime.now(UTC))
            coded = self._record(said, transaction, device)
            told(Phase.DONE)
            return CodedFinger(coded, FORMAT, time.monotonic_ns(), "sbi")

    def wait_until(self, *, finger: bool, timeout_s: float) -> bool:  # noqa: ARG002 - the port's
        """Return False: a service tells of a finger only by its capture.

        Raises:
            PortClosed: the port is not open.
        """
        self._need_open()
        return False

    def show(self, light: Light) -> None:
        """The device's light is its service's."""

    def forget(self) -> None:
        """Do nothing: what the service keeps is out of reach.

        Raises:
            PortClosed: the port is not open.
        """
        self._need_open()

    def close(self) -> None:
        """Let go of the service; a capture in another thread ends with PortClosed."""
        self._end(self._given_up)
        if self._calling.acquire(timeout=CLOSE_S):
            self._device = None
            self._calling.release()

    def _need_open(self) -> _Device:
        if self._device is None or self._given_up.is_set():
            raise PortClosed
        return self._device

    def _choose(self, found: list[dict[str, Any]], proven: list[dict[str, Any]]) -> _Device:
        """Return the first device that says it is ready, and proved that it is what is wanted."""
        known = {
            str(each.get("deviceId")): str(each.get("deviceCode"))
            for each in proven
            if each.get("env") == self._service.environment and each.get("purpose") == PURPOSE
        }
        for each in found:
            identity = str(each.get("deviceId"))
            if identity in known and each.get("deviceStatus") == "Ready":
                sub_ids = each.get("deviceSubId")
                first = sub_ids[0] if isinstance(sub_ids, list) and sub_ids else 0
                return _Device(identity, str(first)[:8], known[identity])
        raise DeviceMissing(DEVICE, "the service has no finger device that is ready and fits")

    def _request(self, device: _Device, transaction: str, timeout_s: float) -> dict[str, Any]:
        return {
            "env": self._service.environment,
            "purpose": PURPOSE,
            "specVersion": SPEC_VERSION,
            "timeout": str(max(1, int(timeout_s * 1000))),
            "captureTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "transactionId": transaction,
            "bio": [
                {
                    "type": "Finger",
                    "count": "1",
                    "bioSubType": ["UNKNOWN"],
                    "exception": [],
                    "requestedScore": str(self._service.score),
                    "deviceId": device.device_id,
                    "deviceSubId": device.sub_id,
                    "previousHash": hashlib.sha256(b"").hexdigest().upper(),
                }
            ],
            "customOpts": {},
        }

    def _record(self, said: dict[str, Any], transaction: str, device: _Device) -> bytes:
        asked_for = {
            "deviceCode": device.code,
            "transactionId": transaction,
            "bioType": "Finger",
            "purpose": PURPOSE,
            "env": self._service.environment,
        }
        if any(said.get(key) != value for key, value in asked_for.items()):
            raise Unproven(DEVICE, "the capture answers something else")
        coded = parse_base64url(said.get("bioValue"), max_bytes=MAX_RECORD_BYTES)
        if not coded.startswith(_RECORD_BEGIN) or len(coded) > MAX_RECORD_BYTES:
            raise DeviceFailed(DEVICE, "the capture is no finger image record")
        return coded

    def _exchange(self, verb: str, path: str, body: object, *, within_s: float) -> bytes:
        """Send a request and return the answer's body, all within a time."""
        connection = http.client.HTTPConnection(HOST, self._service.port, timeout=within_s)
        late = threading.Event()
        timer = threading.Timer(within_s, self._end, (late,))
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            self._wire = connection.sock
            if self._given_up.is_set():
                raise PortClosed
            limit = MAX_ANSWER_BYTES if verb == "RCAPTURE" else MAX_SMALL_ANSWER_BYTES
            return _answer(connection, verb, path, body, limit)
        except ConnectionRefusedError as error:
            raise DeviceMissing(DEVICE, "no device service") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The library lets out a ValueError for some heads that are none.
            if self._given_up.is_set():
                raise PortClosed from error
            if late.is_set() or isinstance(error, TimeoutError):
                raise DeviceTimeout(DEVICE, "the device service does not answer") from error
            raise DeviceFailed(DEVICE, "the device service breaks off") from error
        finally:
            timer.cancel()
            self._wire = None
            connection.close()

    def _end(self, why: threading.Event) -> None:
        """End what waits for an answer, whichever part of it."""
        why.set()
        wire = self._wire
        if wire is not None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)


def parse_discovered(raw: bytes) -> list[dict[str, Any]]:
    """Return the finger devices that a MOSIPDISC answer lists.

    Raises:
        DeviceFailed: it is no such answer.
        DeviceMissing, ModuleRefused: it is an error.
    """
    return [each for each in _listed(raw, "MOSIPDISC") if "deviceId" in each]


def parse_information(raw: bytes) -> list[str]:
    """Return the signed statements of a MOSIPDINFO answer; unsigned ones are left out.

    Raises:
        DeviceFailed: it is no such answer.
        DeviceMissing, ModuleRefused: it is an error.
    """
    statements = [each.get("deviceInfo") for each in _listed(raw, "MOSIPDINFO")]
    return [each for each in statements if isinstance(each, str) and each.count(".") == 2]


def parse_captured(raw: bytes) -> str:
    """Return the signed token of the one capture in an RCAPTURE answer.

    Raises:
        DeviceFailed: it is no such answer, or holds not one capture.
        NoFinger: the service found no finger in time.
        DeviceMissing, ModuleRefused: it is an error.
    """
    value = _json(raw)
    captures = value.get("biometrics") if isinstance(value, dict) else None
    if captures is None and isinstance(value, dict):
        _raise_error(value, "RCAPTURE")
    if not isinstance(captures, list) or len(captures) != 1 or not isinstance(captures[0], dict):
        raise DeviceFailed(DEVICE, "the answer holds not one capture")
    _raise_error(captures[0], "RCAPTURE")
    token = captures[0].get("data")
    if not isinstance(token, str):
        raise DeviceFailed(DEVICE, "the capture holds nothing signed")
    return token


def _answer(
    connection: http.client.HTTPConnection, verb: str, path: str, body: object, limit: int
) -> bytes:
    text = b"" if body is None else json.dumps(body).encode()
    connection.request(verb, path, body=text, headers={"Content-Type": "application/json"})
    with connection.getresponse() as answer:
        if answer.status != http.HTTPStatus.OK:
            raise DeviceFailed(DEVICE, f"the device service answers {answer.status}")
        raw = _unchunked(answer.fp, limit) if answer.chunked else answer.read(limit + 1)
        if len(raw) > limit:
            raise DeviceFailed(DEVICE, "the device service answers too much")
        # The library takes an answer that was cut short for a whole one.
        if answer.length:
            raise http.client.IncompleteRead(raw, answer.length)
        return raw


def _unchunked(file: BinaryIO, limit: int) -> bytes:
    """Join a body's chunks; what they carry beside it, and behind the last, is not read.

    The library takes a size of -1 for all that ever comes.

    Raises:
        HTTPException: they are no chunks, or end too soon.
    """
    body = bytearray()
    while len(body) <= limit:
        size = _chunk_size(file.readline(MAX_CHUNK_LINE_BYTES))
        if not size:
            return bytes(body)
        # One byte more than the limit tells that there is too much.
        wanted = min(size, limit + 1 - len(body))
        piece = file.read(wanted)
        if len(piece) < wanted or (wanted == size and file.read(2) != b"\r\n"):
            raise http.client.IncompleteRead(bytes(piece))
        body += piece
    return bytes(body)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not line.endswith(b"\n") or not _CHUNK_SIZE.fullmatch(digits):
        raise http.client.HTTPException("no size of a chunk")
    return int(digits, 16)


def _listed(raw: bytes, doing: str) -> list[dict[str, Any]]:
    value = _json(raw)
    entries = value if isinstance(value, list) else [value]
    found = [each for each in entries[:MAX_DEVICES] if isinstance(each, dict)]
    if len(found) == 1:
        _raise_error(found[0], doing)
    if not found:
        raise DeviceMissing(DEVICE, "the service lists no device")
    return found


def _raise_error(value: dict[str, Any], doing: str) -> None:
    error = value.get("error")
    text = error.get("errorCode", "0") if isinstance(error, dict) else "0"
    digits = str(text).strip()
    code = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else -1
    if code == 0 or digits == "":
        return
    if code == _NOBODY_TOUCHED:
        raise NoFinger
    if code in _NO_DEVICE:
        raise DeviceMissing(DEVICE, f"{doing} was answered with {code}")
    raise ModuleRefused(doing, code)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DeviceFailed(DEVICE, "the device service answers no JSON") from error
