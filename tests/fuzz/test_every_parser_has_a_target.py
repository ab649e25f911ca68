"""Every function of the library that takes bytes is attacked, or it is said whose bytes they are.

A target counts that calls the function itself: what is only reached through another parser meets
nothing that the other lets no byte of through.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import emrtd
from tests.fuzz import _plain, targets
from tests.fuzz.corpus import corpora

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, FunctionType

HERE = str(Path(__file__).parent)
READERS = ("parse", "from_")
BYTES = {"bytes", "str | bytes", "bytes | str", "bytes | None"}
TOO_LONG_FOR_HERE = "emrtd.inspect."

NOT_OF_A_CHIP = {
    "emrtd._crypto.Cipher.checksum": "over what was received; nothing is parsed",
    "emrtd._crypto.Cipher.decrypt": "under a checksum that held; nothing is parsed",
    "emrtd._crypto.Cipher.encrypt": "our own text",
    "emrtd._crypto.Cipher.mac": "over what was received; nothing is parsed",
    "emrtd._crypto.Cipher.pad": "our own text",
    "emrtd._crypto.encrypt_block": "our own counter",
    "emrtd.active_auth.ask_for_signature": "our own nonce",
    "emrtd.cvc.VerifiedTerminal.check": "our own signature",
    "emrtd.files.nowhere": "nothing is parsed",
    "emrtd.keys.SessionKeys.derive": "a secret that was agreed; nothing is parsed",
    "emrtd.keys.derive_key": "a secret that was agreed; nothing is parsed",
    "emrtd.pace_mapping.pseudo_random": "a nonce whose length was checked; nothing is parsed",
    "emrtd.sim.pki.sign_card_security": "the simulator's own files",
    "emrtd.sim.pki.sign_security_object": "the simulator's own files",
    "emrtd.terminal_auth.SoftwareSigner.sign": "our own message",
}
"""Functions whose first bytes nobody outside has written, or that look into none of them."""


def functions() -> Iterator[tuple[str, FunctionType]]:
    """Yield the library's public functions and methods, of private modules as well."""
    for found in pkgutil.walk_packages(emrtd.__path__, "emrtd."):
        if found.name.startswith("emrtd.sim._"):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == found.name:
                yield from _of(f"{found.name}.{name}", value)


def _of(name: str, value: Any) -> Iterator[tuple[str, FunctionType]]:
    if inspect.isfunction(value):
        yield name, value
    elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):
        for method, wrapped in vars(value).items():
            function = getattr(wrapped, "__func__", wrapped)
            if inspect.isfunction(function) and not method.startswith("_"):
                yield f"{name}.{method}", function


def reads_bytes(name: str, function: FunctionType) -> bool:
    """Whether it is called like a parser, or takes bytes first."""
    if name.rpartition(".")[2].startswith(READERS):
        return True
    taken = inspect.signature(function).parameters.values()
    own = [each for each in taken if each.name not in {"self", "cls"}]
    return bool(own) and str(own[0].annotation) in BYTES


def called_by_a_target() -> set[CodeType]:
    """Return what targets call themselves, for their seeds."""
    called: set[CodeType] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        back = frame.f_back
        if event == "call" and back is not None and back.f_code.co_filename.startswith(HERE):
            called.add(frame.f_code)

    for name, target in targets().items():
        if name.startswith(TOO_LONG_FOR_HERE):
            continue
        for raw in corpora().get(name, [])[:8]:
            sys.setprofile(profile)
            try:
                _plain.tried(target, raw)
            finally:
                sys.setprofile(None)
    return called


@pytest.fixture(scope="module")
def called() -> set[CodeType]:
    return called_by_a_target()


def test_every_parser_has_a_target(called: set[CodeType]) -> None:
    without = {
        name
        for name, function in functions()
        if reads_bytes(name, function) and function.__code__ not in called
    }
    unknown = without - NOT_OF_A_CHIP.keys()
    assert not unknown, "no target of tests/fuzz calls these"


def test_the_exceptions_are_functions_that_no_target_calls() -> None:
    assert NOT_OF_A_CHIP.keys() <= {name for name, each in functions() if reads_bytes(name, each)}


def test_a_parser_without_a_target_is_noticed(called: set[CodeType]) -> None:
    def parse_anything(raw: bytes) -> bytes:
        return raw

    assert reads_bytes("emrtd.new.parse_anything", parse_anything)
    assert parse_anything.__code__ not in called
