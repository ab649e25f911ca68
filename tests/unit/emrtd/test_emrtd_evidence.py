from __future__ import annotations

import contextlib
import copy

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emrtd.errors import ChipMalformed, Fault
from emrtd.evidence import (
    FILE_NAMES,
    MAX_EVIDENCE_BYTES,
    MAX_FILE_BYTES,
    AccessFacts,
    ActiveAuthTranscript,
    CAMTranscript,
    ChipAuthFacts,
    Evidence,
    FailedAccess,
    TerminalAuthFacts,
)

ACCESS = AccessFacts("PACE-ECDH-GM-AES-CBC-CMAC-128", "CAN", downgraded=False)
EVIDENCES = st.builds(
    Evidence,
    st.dictionaries(st.sampled_from(sorted(FILE_NAMES)), st.binary(max_size=40), max_size=6),
    st.builds(
        AccessFacts, st.text(max_size=64), st.sampled_from(["CAN", "MRZ", "PIN"]),
        downgraded=st.booleans(),
        failed=st.lists(
            st.builds(
                FailedAccess, st.text(max_size=64), st.sampled_from(list(Fault)),
                st.one_of(st.none(), st.integers(0, 0xFFFF)),
            ),
            max_size=3,
        ).map(tuple),
    ),
    st.dictionaries(st.sampled_from(sorted(FILE_NAMES)), st.integers(0, 0xFFFF), max_size=4),
    st.one_of(
        st.none(),
        st.builds(
            ChipAuthFacts, st.sampled_from(["passed", "failed"]), st.text(max_size=64),
            st.one_of(st.none(), st.integers(0, 2**64 - 1)),
        ),
    ),
    st.one_of(
        st.none(),
        st.builds(ActiveAuthTranscript, st.binary(max_size=64), st.binary(max_size=1024)),
    ),
    st.one_of(
        st.none(),
        st.builds(
            CAMTranscript, st.integers(0, 255), st.binary(max_size=256), st.binary(max_size=256)
        ),
    ),
    st.one_of(
        st.none(),
        st.builds(
            TerminalAuthFacts, st.sampled_from(["passed", "failed"]), st.text(max_size=16),
            st.integers(0, 2**38 - 1),
        ),
    ),
)  # fmt: skip


@given(EVIDENCES)
def test_what_is_kept_is_reloaded_and_gives_the_same_bytes(evidence: Evidence) -> None:
    raw = evidence.to_cbor()
    assert Evidence.from_cbor(raw) == evidence
    assert Evidence.from_cbor(raw).to_cbor() == raw
    for end in range(len(raw)):
        with pytest.raises(ChipMalformed):
            Evidence.from_cbor(raw[:end])


def test_the_stored_form_is_plain_cbor() -> None:
    evidence = Evidence({"DG1": b"\x61\x00"}, ACCESS, {"DG3": 0x6982},
                        ChipAuthFacts("passed", "CA", 5),
                        ActiveAuthTranscript(b"n", b"s"))  # fmt: skip
    assert cbor2.loads(evidence.to_cbor()) == {
        "version": 1,
        "files": {"DG1": b"\x61\x00"},
        "access": ["PACE-ECDH-GM-AES-CBC-CMAC-128", "CAN", False],
        "unreadable": {"DG3": 0x6982},
        "chip_auth": ["passed", "CA", 5],
        "active_auth": [b"n", b"s"],
    }


CAM = CAMTranscript(13, b"point", b"scalar")
REFUSED = FailedAccess("PACE", Fault.CHIP_REFUSED, 0x6A80)


def test_what_the_first_version_cannot_say_is_said_in_the_second() -> None:
    access = AccessFacts("BAC", "MRZ", downgraded=True, failed=(REFUSED,))
    terminal = TerminalAuthFacts("passed", "UTISUT00001", 3)
    tree = cbor2.loads(Evidence({}, access, cam=CAM, terminal_auth=terminal).to_cbor())
    assert tree == {
        "version": 2, "files": {}, "unreadable": {}, "chip_auth": None, "active_auth": None,
        "access": ["BAC", "MRZ", True, [["PACE", "chip_refused", 0x6A80]]],
        "cam": [13, b"point", b"scalar"],
        "terminal_auth": ["passed", "UTISUT00001", 3],
    }  # fmt: skip
    for newer in (
        Evidence({}, access), Evidence({}, ACCESS, cam=CAM),
        Evidence({}, AccessFacts("PACE", "PIN", downgraded=False)),
        Evidence({}, ACCESS, terminal_auth=terminal),
    ):  # fmt: skip
        tree = cbor2.loads(newer.to_cbor())
        assert tree["version"] == 2
        # It is no first version: one of that time would read less than there is.
        with pytest.raises(ChipMalformed):
            Evidence.from_cbor(cbor2.dumps(tree | {"version": 1}, canonical=True))


