"""The parts that LEADER's file is written of, each against sums that are written out here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.runtime import ModelError, load
from provisioning.weights_h5 import HDF5Error
from provisioning.weights_leader import _before_doubling, _Net, convert
from provisioning.weights_tflite import (
    ADD,
    GELU,
    INVERSE_ROOT,
    LOGISTIC,
    MULTIPLY,
    ROWS,
    SUBTRACT,
    Graph,
    Padding,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "hdf5"
ERF = ((-2.0, -0.0455), (-0.5, -0.154269), (0.0, 0.0), (1.0, 0.841345), (3.0, 2.99595))
"""x times the normal distribution's function at x, from a table."""


def computed(shape, draw, given, *, at=None):
    graph = Graph()
    x = graph.variable(shape)
    drawn = draw(graph, x)
    content = graph.write(
        inputs=[x], outputs=list(drawn) if isinstance(drawn, tuple) else [drawn], description=""
    )
    return load(content, shape=at).run([given.astype(np.float32)])


def picture(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def summed(grey, filters, dilation=(1, 1)):
    """Return a SAME convolution of (H, W, in) with (rows, columns, in, out), sum by sum."""
    rows, columns, _, out = filters.shape
    reach = [dilation[0] * (rows - 1) // 2, dilation[1] * (columns - 1) // 2]
    after = [dilation[0] * (rows - 1) - reach[0], dilation[1] * (columns - 1) - reach[1]]
    padded = np.pad(grey, [*zip(reach, after, strict=True), (0, 0)])
    total = np.zeros((*grey.shape[:2], out))
    for row, column in np.ndindex(rows, columns):
        down, right = row * dilation[0], column * dilation[1]
        part = padded[down : down + grey.shape[0], right : right + grey.shape[1]]
        total += part @ filters[row, column]
    return total


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_dilated_windows_look_further(dilation):
    given, filters = picture(1, 9, 12, 3), picture(3, 3, 3, 4, seed=2)

    def draw(graph, x):
        weights = graph.constant(filters.transpose(3, 0, 1, 2).astype(np.float32))
        biases = graph.constant(np.zeros(4, np.float32))
        return graph.convolve(
            x, weights=weights, biases=biases, stride=1, padding=Padding.SAME, relu=False,
            dilation=dilation,
        )  # fmt: skip

    (found,) = computed((1, 9, 12, 3), draw, given)
    np.testing.assert_allclose(found[0], summed(given[0], filters, (dilation, dilation)), atol=1e-5)


def test_a_wide_window_is_the_sum_of_three():
    given, filters = picture(1, 11, 10, 3), picture(7, 7, 3, seed=3)

    def draw(graph, x):
        net = _Net({}, "float32", graph)
        return net._convolve_wide(x, filters)

    (found,) = computed((1, 11, 10, 3), draw, given)
    of_each = filters[..., None] * np.eye(3)
    np.testing.assert_allclose(found[0], summed(given[0], of_each), atol=1e-5)


def test_a_window_before_doubling_is_one_after_it():
    given, filters = picture(1, 5, 6, 4), picture(5, 5, 4, 2, seed=4)

    def draw(graph, x):
        net = _Net({}, "float32", graph)
        return graph.spread(net._convolve(x, _before_doubling(filters), np.zeros(8)), side=2)

    (found,) = computed((1, 5, 6, 4), draw, given)
    doubled = given[0].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(found[0], summed(doubled, filters), atol=1e-5)


def test_halves_joined_and_spread():
    given = picture(1, 2, 3, 8)

    def draw(graph, x):
        first, last = graph.split(x, 2)
        return graph.join(last, first), graph.spread(x, side=2), graph.mean_of_channels(x)

    joined, spread, mean = computed((1, 2, 3, 8), draw, given)
    np.testing.assert_allclose(joined, np.roll(given, 4, axis=3), atol=1e-6)
    placed = given.reshape(2, 3, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(1, 4, 6, 2)
    np.testing.assert_allclose(spread, placed, atol=1e-6)
    np.testing.assert_allclose(mean[..., 0], given.mean(axis=3), atol=1e-6)


def test_strips_of_rows_joined():
    given = picture(1, 8, 3, 2)

    def draw(graph, x):
        one, two, three, four = graph.split(x, 4, axis=ROWS)
        return graph.join(four, one, two, three, axis=ROWS)

    (found,) = computed((1, 8, 3, 2), draw, given)
    np.testing.assert_allclose(found, np.roll(given, 2, axis=1), atol=1e-6)


def test_single_values_and_pairs():
    given = np.abs(picture(1, 2, 3, 4)) + 0.1

    def draw(graph, x):
        mean = graph.mean_of_channels(x)
        return (
            graph.apply(LOGISTIC, x),
            graph.apply(INVERSE_ROOT, x),
            graph.combine(SUBTRACT, x, mean),
            graph.combine(MULTIPLY, x, mean),
            graph.combine(ADD, x, mean),
        )

    found = computed((1, 2, 3, 4), draw, given)
    mean = given.mean(axis=3, keepdims=True)
    expected = (1 / (1 + np.exp(-given)), given**-0.5, given - mean, given * mean, given + mean)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_gelu_is_the_exact_one():
    given = np.array([x for x, _ in ERF]).reshape(1, 1, 1, -1)
    (found,) = computed(given.shape, lambda graph, x: graph.apply(GELU, x), given)
    np.testing.assert_allclose(found.ravel(), [y for _, y in ERF], atol=2e-5)


def test_another_shape_is_computed_as_if_it_were_the_files():
    given = picture(1, 6, 8, 4)

    def draw(graph, x):
        y = graph.spread(graph.join(x, x, x, x), side=2)
        first, last = graph.split(y, 2)
        return graph.combine(SUBTRACT, first, last)

    (found,) = computed((1, 2, 2, 4), draw, given, at=(1, 6, 8, 4))
    (expected,) = computed((1, 6, 8, 4), draw, given)
    assert found.shape == (1, 12, 16, 2)
    np.testing.assert_array_equal(found, expected)


def test_a_shape_that_does_not_fit_is_refused():
    graph = Graph()
    x = graph.variable((1, 2, 2, 4))
    y = graph.join(x, graph.constant(np.ones((1, 2, 2, 4), np.float32)))
    content = graph.write(inputs=[x], outputs=[y], description="")
    with pytest.raises(ModelError):
        load(content, shape=(1, 3, 2, 4))


def test_weights_of_another_net_are_refused():
    with pytest.raises(HDF5Error, match="another net"):
        convert((VECTORS / "weights.h5").read_bytes(), weights="int8")


def test_weights_of_nothing_stay_nothing_in_8_bits():
    graph = Graph()
    x = graph.variable((1, 2, 2, 3))
    values = np.zeros((4, 1, 1, 3))
    values[1] = 0.5
    y = graph.convolve(
        x, weights=graph.kept(values, "int8"), biases=graph.constant(np.ones(4, np.float32)),
        stride=1, padding=Padding.SAME, relu=False,
    )  # fmt: skip
    content = graph.write(inputs=[x], outputs=[y], description="")
    (found,) = load(content).run([np.ones((1, 2, 2, 3), np.float32)])
    np.testing.assert_allclose(found[0, 0, 0], [1, 2.5, 1, 1], atol=0.02)
