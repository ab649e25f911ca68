"""The conversion of dlib's net: equal to a forward pass that was written apart from it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from dlib_material import Layer, Net, forward, made_up, written
from face_material import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st

from models.manifest import find
from models.runtime import load
from provisioning.weights_dat import DatError, read
from provisioning.weights_dlib import CONVOLUTIONS, convert
from provisioning.weights_tflite import Graph, Padding

BUILT = (MODELS / "dlib-resnet.tflite").exists()
WHY_NOT = "build/models: made by `make setup`"
TOLERANCES = {"float32": 1e-5, "float16": 2e-3, "int8": 0.05}
"""Distance from the float64 result, over its length. With weights of 8 bits the runtime rounds what
flows between the layers to 256 steps too."""


@cache
def net():
    return made_up(7)


@cache
def raw():
    return written(net())


def pictures():
    """Return noise, patches and a slope: what no single layer treats alike."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0:150, 0:150]
    slope = np.stack([x, y, 255 - x], axis=2)
    patches = np.kron(rng.integers(0, 256, (15, 15, 3)), np.ones((10, 10, 1)))
    return [each.astype(np.uint8) for each in (rng.integers(0, 256, (150, 150, 3)), patches, slope)]


def computed(content, rgb):
    (row,) = load(content).run([rgb[None].astype(np.float32)])
    return row[0].astype(float)


def off(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("weights", sorted(TOLERANCES))
def test_the_converted_net_is_the_net(weights):
    content = convert(raw(), weights=weights)
    worst = max(off(computed(content, each), forward(net(), each)) for each in pictures())
    print(f"{weights}: {len(content)} bytes, at most {worst:.1e} of the length away")
    assert worst < TOLERANCES[weights]


def test_the_same_file_becomes_the_same_bytes():
    assert convert(raw(), weights="int8") == convert(bytes(bytearray(raw())), weights="int8")


@pytest.mark.skipif(not BUILT, reason=WHY_NOT)
def test_the_shipped_net_computes_what_its_own_weights_say():
    """The weights are read back by the runtime's own schema, and computed with in float64."""
    content = find(MODELS, "dlib-resnet")[1]
    shipped = weights_of(content)
    rows = [(computed(content, each), forward(shipped, each)) for each in pictures()]
    assert max(off(found, expected) for found, expected in rows) < TOLERANCES["int8"]
    assert all(0.5 < np.linalg.norm(expected) < 3 for _, expected in rows)


def weights_of(content):
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    assert model.version == 3
    (graph,) = model.subgraphs
    codes = [each.builtinCode for each in model.operatorCodes]
    layers, full = [], None
    for each in graph.operators:
        code = codes[each.opcodeIndex]
        if code == schema.BuiltinOperator.CONV_2D:
            options = each.builtinOptions
            layers.append(convolution(model, graph, each, options.strideW))
            assert options.strideW == options.strideH
            padding = schema.Padding.SAME if options.strideW == 1 else schema.Padding.VALID
            assert options.padding == padding
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            full = values(model, graph.tensors[each.inputs[1]], np.float32).T
    first, *rest = layers
    # The first layer takes 0..255: the oracle's own mean and scale are taken out again.
    mean = np.array([122.78199768, 117.0009995, 104.2979965])
    first.biases = first.biases + first.filters.sum(axis=(2, 3)) @ mean
    first.filters = first.filters * 256.0
    return Net([first, *rest], full)


def convolution(model, graph, operator, stride):
    weights, biases = (graph.tensors[each] for each in operator.inputs[1:])
    assert weights.type == schema.TensorType.INT8
    assert weights.quantization.quantizedDimension == 0
    assert not np.any(weights.quantization.zeroPoint)
    scale = np.asarray(weights.quantization.scale, float)[:, None, None, None]
    filters = (values(model, weights, np.int8) * scale).transpose(0, 3, 1, 2)
    ones = np.ones(len(filters))
    return Layer(filters, values(model, biases, np.float32).astype(float), stride, ones, ones * 0)


def values(model, tensor, kind):
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(tensor.shape)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_data_lies_where_the_schema_wants_it(kind):
    content = convert(raw(), weights=kind)
    root = schema.Model.GetRootAs(content, 0)
    filled = [root.Buffers(number) for number in range(root.BuffersLength())]
    places = [each.DataAsNumpy() for each in filled if each.DataLength()]
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    assert all((each.__array_interface__["data"][0] - start) % 16 == 0 for each in places)
    assert filled[0].DataLength() == 0


def test_a_graph_of_single_operators_is_computed_as_drawn():
    graph = Graph()
    given_ = graph.variable((1, 4, 4, 2))
    weights = graph.constant(np.arange(36, dtype=np.float32).reshape(2, 3, 3, 2) / 36)
    biases = graph.constant(np.array([1, -100], np.float32))
    x = graph.convolve(
        given_, weights=weights, biases=biases, stride=1, padding=Padding.SAME, relu=True
    )
    padded = graph.pad(x, (1, 5, 4, 3))
    assert graph.pad(padded, (1, 5, 4, 3)) == padded
    content = graph.write(inputs=[given_], outputs=[padded], description="drawn")
    found = load(content).run([np.ones((1, 4, 4, 2), np.float32)])[0]
    assert found.shape == (1, 5, 4, 3)
    assert found[0, 1, 1, 0] == pytest.approx(sum(range(18)) / 36 + 1)
    assert not found[0, 4].any()
    assert not found[..., 1:].any()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw.replace(b"con_4", b"con_5"),
        lambda raw: raw.replace(b"affine_", b"affine!", 1),
        lambda raw: raw.replace(b"fc_2", b"fc_3"),
        lambda raw: raw.replace(b"input_rgb_image_sized", b"input_rgb_image_siz3d"),
        lambda raw: raw.replace(b"con_4\x01\x02", b"con_4\x01\x03", 1),
        lambda raw: raw.replace(b"con_4\x01\x02\x02", b"con_4\x01\x02\x08", 1),
        lambda raw: raw.replace(b"\x01\x80\x02\x00\x01", b"\x01\x80\x02\x00\x01", 1)[:-30_000],
    ],
)
def test_another_file_is_refused(spoil):
    with pytest.raises(DatError):
        read(spoil(raw()), convolutions=CONVOLUTIONS)


def test_more_layers_than_asked_for_are_not_another_net():
    with pytest.raises(DatError):
        read(raw(), convolutions=CONVOLUTIONS - 1)
    with pytest.raises(DatError):
        read(raw(), convolutions=CONVOLUTIONS + 1)


def test_what_is_no_number_is_refused():
    spoiled = bytearray(raw())
    place = raw().index(b"con_4") + 20
    spoiled[place : place + 4] = np.array([np.nan], "<f4").tobytes()
    with pytest.raises(DatError):
        read(bytes(spoiled), convolutions=CONVOLUTIONS)


@settings(max_examples=12, deadline=None)
@given(place=st.integers(0, 20_000), put=st.binary(max_size=8))
def test_a_damaged_file_is_read_or_refused(place, put):
    try:
        read(raw()[:place] + put + raw()[place + len(put) :], convolutions=CONVOLUTIONS)
    except DatError:
        return