def test_what_the_second_version_cannot_say_is_said_in_the_third() -> None:
    evidence = Evidence({}, AccessFacts("NONE", None, downgraded=False))
    tree = cbor2.loads(evidence.to_cbor())
    assert tree == {
        "version": 3, "files": {}, "unreadable": {}, "chip_auth": None, "active_auth": None,
        "access": ["NONE", None, False, []], "cam": None, "terminal_auth": None,
    }  # fmt: skip
    assert Evidence.from_cbor(evidence.to_cbor()) == evidence
    for other in (
        {"version": 2}, {"version": 4}, {"access": ["BAC", "MRZ", False, []]},
        {"access": ["NONE", "NONE", False, []]}, {"access": ["NONE", "", False, []]},
    ):  # fmt: skip
        with pytest.raises(ChipMalformed):
            Evidence.from_cbor(cbor2.dumps(tree | other, canonical=True))


def test_what_the_first_version_can_say_is_malformed_in_the_second() -> None:
    tree = TREE | {
        "version": 2, "access": [*TREE["access"], []], "cam": None, "terminal_auth": None,
    }  # fmt: skip
    with pytest.raises(ChipMalformed, match="encoding"):
        Evidence.from_cbor(cbor2.dumps(tree, canonical=True))


NEWER = {
    "version": 2, "files": {}, "unreadable": {}, "chip_auth": None, "active_auth": None,
    "access": ["BAC", "MRZ", True, [["PACE", "chip_refused", None]]], "cam": None,
    "terminal_auth": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access", ["BAC", "MRZ", True]), ("access", ["BAC", "MRZ", True, None]),
        ("access", ["BAC", "MRZ", True, [["PACE", "no_such_fault", None]]]),
        ("access", ["BAC", "MRZ", True, [["PACE", "chip_refused"]]]),
        ("access", ["BAC", "MRZ", True, [["PACE", "chip_refused", 0x10000]]]),
        ("access", ["BAC", "MRZ", True, [["PACE", "chip_refused", -1]]]),
        ("access", ["BAC", "MRZ", True, [["PACE", "chip_refused", True]]]),
        ("access", ["BAC", "MRZ", True, [["P" * 65, "chip_refused", 1]]]),
        ("access", ["BAC", "MRZ", True, [["PACE", "chip_refused", 1]] * 17]),
        ("access", ["BAC", "PUK", True, []]), ("cam", []), ("cam", [13, b"", "s"]),
        ("cam", [256, b"", b""]), ("cam", [-1, b"", b""]), ("cam", [True, b"", b""]),
        ("cam", [13, bytes(257), b""]), ("cam", [13, b"", bytes(257)]), ("version", 3),
        ("version", 0), ("version", 2.0), ("version", [2]), ("terminal_auth", ["passed", "x"]),
        ("terminal_auth", ["maybe", "x", 0]), ("terminal_auth", ["passed", "x" * 17, 0]),
        ("terminal_auth", ["passed", "x", 2**38]), ("terminal_auth", ["passed", "x", -1]),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_malformed_in_the_second_version(key: str, value: object) -> None:
    assert Evidence.from_cbor(cbor2.dumps(NEWER, canonical=True)).access.failed
    with pytest.raises(ChipMalformed):
        Evidence.from_cbor(cbor2.dumps(NEWER | {key: value}, canonical=True))


def test_no_scalar_and_no_key_shows() -> None:
    assert "scalar" not in repr(CAM)
    assert "point" not in repr(CAM)


TREE = cbor2.loads(Evidence({"DG1": b"\x61\x00"}, ACCESS).to_cbor())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2), ("version", 3), ("version", True), ("version", "1"), ("extra", 1),
        ("files", []), ("files", {"DG17": b""}), ("files", {"DG1": "text"}), ("files", {1: b""}),
        ("files", {"DG2": bytes(MAX_FILE_BYTES + 1)}), ("access", []), ("access", {}),
        ("access", ["p", "CAN"]), ("access", ["p", "PIN", False]), ("access", [1, "CAN", False]),
        ("access", ["p", "CAN", 0]), ("access", ["p" * 65, "CAN", False]),
        ("access", ["p", ["CAN"], False]), ("unreadable", {"DG3": -1}),
        ("unreadable", {"DG3": 0x10000}), ("unreadable", {"DG3": False}), ("unreadable", {"X": 1}),
        ("chip_auth", []), ("chip_auth", ["maybe", "CA", None]),
        ("chip_auth", ["passed", "C" * 65, 1]),
        ("chip_auth", ["passed", "CA", 2**64]), ("chip_auth", ["passed", "CA", "1"]),
        ("chip_auth", ["passed", None, 1]), ("active_auth", [b"n"]),
        ("active_auth", [b"n", "s"]), ("active_auth", [bytes(65), b""]),
        ("active_auth", [b"", bytes(1025)]), ("active_auth", [None, b""]),
        ("version", cbor2.CBORTag(0, "2026-01-01T00:00:00Z")),
        ("files", cbor2.CBORTag(258, [1])), ("files", cbor2.CBORTag(2, b"\1")),
        ("unreadable", {"DG1": cbor2.CBORTag(28, [])}), ("access", [[[[[]]]]]),
        ("version", 1.0), ("version", None),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_malformed(key: str, value: object) -> None:
    with pytest.raises(ChipMalformed):
        Evidence.from_cbor(cbor2.dumps(TREE | {key: value}, canonical=True))


