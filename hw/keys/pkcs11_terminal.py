"""A terminal's key in a hardware security module, by PKCS #11: the key never leaves it.

Knows the few calls that find one private key on one token and sign with it. Does not know what is
signed: it is a `TerminalSigner` of the eMRTD library. The module is the operator's; it is loaded
when a signer is opened, and logged out of when that is closed.

Spec: PKCS #11 version 2.40; [TR-03110-3] for what is signed how.
"""

from __future__ import annotations

import ctypes
import hashlib
from typing import TYPE_CHECKING, Self

from emrtd.cvc import ECKey
from hw.errors import DeviceFailed, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from emrtd.cvc import Key

MAX_SIGNATURE_BYTES = 1024
MAX_TOKENS = 64

_ULONG = ctypes.c_ulong
_OK, _ALREADY = 0x0, 0x191
_SERIAL_SESSION, _USER = 0x4, 1
_CLASS, _LABEL, _PRIVATE_KEY = 0x0, 0x3, 0x3
_ECDSA = 0x1041
_RSA_MECHANISMS = {
    ("sha1", False): 0x06, ("sha256", False): 0x40, ("sha512", False): 0x42,
    ("sha1", True): 0x0E, ("sha256", True): 0x43, ("sha512", True): 0x45,
}  # fmt: skip
_PSS_DIGESTS = {"sha1": (0x220, 1, 20), "sha256": (0x250, 2, 32), "sha512": (0x270, 4, 64)}
"""Digest, mask generation and salt length, as the mechanism wants them."""
_FUNCTIONS = {
    "C_Initialize": 0, "C_GetSlotList": 4, "C_GetTokenInfo": 6, "C_OpenSession": 12,
    "C_CloseSession": 13, "C_Login": 18, "C_FindObjectsInit": 26, "C_FindObjects": 27,
    "C_FindObjectsFinal": 28, "C_SignInit": 42, "C_Sign": 43,
}  # fmt: skip
"""Places in the module's list of functions."""
_LABEL_BYTES, _TOKEN_INFO_BYTES, _ALL_FUNCTIONS = 32, 512, 68


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * _ALL_FUNCTIONS))


class _Attribute(ctypes.Structure):
    _fields_ = (("type", _ULONG), ("value", ctypes.c_void_p), ("length", _ULONG))


class _Mechanism(ctypes.Structure):
    _fields_ = (("type", _ULONG), ("parameter", ctypes.c_void_p), ("length", _ULONG))


class Pkcs11Terminal:
    """One private key on one token, from `__init__` to `close`."""

    def __init__(self, module: Path, *, token: str, key: str, pin: str, signs: Key) -> None:
        """Open.

        Args:
            module: the vendor's shared library.
            token: the token's label.
            key: the private key's label on it.
            pin: of the token's user; it is not kept.
            signs: the public key of the terminal's certificate, which says how it signs.

        Raises:
            DeviceMissing: no such module, token or key.
            DeviceFailed: the module refuses.
        """
        self._signs = signs
        self._functions = _load(module)
        self._call("C_Initialize", None, allowed=(_OK, _ALREADY))
        session = _ULONG()
        slot = self._slot(token)
        self._call(
            "C_OpenSession", slot, _ULONG(_SERIAL_SESSION), None, None, ctypes.byref(session)
        )
        self._session: ctypes.c_ulong | None = session
        try:
            secret = pin.encode()
            self._call("C_Login", session, _ULONG(_USER), secret, _ULONG(len(secret)))
            self._key = self._find(session, key)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, which logs it out. May be called twice."""
        session, self._session = self._session, None
        if session is not None:
            self._call("C_CloseSession", session)

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data, as the terminal's certificate says that it signs.

        Raises:
            DeviceFailed: it was closed, or the module refuses.
        """
        if self._session is None:
            raise DeviceFailed("keys", "the signer is closed")
        parameter, prepared = None, data
        if isinstance(self._signs, ECKey):
            kind = _ECDSA
            prepared = hashlib.new(self._signs.digest, data, usedforsecurity=False).digest()
        else:
            name = self._signs.digest.name
            kind = _RSA_MECHANISMS[name, self._signs.pss]
            parameter = (_ULONG * 3)(*_PSS_DIGESTS[name]) if self._signs.pss else None
        mechanism = _Mechanism(
            kind,
            None if parameter is None else ctypes.cast(parameter, ctypes.c_void_p),
            0 if parameter is None else ctypes.sizeof(parameter),
        )
        self._call("C_SignInit", self._session, ctypes.byref(mechanism), self._key)
        made = ctypes.create_string_buffer(MAX_SIGNATURE_BYTES)
        length = _ULONG(len(made))
        self._call(
            "C_Sign", self._session, prepared, _ULONG(len(prepared)), made, ctypes.byref(length)
        )
        return made.raw[: length.value]

    def _slot(self, token: str) -> ctypes.c_ulong:
        slots, count = (_ULONG * MAX_TOKENS)(), _ULONG(MAX_TOKENS)
        self._call("C_GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(count))
        for slot in slots[: count.value]:
            about = ctypes.create_string_buffer(_TOKEN_INFO_BYTES)
            self._call("C_GetTokenInfo", _ULONG(slot), about)
            if about.raw[:_LABEL_BYTES].rstrip(b" ") == token.encode():
                return _ULONG(slot)
        raise DeviceMissing("keys", "no token of that label")

    def _find(self, session: ctypes.c_ulong, label: str) -> ctypes.c_ulong:
        kind, name = _ULONG(_PRIVATE_KEY), ctypes.create_string_buffer(label.encode())
        wanted = (_Attribute * 2)(
            _Attribute(_CLASS, ctypes.cast(ctypes.byref(kind), ctypes.c_void_p), 8),
            _Attribute(_LABEL, ctypes.cast(name, ctypes.c_void_p), len(name) - 1),
        )
        self._call("C_FindObjectsInit", session, wanted, _ULONG(2))
        found, count = (_ULONG * 2)(), _ULONG()
        self._call("C_FindObjects", session, found, _ULONG(2), ctypes.byref(count))
        self._call("C_FindObjectsFinal", session)
        if count.value != 1:
            raise DeviceMissing("keys", f"{count.value} private keys of that label")
        return _ULONG(found[0])

    def _call(self, name: str, *arguments: object, allowed: tuple[int, ...] = (_OK,)) -> None:
        status = self._functions[name](*arguments)
        if status not in allowed:
            raise DeviceFailed("keys", f"{name}: {status:#x}")


def _load(module: Path) -> dict[str, Callable[..., int]]:
    try:
        library = ctypes.CDLL(str(module))
        get = library.C_GetFunctionList
    except (OSError, AttributeError) as error:
        raise DeviceMissing("keys", "no PKCS #11 module") from error
    get.restype = _ULONG
    found = ctypes.POINTER(_FunctionList)()
    if get(ctypes.byref(found)) != _OK:
        raise DeviceFailed("keys", "C_GetFunctionList")
    prototype = ctypes.CFUNCTYPE(_ULONG)
    return {name: prototype(found.contents.functions[at]) for name, at in _FUNCTIONS.items()}
