"""WSQ, the coding of fingerprint pictures: bytes from outside in, grey pixels out.

Spec: [IAFIS-IC-0110].
"""

from models.finger.wsq.decode import MAX_BYTES, MAX_SIDE_PX, MIN_SIDE_PX, WSQPicture, decode
from models.finger.wsq.errors import WSQError

__all__ = ["MAX_BYTES", "MAX_SIDE_PX", "MIN_SIDE_PX", "WSQError", "WSQPicture", "decode"]
