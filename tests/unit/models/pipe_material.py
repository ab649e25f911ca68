"""A pipe where a file should be: who reads it must not wait for somebody to write."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest


def refusal_of(work, pipe):
    """Put a pipe there and return what the work raises; fail if it waits for a writer."""
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            return done.exception(timeout=5)
        except TimeoutError:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            pytest.fail("it waits for a writer")
