"""The peer: NBIS (mindtct and bozorth3) through `nbis-py`, in an environment of its own.

Run by that environment's interpreter with `-P`, without this program: pictures in, scores of each
two and times out, as JSON. `tests/bench/finger.py` starts it where `build/nbis` is there; there is
no wheel for aarch64:

    python -m venv build/nbis
    build/nbis/bin/pip install --require-hashes -r requirements/nbis.txt
"""

from __future__ import annotations

import json
import sys
import time
from itertools import combinations
from pathlib import Path
from statistics import median

MIN_QUALITY = 0.0
"""Bozorth3 chooses the best minutiae itself."""


def main() -> None:
    """Print {"extract_ms", "match_ms", "scores"}, scores in the order of combinations of paths.

    With `--nfiq2` before the paths print {"nfiq2"}, of each path; null where it finds none.
    """
    from nbis import NbisError, NbisExtractorSettings, new_nbis_extractor

    judging = sys.argv[1:2] == ["--nfiq2"]
    paths = [Path(each) for each in sys.argv[1 + judging :]]
    extractor = new_nbis_extractor(
        NbisExtractorSettings(
            min_quality=MIN_QUALITY,
            get_center=False,
            check_fingerprint=False,
            compute_nfiq2=judging,
            ppi=None,
        )
    )
    if judging:
        judged: list[int | None] = []
        for path in paths:
            try:
                judged.append(extractor.extract_minutiae(path.read_bytes()).quality().score)
            except NbisError:
                judged.append(None)
        print(json.dumps({"nfiq2": judged}))
        return
    found, took_ms = [], []
    for path in paths:
        raw = path.read_bytes()
        begun = time.process_time()
        found.append(extractor.extract_minutiae(raw))
        took_ms.append((time.process_time() - begun) * 1000)
    begun = time.process_time()
    scores = [a.compare(b) for a, b in combinations(found, 2)]
    match_ms = (time.process_time() - begun) * 1000 / max(len(scores), 1)
    print(json.dumps({"extract_ms": median(took_ms), "match_ms": match_ms, "scores": scores}))


if __name__ == "__main__":
    main()
