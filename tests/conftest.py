"""What one test sets for its whole process, the next one does not meet."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Put the process's logging back, whoever configured it meanwhile."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**configured)


@pytest.fixture(autouse=True)
def _logging_of_each_test() -> Iterator[None]:
    with logging_as_it_was():
        yield


@pytest.fixture(scope="module")
def logging_of_the_module() -> Iterator[None]:
    """For a module whose own fixture configures logging."""
    with logging_as_it_was():
        yield
