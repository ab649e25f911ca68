"""The driver of certified readers, against a small device service: what it believes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from contract_finger import FingerContract
from finger_service import RECORD, Play, Signer
from finger_service import Service as DeviceService

from hw.errors import DeviceError, DeviceFailed, DeviceMissing, DeviceTimeout
from hw.finger import CodedFinger, ModuleRefused, NoFinger, Touch, Unproven, sbi
from hw.finger.sbi import MAX_SMALL_ANSWER_BYTES, SBIReader, Service
from hw.open import open_finger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hw.finger import FingerPort


@pytest.fixture(scope="module")
def provider() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def device(provider: Signer) -> Signer:
    return Signer(provider)


@pytest.fixture
def play(device: Signer) -> Play:
    playing = Play(device)
    playing.finger.set()
    return playing


@pytest.fixture
def service(play: Play):
    running = DeviceService(play)
    yield running
    running.stop()


@pytest.fixture
def reader(service: DeviceService, provider: Signer):
    port = SBIReader(Service(service.port, "Developer"), trusted=provider.certificate)
    yield port
    port.close()


class ServiceRig:
    def __init__(self, service: DeviceService, provider: Signer) -> None:
        self.service, self.provider = service, provider
        self.made: list[SBIReader] = []

    def port(self) -> FingerPort:
        self.service.play.finger.set()
        chosen = Service(self.service.port, "Developer")
        self.made.append(SBIReader(chosen, trusted=self.provider.certificate))
        return self.made[-1]

    def untouched(self) -> FingerPort:
        port = self.port()
        self.service.play.finger.clear()
        return port

    def missing(self) -> FingerPort:
        self.service.stop()
        return self.port()

    def unplug(self) -> None:
        self.service.stop()

    def is_the_finger(self, touch: Touch) -> bool:
        assert isinstance(touch, CodedFinger)
        assert (touch.source, touch.format) == ("sbi", "iso19794-4")
        return touch.coded == RECORD


class TestContract(FingerContract):
    SIMULATED = True

    @pytest.fixture
    def rig(self, service: DeviceService, provider: Signer):
        rig = ServiceRig(service, provider)
        yield rig
        for each in rig.made:
            each.close()


def test_what_is_asked_is_what_the_specification_wants(reader: SBIReader, play: Play) -> None:
    reader.open()
    reader.capture(timeout_s=1.5)
    reader.capture(timeout_s=1.5)
    first, second = play.asked
    assert (first["env"], first["purpose"], first["timeout"]) == (
        "Developer",
        "Registration",
        "1500",
    )
    assert 4 <= len(first["transactionId"]) <= 50
    assert first["transactionId"] != second["transactionId"]
    (bio,) = first["bio"]
    assert (bio["type"], bio["count"], bio["deviceId"]) == ("Finger", "1", "1")
    assert bio["previousHash"].startswith("E3B0C44298FC1C149AFB")


def refused(reader: SBIReader, error: type[DeviceError]) -> DeviceError:
    def use() -> None:
        reader.open()
        reader.capture(timeout_s=0.5)

    with pytest.raises(error) as caught:
        use()
    return caught.value


@pytest.mark.parametrize(
    "changed",
    [
        {"transactionId": "an-older-one"},
        {"bioType": "Face"},
        {"env": "Production"},
        {"purpose": "Auth"},
        {"deviceCode": "999000000002"},
        {"bioValue": None},
        {"bioValue": "%%%"},
    ],
)
def test_a_capture_that_answers_something_else_is_not_believed(
    reader: SBIReader, play: Play, changed: dict[str, object]
) -> None:
    play.changed = changed
    refused(reader, Unproven)


def swapped(token: str) -> str:
    head, _, mark = token.split(".")
    return f"{head}.{Signer.__name__}.{mark}"


@pytest.mark.parametrize(
    "change",
    [
        swapped,
        lambda token: token[:-8] + "AAAAAAAA",
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda _: "",
        lambda _: "a.b.c",
        lambda token: token + "A" * 9_000_000,
    ],
)
def test_a_token_that_is_not_as_it_was_signed_is_not_believed(
    reader: SBIReader, play: Play, change: Callable[[str], str]
) -> None:
    play.token = change
    refused(reader, Unproven)


def test_only_devices_of_the_trusted_provider_are_believed(
    service: DeviceService, provider: Signer, play: Play
) -> None:
    def opens(signer: Signer, trusted: Signer = provider) -> None:
        play.signer = signer
        port = SBIReader(Service(service.port, "Developer"), trusted=trusted.certificate)
        port.open()
        assert port.capture(timeout_s=1)
        port.close()

    opens(Signer(provider))
    opens(Signer(provider, curve=True))
    lone = Signer(curve=True)
    opens(lone, lone)
    device = Signer(provider, curve=True)
    opens(device, device)
    for stranger in (Signer(), Signer(Signer()), Signer(provider, days=-1), Signer(device)):
        with pytest.raises(Unproven):
            opens(stranger)
    with pytest.raises(Unproven):
        opens(Signer(device), device)


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": None}, {"x5c": []}, {"x5c": ["AAAA"]}]
)
def test_headers_that_weaken_the_signature_are_not_believed(
    reader: SBIReader, play: Play, header: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = Signer.sign
    monkeypatch.setattr(Signer, "sign", lambda self, payload: sign(self, payload, **header))
    refused(reader, Unproven)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("101", NoFinger), ("202", DeviceMissing), ("106", DeviceMissing), ("111", ModuleRefused),
        ("500", ModuleRefused), ("twelve", ModuleRefused),
    ],
)  # fmt: skip
def test_error_codes_are_typed(
    reader: SBIReader, play: Play, code: str, error: type[DeviceError]
) -> None:
    reader.open()
    play.error = code
    with pytest.raises(error):
        reader.capture(timeout_s=0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "Busy"), ("environment", "Production"), ("purpose", "Auth")],
)
def test_a_device_that_does_not_fit_is_not_there(
    reader: SBIReader, play: Play, name: str, value: str
) -> None:
    setattr(play, name, value)
    refused(reader, DeviceMissing)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        (verb, body)
        for verb in ("MOSIPDISC", "MOSIPDINFO", "RCAPTURE")
        for body in (
            b"", b"{", b"[]", b"{}", b"null", b"[[[[", b"[" * 100_000, b'{"biometrics": []}',
            b'{"biometrics": [{}]}', b'{"biometrics": [{}, {}]}', b"9" * 5000, b"\xff\xfe",
        )
    ],
)  # fmt: skip
def test_any_answer_is_typed(reader: SBIReader, play: Play, verb: str, body: bytes) -> None:
    play.raw = lambda asked, said: body if asked == verb else said
    refused(reader, DeviceError)


def test_an_answer_has_bounds_of_size_status_and_time(
    reader: SBIReader, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.http = 500
    refused(reader, DeviceFailed)
    play.http = 200
    play.raw = lambda _, body: body + b" " * MAX_SMALL_ANSWER_BYTES
    refused(reader, DeviceFailed)
    play.raw = lambda _, body: body
    reader.open()
    monkeypatch.setattr(sbi, "SPARE_S", 0.2)
    play.drip_s = 0.05
    play.finger.clear()
    begun = time.monotonic()
    with pytest.raises(DeviceTimeout) as caught:
        reader.capture(timeout_s=0.3)
    assert not isinstance(caught.value, NoFinger)
    assert time.monotonic() - begun < 1.5


def test_a_record_that_is_no_finger_image_is_refused(reader: SBIReader, play: Play) -> None:
    play.record = b"FAC\0" + bytes(100)
    assert not isinstance(refused(reader, DeviceFailed), Unproven)


def test_it_opens_by_its_url_and_production_takes_production_only(
    service: DeviceService, provider: Signer, tmp_path: Path, play: Play
) -> None:
    pem = tmp_path / "provider.pem"
    pem.write_bytes(provider.pem())
    play.environment = "Production"
    url = f"sbi://127.0.0.1:{service.port}?trust={pem}"
    port = open_finger(url, allow_simulators=False)
    assert not port.simulated
    port.open()
    assert port.capture(timeout_s=1)
    port.close()
    assert open_finger(url + "&env=Staging&score=60").simulated
    with pytest.raises(DeviceError):
        open_finger(url + "&env=Staging", allow_simulators=False)
    pem.write_text("no certificate")
    with pytest.raises(DeviceFailed):
        open_finger(url)
    with pytest.raises(DeviceMissing):
        open_finger(f"sbi://127.0.0.1:4501?trust={tmp_path / 'none.pem'}")


def test_what_is_asked_says_nothing_of_a_person(reader: SBIReader, play: Play) -> None:
    reader.open()
    reader.capture(timeout_s=1)
    assert "UNKNOWN" in json.dumps(play.asked)
    assert "Index" not in json.dumps(play.asked)
