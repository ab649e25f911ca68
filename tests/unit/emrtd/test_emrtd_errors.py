from __future__ import annotations

import inspect as introspection

import pytest

import emrtd
from emrtd import errors
from emrtd.errors import (
    AccessUnsupported,
    ChannelBroken,
    ChipGone,
    ChipLied,
    ChipMalformed,
    ChipRefused,
    EMRTDError,
    Fault,
    WrongPassword,
)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ChipGone(), Fault.CHIP_GONE),
        (ChipRefused(0x6982, "READ BINARY DG3"), Fault.CHIP_REFUSED),
        (WrongPassword(0x6300, "PACE"), Fault.WRONG_PASSWORD),
        (AccessUnsupported("PACE"), Fault.ACCESS_UNSUPPORTED),
        (ChipMalformed("TLV", "cut short"), Fault.CHIP_MALFORMED),
        (ChipMalformed("READ BINARY DG2", fault=Fault.FILE_TOO_LARGE), Fault.FILE_TOO_LARGE),
        (ChannelBroken("secure messaging"), Fault.CHANNEL_BROKEN),
        (ChannelBroken("secure messaging", fault=Fault.SESSION_LOST), Fault.SESSION_LOST),
        (ChipLied(Fault.CARD_SWAPPED, "confirm presence"), Fault.CARD_SWAPPED),
    ],
)
def test_every_error_names_its_fault_and_the_step(error: EMRTDError, fault: Fault) -> None:
    assert isinstance(error, EMRTDError)
    assert error.fault is fault
    assert str(error).startswith(f"{fault.value} while {error.doing}")


def test_a_wrong_password_is_a_refusal_with_its_status() -> None:
    error = WrongPassword(0x63C2, "PACE mutual authentication")
    assert isinstance(error, ChipRefused)
    assert (error.sw, str(error)) == (
        0x63C2, "wrong_password while PACE mutual authentication: status 63C2",
    )  # fmt: skip


def test_a_code_that_was_given_once_stays() -> None:
    """Kept evidence and records name them, and programs rely on them; new ones may come."""
    assert {each.value for each in Fault} >= {
        "chip_gone", "chip_refused", "wrong_password", "access_unsupported", "chip_malformed",
        "channel_broken", "advertised_file_missing", "data_hash_mismatch", "signature_invalid",
        "issuer_unknown", "signer_expired", "signer_revoked", "chip_key_mismatch", "card_swapped",
    }  # fmt: skip


def test_there_is_one_root_and_every_fault_says_what_it_is() -> None:
    found = [each for _, each in introspection.getmembers(errors, introspection.isclass)
             if issubclass(each, Exception)]  # fmt: skip
    assert all(issubclass(each, EMRTDError) for each in found)
    source = introspection.getsource(Fault)
    for fault in Fault:
        assert fault.value == fault.name.lower()
        assert f"{fault.name} = " in source
    assert source.count('    """') == 1 + len(Fault)


@pytest.mark.parametrize("name", emrtd.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    public = getattr(emrtd, name)
    if introspection.isclass(public):
        assert public.__doc__
