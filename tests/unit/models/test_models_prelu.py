"""One operator for five: the same numbers, bit by bit, and nothing but that is ever changed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from face_material import MODELS, READY, WHY_NOT
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import load_verified, manifests
from models.prelu import shortened

NAME = "mobilefacenet"
OPERATORS = 98
"""Of the net: 230 with the spelled ones, of which 33 times four go."""
needs_nets = pytest.mark.skipif(not READY, reason=WHY_NOT)


@cache
def spelled() -> bytes:
    return load_verified(MODELS, NAME)


def interpreter(content: bytes):
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(model_content=content, num_threads=1)
    made.allocate_tensors()
    return made


def run(content: bytes, given_: np.ndarray) -> np.ndarray:
    made = interpreter(content)
    made.set_tensor(made.get_input_details()[0]["index"], given_)
    made.invoke()
    return made.get_tensor(made.get_output_details()[0]["index"])


@needs_nets
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e3])
def test_the_numbers_are_the_same(scale: float) -> None:
    numbers = np.random.default_rng(3).normal(0, scale, (2, 112, 112, 3)).astype(np.float32)
    np.testing.assert_array_equal(run(spelled(), numbers), run(shortened(spelled()), numbers))


@needs_nets
def test_it_has_fewer_operators() -> None:
    kinds = [each["op_name"] for each in interpreter(shortened(spelled()))._get_ops_details()]
    assert kinds.count("PRELU") == 33
    assert not {"ABS", "SUB", "MUL", "RELU"} & set(kinds)
    assert len(kinds) - kinds.count("DELEGATE") == OPERATORS
    assert len(shortened(spelled())) == len(spelled())


@needs_nets
def test_once_is_enough_and_other_nets_stay_as_they_are() -> None:
    assert shortened(shortened(spelled())) == shortened(spelled())
    for name in manifests():
        content = load_verified(MODELS, name)
        assert (shortened(content) is content) == (name != NAME)


@needs_nets
@given(st.data())
def test_a_net_that_is_cut_off_stays_as_it_is(data: st.DataObject) -> None:
    cut = spelled()[: data.draw(st.integers(0, len(spelled()) - 1))]
    changed = shortened(cut)
    assert len(changed) == len(cut)


@needs_nets
@given(st.integers(0, 200_000), st.integers(0, 255))
def test_a_net_that_is_spoilt_never_ends_otherwise(place: int, value: int) -> None:
    spoilt = bytearray(spelled())
    # Tables lie at the end of the file, the numbers of the net before them.
    spoilt[-1 - place] = value
    assert len(shortened(bytes(spoilt))) == len(spoilt)


@given(st.binary(max_size=2048))
def test_what_is_no_net_stays_as_it_is(content: bytes) -> None:
    assert shortened(content) == content