@pytest.mark.parametrize("key", sorted(TREE))
def test_no_part_may_be_absent(key: str) -> None:
    tree = {k: v for k, v in TREE.items() if k != key}
    with pytest.raises(ChipMalformed):
        Evidence.from_cbor(cbor2.dumps(tree, canonical=True))


def test_another_encoding_of_the_same_is_malformed() -> None:
    raw = Evidence({"DG1": b"\x61\x00"}, ACCESS).to_cbor()
    shuffled = cbor2.dumps(dict(reversed(TREE.items())))
    assert cbor2.loads(shuffled) == TREE
    assert shuffled != raw
    long = raw.replace(b"\x42\x61\x00", b"\x58\x02\x61\x00")
    assert cbor2.loads(long) == TREE
    indefinite = raw.replace(b"\x42\x61\x00", b"\x5f\x42\x61\x00\xff")
    doubled = raw.replace(b"\xa6", b"\xa7", 1) + cbor2.dumps("version") + b"\1"
    for other in (shuffled, long, indefinite, doubled, raw + b"\0", b"", b"\xa0", b"\x80", b"\x01"):
        with pytest.raises(ChipMalformed):
            Evidence.from_cbor(other)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x5b" + b"\xff" * 8, b"\x9b" + b"\x7f" * 8, b"\xbb" + b"\x7f" * 8, b"\x81" * 5000,
        b"\xd8\x1c" * 3000, bytes(MAX_EVIDENCE_BYTES + 1), b"\xa1\x81\x00\x00",
        b"\x7b" + b"\xff" * 8,
        b"\xa1\xa0\x00", b"\xf9\x7e\x00",
    ],
)  # fmt: skip
def test_what_would_exhaust_a_reader_is_malformed(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        Evidence.from_cbor(raw)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_evidence_or_malformed(raw: bytes, data: st.DataObject) -> None:
    sample = Evidence({"DG1": b"\x61\x00"}, ACCESS, {"DG3": 1}).to_cbor()
    at = data.draw(st.integers(0, len(sample)))
    for changed in (raw, sample[:at] + raw[:3] + sample[at + len(raw[:3]) :]):
        with contextlib.suppress(ChipMalformed):
            assert Evidence.from_cbor(changed).to_cbor() == changed


def test_all_files_together_are_bounded() -> None:
    files = {f"DG{n}": bytes(MAX_FILE_BYTES) for n in range(1, 4)}
    Evidence(files, ACCESS)
    with pytest.raises(ChipMalformed, match="the files"):
        Evidence({**files, "DG4": bytes(MAX_FILE_BYTES)}, ACCESS)
    full = {**files, "DG4": bytes(MAX_EVIDENCE_BYTES - 3 * MAX_FILE_BYTES - 8192)}
    raw = Evidence(full, ACCESS, dict.fromkeys(FILE_NAMES, 0x6982)).to_cbor()
    assert Evidence.from_cbor(raw).files == full


def test_evidence_does_not_change_under_its_owner() -> None:
    files = {"DG1": b"\x61\x00"}
    evidence = Evidence(files, ACCESS)
    files["DG1"] = b"forged"
    assert evidence.files["DG1"] == b"\x61\x00"
    for mapping in (evidence.files, evidence.unreadable):
        with pytest.raises(TypeError):
            mapping["DG1"] = b""  # type: ignore[index] # the point
    assert copy.copy(evidence) == evidence


def test_no_content_shows() -> None:
    evidence = Evidence({"DG1": b"secret", "SOD": b""}, ACCESS,
                        active_auth=ActiveAuthTranscript(b"secret", b"secret"))  # fmt: skip
    assert repr(evidence) == "<Evidence {DG1: 6 bytes, SOD: 0 bytes}>"
    assert "secret" not in repr(evidence.active_auth)
