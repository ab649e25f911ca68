"""The peer: dlib's net through `face_recognition`, in an environment of its own.

Run by that environment's interpreter with `-P`, without this program: pictures in, embeddings and
times out, as JSON. `tests/bench/face.py` starts it where `build/peer` is there:

    python -m venv build/peer
    build/peer/bin/pip install dlib-bin==20.0.1.post1 numpy pillow click "setuptools<81" \
        face_recognition_models==0.3.0
    build/peer/bin/pip install --no-deps face_recognition==1.3.0
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from statistics import median

TIMES = 5


def main() -> None:
    """Print {"ms", "rows": {name: embedding or null}} of the pictures that are named."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import face_recognition
    times, paths = int(sys.argv[1]), [Path(each) for each in sys.argv[2:]]
    rows, took_ms = {}, []
    for path in paths:
        picture = face_recognition.load_image_file(path)
        for _ in range(times):
            begun = time.perf_counter()
            found = face_recognition.face_encodings(picture)
            took_ms.append((time.perf_counter() - begun) * 1000)
        rows[path.name] = found[0].tolist() if found else None
    print(json.dumps({"ms": median(took_ms), "rows": rows}))


if __name__ == "__main__":
    main()
