"""Fleet and device homes: what they hold, who may read it, and what is refused without a trace."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from fleet.home import INGEST_NAME, FleetHome
from fleet.ingest.main import Keys
from fleet.opening_key import opening_key_from_pem
from fleet.store.store import Store
from kiosk.link.home import LinkConfig
from kiosk.station.home import DeviceHome
from provisioning.broker_files import access_list, configuration
from provisioning.certificates import key_from_pem
from provisioning.enrol import EnrolmentError, enrol
from provisioning.fleet_home import init, public_der
from provisioning.policies import default_policy
from provisioning.private_files import AlreadyThereError, make_folder, write_new
from wire.cose import PrivateKeySigner
from wire.errors import Malformed, SignatureInvalid
from wire.policy import ALL_LAYERS, sign_policy, verify_policy

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@dataclass
class Yard:
    """A fleet and a folder of issuers."""

    fleet: FleetHome
    trust: Path
    root: Path

    def enrol(self, device: str = "kiosk-1", **changes: object) -> Path:
        home = self.root / "homes" / device
        told: dict[str, object] = {
            "device": device,
            "site": "hn-1",
            "card_url": "pcsc://0",
            "camera_url": "picamera://",
            "trust": self.trust,
            "now": NOW,
        }
        enrol(self.fleet, home, **(told | changes))  # type: ignore[arg-type]  # the test's own words
        return home


def yard(root: Path, *, simulators_allowed: bool = False) -> Yard:
    fleet = init(root / "fleet", now=NOW, shards=3, simulators_allowed=simulators_allowed)
    trust = root / "trust"
    trust.mkdir()
    (trust / "csca.der").write_bytes(b"a certificate")
    (trust / "csca.crl").write_bytes(b"a list")
    (trust / "notes.txt").write_bytes(b"not to be copied")
    return Yard(fleet, trust, root)


@pytest.fixture
def made(tmp_path: Path) -> Yard:
    return yard(tmp_path)


def modes(root: Path) -> set[int]:
    """Return every mode below a folder, its own included."""
    return {stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}


def test_nobody_else_may_read_a_file_of_either_home(tmp_path: Path) -> None:
    before = os.umask(0)  # the widest: modes must not depend on it
    try:
        made = yard(tmp_path)
        home = made.enrol()
    finally:
        os.umask(before)
    assert modes(made.fleet.root) == modes(home) == {0o600, 0o700}


def test_a_fleet_has_each_key_once_and_its_public_halves_in_one_file(made: Yard) -> None:
    fleet, told = made.fleet, json.loads(made.fleet.public_file.read_text())
    for compartment, file in (
        ("operations", fleet.operations_key),
        ("identity", fleet.identity_key),
    ):
        key = opening_key_from_pem(file.read_bytes(), compartment)  # type: ignore[arg-type]  # a literal
        of = told["recipients"][compartment]
        assert of["id"] == key.id
        assert b64decode(of["public_key"]) == key.recipient().public_key
    assert set(told["receipt_keys"]) == {"0", "1", "2"}
    for shard, der in told["receipt_keys"].items():
        key = key_from_pem(fleet.receipt_key(int(shard)).read_bytes())
        assert b64decode(der) == public_der(key)
    assert len(set(told["receipt_keys"].values())) == 3
    keys = Keys.load(fleet, shards=3)
    assert keys.opening.id == told["recipients"]["operations"]["id"]
    text = fleet.public_file.read_text()
    assert "PRIVATE" not in text


def test_ingest_is_given_no_key_of_identity_policy_or_authority(made: Yard) -> None:
    given = b"".join(path.read_bytes() for path in made.fleet.ingest.rglob("*") if path.is_file())
    for path in (
        made.fleet.identity_key,
        made.fleet.policy_key,
        made.fleet.authority / "ca.key.pem",
    ):
        body = path.read_bytes().splitlines()[1]
        assert body
        assert body not in given


def test_a_new_fleet_has_a_policy_that_requires_everything(made: Yard) -> None:
    told = json.loads(made.fleet.public_file.read_text())
    keys = [b64decode(key) for key in told["policy_keys"]]
    policy = verify_policy(made.fleet.policy_file.read_bytes(), keys)
    assert set(policy.layers) == set(ALL_LAYERS)
    assert not policy.simulators_allowed
    assert policy.not_before < NOW.timestamp() < policy.not_after
    assert policy == default_policy(NOW, simulators_allowed=False)
    assert policy.id == "default-20261124"
    stranger = PrivateKeySigner(key_from_pem(made.fleet.receipt_key(0).read_bytes()))
    with pytest.raises(SignatureInvalid):
        verify_policy(sign_policy(policy, stranger), keys)


def test_a_device_gets_its_own_keys_and_the_fleets_public_ones(made: Yard) -> None:
    home = made.enrol()
    files = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert files == {
        *("device.toml", "fleet.json", "policy.cose", "trust/csca.der", "trust/csca.crl"),
        *("keys/station.key.pem", "keys/tls.key.pem", "keys/tls.cert.pem", "keys/broker-ca.pem"),
    }
    for name, source in (
        ("fleet.json", made.fleet.public_file),
        ("policy.cose", made.fleet.policy_file),
        ("keys/broker-ca.pem", made.fleet.authority / "ca.cert.pem"),
        ("trust/csca.der", made.trust / "csca.der"),
    ):
        assert (home / name).read_bytes() == source.read_bytes()
    certificate = x509.load_pem_x509_certificate((home / "keys" / "tls.cert.pem").read_bytes())
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "kiosk-1"
    with Store.open(made.fleet.database) as store:
        device = store.device("kiosk-1")
    assert device is not None
    station = key_from_pem((home / "keys" / "station.key.pem").read_bytes())
    assert device.station_key == public_der(station)
    assert (device.site, device.simulators_allowed) == ("hn-1", False)
    assert not list((made.root / "homes").glob(".*"))


def test_what_is_written_is_read_by_the_link(made: Yard, tmp_path: Path) -> None:
    config = LinkConfig.load(made.enrol(), tmp_path / "link.sock")
    fleet = made.fleet.config()
    assert (config.device, config.shards) == ("kiosk-1", 3)
    assert (config.broker.host, config.broker.port) == (fleet.host, fleet.port)


@pytest.mark.parametrize("url", ['sim://card?file=a "b"\\\'é.json', "file:///var/x"])
def test_any_url_survives_its_file(tmp_path: Path, url: str) -> None:
    made = yard(tmp_path, simulators_allowed=True)
    told = tomllib.loads((made.enrol(card_url=url) / "device.toml").read_text())
    assert told["card_url"] == url
    with Store.open(made.fleet.database) as store:
        device = store.device("kiosk-1")
    assert device is not None
    assert device.simulators_allowed


def test_a_device_may_be_told_which_net_compares(tmp_path: Path) -> None:
    made = yard(tmp_path)
    assert DeviceHome(made.enrol(net="strict")).config().net == "strict"
    assert DeviceHome(made.enrol("kiosk-2")).config().net is None


def nothing_made(made: Yard, device: str = "kiosk-1") -> None:
    with Store.open(made.fleet.database) as store:
        assert store.device(device) is None
    homes = made.root / "homes"
    assert not homes.exists() or not list(homes.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"card_url": "sim://card"},
        {"camera_url": "SIM://camera"},
        {"camera_url": "file:///picture.png"},
        {"site": "số 1"},
        {"site": ""},
        {"net": ""},
        {"net": "../strict"},
    ],
)
def test_a_device_that_the_fleet_does_not_take_leaves_nothing(
    made: Yard, changes: dict[str, str]
) -> None:
    with pytest.raises(EnrolmentError):
        made.enrol(**changes)
    nothing_made(made)


@pytest.mark.parametrize("name", ["K1", "a", "x" * 33, "kiosk/1", "+", "kiosk.1", INGEST_NAME])
def test_a_name_outside_the_grammar_leaves_nothing(made: Yard, name: str) -> None:
    with pytest.raises(Malformed):
        made.enrol(name)
    nothing_made(made, name)


def test_a_device_that_trusts_nobody_leaves_nothing(made: Yard) -> None:
    (made.trust / "csca.der").unlink()
    with pytest.raises(EnrolmentError, match="no certificate"):
        made.enrol()
    nothing_made(made)


def test_a_device_is_enrolled_once_and_a_home_made_once(made: Yard) -> None:
    home = made.enrol()
    key = (home / "keys" / "station.key.pem").read_bytes()
    with pytest.raises(AlreadyThereError):
        made.enrol()
    home.rename(home.with_name("moved"))
    with pytest.raises(EnrolmentError, match="already"):
        made.enrol()
    assert not home.exists()
    assert (home.with_name("moved") / "keys" / "station.key.pem").read_bytes() == key


def test_a_home_that_cannot_be_finished_is_not_enrolled(made: Yard) -> None:
    made.fleet.policy_file.unlink()
    with pytest.raises(FileNotFoundError):
        made.enrol()
    nothing_made(made)


def test_an_empty_folder_is_taken(made: Yard) -> None:
    (made.root / "homes" / "kiosk-1").mkdir(parents=True)
    assert (made.enrol() / "device.toml").exists()


def test_a_fleet_is_made_once(made: Yard) -> None:
    with pytest.raises(AlreadyThereError):
        init(made.fleet.root, now=NOW)


def test_a_written_file_is_never_written_over(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a" / "b")
    write_new(folder / "x", b"first")
    with pytest.raises(AlreadyThereError):
        write_new(folder / "x", b"second")
    (folder / "y").symlink_to(folder / "x")
    with pytest.raises(AlreadyThereError):
        write_new(folder / "y", b"through a link")
    assert (folder / "x").read_bytes() == b"first"


def test_the_brokers_files_name_who_may_say_what(made: Yard) -> None:
    rules = access_list(ingest=INGEST_NAME)
    assert (made.fleet.broker / "acl").read_text() == rules
    assert [line for line in rules.splitlines() if "%u" not in line and line] == [
        f"user {INGEST_NAME}",
        "topic read f/1/+/+/ev",
        "topic read f/1/+/+/st",
        "topic write f/1/+/+/ack",
    ]
    text = (made.fleet.broker / "mosquitto.conf").read_text()
    config = made.fleet.config()
    assert text == configuration(made.fleet.broker, host=config.host, port=config.port)
    for line in ("require_certificate true", "allow_anonymous false", "tls_version tlsv1.3"):
        assert line in text.splitlines()


def test_a_policy_holds_for_a_year_from_a_little_before() -> None:
    policy = default_policy(NOW, simulators_allowed=True)
    assert policy.simulators_allowed
    assert timedelta(seconds=policy.not_after - NOW.timestamp()) == timedelta(days=365)
