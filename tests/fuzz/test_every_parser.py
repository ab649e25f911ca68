"""Every parser of the house meets bytes it never asked for: a value or its typed error, soon."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=60, deadline=2000)
@given(raw=st.one_of(st.binary(max_size=300), st.binary(max_size=40).map(lambda b: b * 50)))
def test_any_bytes_give_a_value_or_a_typed_error(name: str, raw: bytes) -> None:
    target = TARGETS[name]
    with contextlib.suppress(target.errors):
        target.parse(raw)
