"""The peer: dlib's net through `face_recognition`, in an environment of its own.

Run by that environment's interpreter with `-P`, without this program: pictures in, embeddings and
times out, as JSON. `tests/bench/face_accuracy.py` has the environment made of
requirements/face-peer.txt.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from statistics import median


def main() -> None:
    """Print {"ms", "rows": [embedding or null]} of the pictures named after how often each is seen.

    Milliseconds are processor time, the median of all; one embedding a picture, in their order.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import face_recognition
    times, paths = int(sys.argv[1]), [Path(each) for each in sys.argv[2:]]
    rows, took_ms = [], []
    for path in paths:
        picture = face_recognition.load_image_file(path)
        for _ in range(times):
            begun = time.process_time()
            found = face_recognition.face_encodings(picture)
            took_ms.append((time.process_time() - begun) * 1000)
        rows.append(found[0].tolist() if found else None)
    print(json.dumps({"ms": median(took_ms), "rows": rows}))


if __name__ == "__main__":
    main()
