"""Device keys: the port of a key that signs and never shows itself."""

from hw.keys.port import KeyPort

__all__ = ["KeyPort"]
