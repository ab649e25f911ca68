"""A small device service as MOSIP's specification describes it, and the keys that sign for it."""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECORD = b"FIR\x00010\x00" + bytes(range(256)) * 4
SERIAL = "999000000001"


def url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def certificate(
    subject: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any, *, days: int = 30
) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer_key, SHA256())
    )


class Signer:
    """A device's key under its provider's certificate."""

    def __init__(self, provider: Signer | None = None, *, days: int = 30, curve: bool = False):
        self.key: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if curve
            else rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        )
        issuer = provider.certificate if provider else None
        issuer_key = provider.key if provider else self.key
        self.certificate = certificate("a device", self.key, issuer, issuer_key, days=days)

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def sign(self, payload: object, **header: object) -> str:
        curve = isinstance(self.key, ec.EllipticCurvePrivateKey)
        der = self.certificate.public_bytes(Encoding.DER)
        head = {
            "alg": "ES256" if curve else "RS256",
            "typ": "JWT",
            "x5c": [base64.b64encode(der).decode()],
            **header,
        }
        text = f"{url64(json.dumps(head).encode())}.{url64(json.dumps(payload).encode())}"
        if curve:
            r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(SHA256())))
            mark = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        else:
            mark = self.key.sign(text.encode(), padding.PKCS1v15(), SHA256())
        return f"{text}.{url64(mark)}"


@dataclass
class Play:
    """What the service says, and how; each test changes what it is about."""

    signer: Signer
    finger: threading.Event = field(default_factory=threading.Event)
    status: str = "Ready"
    environment: str = "Developer"
    purpose: str = "Registration"
    record: bytes = RECORD
    changed: dict[str, object] = field(default_factory=dict)
    token: Callable[[str], str] = str
    raw: Callable[[str, bytes], bytes] = lambda _, body: body
    wire: Callable[[bytes], Iterable[bytes]] | None = None
    """Makes all that goes over the wire, head included, of a body."""
    sent_bytes: int = 0
    error: str = "0"
    http: int = 200
    drip_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class Service:
    """The service, on a port of the loopback that devices may have."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.open_sockets: set[socket.socket] = set()
        self._pulled = threading.Event()
        self._server = self._bind()
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Pull it out: nothing listens, and what is open ends."""
        self._pulled.set()
        self.play.finger.set()
        if self._thread.is_alive():
            for each in list(self.open_sockets):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _bind(self) -> ThreadingHTTPServer:
        for port in range(4600, 4500, -1):
            try:
                return _Server(("127.0.0.1", port), self._handler())
            except OSError:
                continue
        raise OSError("no port is free")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service, play = self, self.play

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                super().setup()
                service.open_sockets.add(self.connection)

            def finish(self) -> None:
                service.open_sockets.discard(self.connection)
                super().finish()

            def log_message(self, *_: object) -> None:
                pass

            def do_MOSIPDISC(self) -> None:
                assert self.path == "/device"
                assert self.body() == {"type": "Finger"}
                self.say("MOSIPDISC", [service.discovered()])

            def do_MOSIPDINFO(self) -> None:
                assert self.path == "/info"
                self.say("MOSIPDINFO", [service.information()])

            def do_RCAPTURE(self) -> None:
                assert self.path == "/capture"
                asked = self.body()
                play.asked.append(asked)
                touched = play.finger.wait(int(asked["timeout"]) / 1000)
                self.say("RCAPTURE", service.captured(asked, touched=touched))

            def body(self) -> dict[str, Any]:
                found: dict[str, Any] = json.loads(
                    self.rfile.read(int(self.headers["Content-Length"]))
                )
                return found

            def say(self, verb: str, value: object) -> None:
                if service._pulled.is_set():
                    self.close_connection = True
                    return
                body = play.raw(verb, json.dumps(value).encode())
                if play.wire is not None:
                    self.pour(play.wire(body))
                    return
                try:
                    self.send_response(play.http)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.drip(body)
                except OSError:
                    self.close_connection = True

            def pour(self, pieces: Iterable[bytes]) -> None:
                self.close_connection = True
                with suppress(OSError):
                    for piece in pieces:
                        play.sent_bytes += self.connection.send(piece)

            def drip(self, body: bytes) -> None:
                if not play.drip_s:
                    self.wfile.write(body)
                for byte in body if play.drip_s else b"":
                    self.wfile.write(bytes([byte]))
                    if service.waits(play.drip_s):
                        return

        return Handler

    def waits(self, seconds: float) -> bool:
        return self.play.finger.wait(seconds)

    def discovered(self) -> dict[str, object]:
        return {
            "deviceId": "1", "deviceStatus": self.play.status, "certification": "L0",
            "serviceVersion": "1", "deviceSubId": ["0"], "callbackId": f"http://127.0.0.1:{self.port}/",
            "digitalId": url64(b"{}"), "deviceCode": SERIAL, "specVersion": ["0.9.5"],
            "purpose": self.play.purpose, "error": {"errorCode": self.play.error, "errorInfo": ""},
        }  # fmt: skip

    def information(self) -> dict[str, object]:
        said = {
            "deviceId": "1", "deviceStatus": self.play.status, "deviceCode": SERIAL,
            "env": self.play.environment, "purpose": self.play.purpose, "specVersion": ["0.9.5"],
        }  # fmt: skip
        return {"deviceInfo": self.play.signer.sign(said), "error": {"errorCode": "0"}}

    def captured(self, asked: dict[str, Any], *, touched: bool) -> object:
        if not touched or self.play.error != "0":
            code = self.play.error if self.play.error != "0" else "101"
            return {"biometrics": [{"data": None, "error": {"errorCode": code}}]}
        said = {
            "digitalId": self.play.signer.sign({"serialNo": SERIAL, "type": "Finger"}),
            "bioType": "Finger", "deviceCode": SERIAL, "deviceServiceVersion": "1",
            "bioSubType": "UNKNOWN", "purpose": self.play.purpose, "env": asked["env"],
            "bioValue": url64(self.play.record), "transactionId": asked["transactionId"],
            "timestamp": "2026-01-01T00:00:00Z", "requestedScore": "40", "qualityScore": "80",
            **self.play.changed,
        }  # fmt: skip
        token = self.play.token(self.play.signer.sign(said))
        capture = {"specVersion": "0.9.5", "data": token, "hash": "", "error": {"errorCode": "0"}}
        return {"biometrics": [capture]}
