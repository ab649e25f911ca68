"""The standardised groups of prime order: of integers modulo a prime, and of points on a curve.

Knows what PACE needs of a group, and that an element from a chip is nothing before it was found in
its subgroup. Its arithmetic is not constant-time: it is for keys that live for one dialogue.

Spec: [9303-11] 9.5.1, 9.6; the three groups of integers are those of RFC 5114.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from emrtd._curves import STANDARDISED as CURVES
from emrtd.errors import ChipMalformed, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

E = TypeVar("E")

_STRENGTH_BITS = {1024: 80, 2048: 112}
"""What a discrete logarithm modulo a prime of so many bits is worth."""


class Group(Protocol[E]):
    """A group of prime order.

    Attributes:
        PUBLIC_KEY_TAG: of a public key in a public key data object.
        p: the prime of the field that the elements are made of.
        order: of every element but the neutral one.
        generator: the standard's.
    """

    PUBLIC_KEY_TAG: ClassVar[int]

    @property
    def p(self) -> int: ...
    @property
    def order(self) -> int: ...
    @property
    def generator(self) -> E: ...
    @property
    def strength_bits(self) -> int:
        """What breaking it costs, as the length of a symmetric key."""

    @property
    def maps_integers(self) -> bool:
        """Whether `map_integer` is defined."""

    def multiply(self, scalar: int, element: E, /) -> E:
        """Combine an element with itself. Raises ChipMalformed if that is the neutral one."""

    def add(self, one: E, other: E, /) -> E:
        """Combine two elements. Raises ChipMalformed if that is the neutral one."""

    def agree(self, private: int, theirs: E, /) -> tuple[E, bytes]:
        """Return our public key on the standard's generator, and the secret shared with theirs.

        Raises:
            ChipMalformed: the secret is the neutral element.
        """

    def encode(self, element: E, /) -> bytes:
        """Encode a public key."""

    def decode(self, raw: bytes, /) -> E:
        """Decode a public key. Raises ChipMalformed if it is no element, or the neutral one."""

    def secret(self, element: E, /) -> bytes:
        """Return the shared secret that an element is."""

    def map_integer(self, value: int, /) -> E:
        """Return the element that the integrated mapping gives a field element.

        Raises:
            ChipMalformed: that field element has none.
        """


@dataclass(frozen=True, slots=True, eq=False)
class ModularGroup:
    """A subgroup of the integers modulo a prime; its elements are integers.

    Attributes:
        p: the prime.
        order: of the subgroup, a prime.
        generator: of the subgroup.
    """

    p: int
    order: int
    generator: int

    PUBLIC_KEY_TAG: ClassVar[int] = 0x84

    @property
    def strength_bits(self) -> int:
        """What breaking it costs, as the length of a symmetric key."""
        return _STRENGTH_BITS[self.p.bit_length()]

    @property
    def maps_integers(self) -> bool:
        """Whether `map_integer` is defined: always."""
        return True

    def multiply(self, scalar: int, element: int, /) -> int:
        """Return the element to the power of a scalar. Raises ChipMalformed if that is one."""
        return _not_neutral(pow(element, scalar, self.p))

    def add(self, one: int, other: int, /) -> int:
        """Return the product. Raises ChipMalformed if that is one."""
        return _not_neutral(one * other % self.p)

    def agree(self, private: int, theirs: int, /) -> tuple[int, bytes]:
        """Return our public key, and the secret. Raises ChipMalformed if that is one."""
        own = self.multiply(private, self.generator)
        return own, self.secret(self.multiply(private, theirs))

    def encode(self, element: int, /) -> bytes:
        """Encode as an unsigned integer, which has no leading zeros."""  # [9303-11] 9.4.3
        return element.to_bytes((element.bit_length() + 7) // 8, "big")

    def decode(self, raw: bytes, /) -> int:
        """Decode an unsigned integer.

        Raises:
            ChipMalformed: not an element of the subgroup, or the neutral one.
        """
        if len(raw) > self._bytes:
            raise _no_element(f"{len(raw)} bytes")
        element = int.from_bytes(raw, "big")
        # [9303-11] 4.4.3.3.1: else a chip could answer in a small subgroup.
        if not 1 < element < self.p or pow(element, self.order, self.p) != 1:
            raise _no_element("not in the subgroup")
        return element

    def secret(self, element: int, /) -> bytes:
        """Return the shared secret, as long as the prime."""  # [9303-11] 9.6: as in PKCS#3
        return element.to_bytes(self._bytes, "big")

    def map_integer(self, value: int, /) -> int:
        """Return the value to the power of the cofactor.

        Raises:
            ChipMalformed: that is no generator.
        """
        element = pow(value, (self.p - 1) // self.order, self.p)
        if element <= 1:  # [9303-11] 4.4.3.3.2
            raise ChipMalformed("PACE map nonce", "the nonce has no generator")
        return element

    @property
    def _bytes(self) -> int:
        return (self.p.bit_length() + 7) // 8


def _no_element(why: str) -> ChipMalformed:
    return ChipMalformed("public key", why, fault=Fault.PUBLIC_KEY_INVALID)


def _not_neutral(element: int) -> int:
    if element == 1:
        raise _no_element("the neutral element")
    return element


def _group(p: str, generator: str, order: str) -> ModularGroup:
    return ModularGroup(int(p, 16), int(order, 16), int(generator, 16))


MODULAR: Mapping[int, ModularGroup] = MappingProxyType(
    {
        0: _group(
            "B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D18"
            "9838EF1E2EE652C013ECB4AEA906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A7372"
            "4EFFD6FAE5644738FAA31A4FF55BCCC0A151AF5F0DC8B4BD45BF37DF365C1A65E68CFDA76D4DA708"
            "DF1FB2BC2E4A4371",
            "A4D1CBD5C3FD34126765A442EFB99905F8104DD258AC507FD6406CFF14266D31266FEA1E5C41564B"
            "777E690F5504F213160217B4B01B886A5E91547F9E2749F4D7FBD7D3B9A92EE1909D0D2263F80A76"
            "A6A24C087A091F531DBF0A0169B6A28AD662A4D18E73AFA32D779D5918D08BC8858F4DCEF97C2A24"
            "855E6EEB22B3B2E5",
            "F518AA8781A8DF278ABA4E7D64B7CB9D49462353",
        ),
        1: _group(
            "AD107E1E9123A9D0D660FAA79559C51FA20D64E5683B9FD1B54B1597B61D0A75E6FA141DF95A56DB"
            "AF9A3C407BA1DF15EB3D688A309C180E1DE6B85A1274A0A66D3F8152AD6AC2129037C9EDEFDA4DF8"
            "D91E8FEF55B7394B7AD5B7D0B6C12207C9F98D11ED34DBF6C6BA0B2C8BBC27BE6A00E0A0B9C49708"
            "B3BF8A317091883681286130BC8985DB1602E714415D9330278273C7DE31EFDC7310F7121FD5A074"
            "15987D9ADC0A486DCDF93ACC44328387315D75E198C641A480CD86A1B9E587E8BE60E69CC928B2B9"
            "C52172E413042E9B23F10B0E16E79763C9B53DCF4BA80A29E3FB73C16B8E75B97EF363E2FFA31F71"
            "CF9DE5384E71B81C0AC4DFFE0C10E64F",
            "AC4032EF4F2D9AE39DF30B5C8FFDAC506CDEBE7B89998CAF74866A08CFE4FFE3A6824A4E10B9A6F0"
            "DD921F01A70C4AFAAB739D7700C29F52C57DB17C620A8652BE5E9001A8D66AD7C17669101999024A"
            "F4D027275AC1348BB8A762D0521BC98AE247150422EA1ED409939D54DA7460CDB5F6C6B250717CBE"
            "F180EB34118E98D119529A45D6F834566E3025E316A330EFBB77A86F0C1AB15B051AE3D428C8F8AC"
            "B70A8137150B8EEB10E183EDD19963DDD9E263E4770589EF6AA21E7F5F2FF381B539CCE3409D13CD"
            "566AFBB48D6C019181E1BCFE94B30269EDFE72FE9B6AA4BD7B5A0F1C71CFFF4C19C418E1F6EC0179"
            "81BC087F2A7065B384B890D3191F2BFA",
            "801C0D34C58D93FE997177101F80535A4738CEBCBF389A99B36371EB",
        ),
        2: _group(
            "87A8E61DB4B6663CFFBBD19C651959998CEEF608660DD0F25D2CEED4435E3B00E00DF8F1D61957D4"
            "FAF7DF4561B2AA3016C3D91134096FAA3BF4296D830E9A7C209E0C6497517ABD5A8A9D306BCF67ED"
            "91F9E6725B4758C022E0B1EF4275BF7B6C5BFC11D45F9088B941F54EB1E59BB8BC39A0BF12307F5C"
            "4FDB70C581B23F76B63ACAE1CAA6B7902D52526735488A0EF13C6D9A51BFA4AB3AD8347796524D8E"
            "F6A167B5A41825D967E144E5140564251CCACB83E6B486F6B3CA3F7971506026C0B857F689962856"
            "DED4010ABD0BE621C3A3960A54E710C375F26375D7014103A4B54330C198AF126116D2276E11715F"
            "693877FAD7EF09CADB094AE91E1A1597",
            "3FB32C9B73134D0B2E77506660EDBD484CA7B18F21EF205407F4793A1A0BA12510DBC15077BE463F"
            "FF4FED4AAC0BB555BE3A6C1B0C6B47B1BC3773BF7E8C6F62901228F8C28CBB18A55AE31341000A65"
            "0196F931C77A57F2DDF463E5E9EC144B777DE62AAAB8A8628AC376D282D6ED3864E67982428EBC83"
            "1D14348F6F2F9193B5045AF2767164E1DFC967C1FB3F2E55A4BD1BFFE83B9C80D052B985D182EA0A"
            "DB2A3B7313D3FE14C8484B1E052588B9B7D2BBD2DF016199ECD06E1557CD0915B3353BBB64E0EC37"
            "7FD028370DF92B52C7891428CDC67EB6184B523D1DB246C32F63078490F00EF8D647D148D4795451"
            "5E2327CFEF98C582664B4C0F6CC41659",
            "8CF83642A709A097B447997640129DA299B1A47D1EB3750BA308B0FE64F5FBD3",
        ),
    }
)
"""By the identifier of the standardised domain parameters."""

STANDARDISED: Mapping[int, Group[Any]] = MappingProxyType({**MODULAR, **CURVES})
"""Every group that has an identifier, by it."""
