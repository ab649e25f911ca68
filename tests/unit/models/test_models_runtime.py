"""The door to the runtime: what it refuses, and that what passes through it is not changed."""

from __future__ import annotations

import numpy as np
import pytest
from face_material import MODELS, READY, WHY_NOT

from models.face.detect import Detector
from models.face.embed import Embedder
from models.face.mesh import Mesher
from models.manifest import load_verified, manifests
from models.runtime import MAGIC, ModelError, load

pytestmark = pytest.mark.skipif(not READY, reason=WHY_NOT)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 4 + MAGIC[::-1] + b"\0" * 99, bytes(99)])
def test_what_is_no_model_file_is_refused(content):
    with pytest.raises(ModelError):
        load(content)


@pytest.mark.parametrize("threads", [0, -1, 9])
def test_the_number_of_threads_is_bounded(threads):
    with pytest.raises(ValueError, match="threads"):
        load(load_verified(MODELS, "face-landmark"), threads=threads)


@pytest.mark.parametrize("name", sorted(manifests()))
def test_every_net_has_the_shapes_of_its_manifest(name):
    net = load(load_verified(MODELS, name))
    assert (net.inputs, net.outputs) == (manifests()[name].inputs, manifests()[name].outputs)


def test_inputs_of_other_shapes_are_refused():
    net = load(load_verified(MODELS, "face-landmark"))
    for inputs in ([], [np.zeros((1, 192, 191, 3), np.float32)], [np.zeros(net.inputs[0])] * 2):
        with pytest.raises(ModelError):
            net.run(inputs)


@pytest.mark.parametrize("name", sorted(manifests()))
def test_the_outputs_are_the_runtimes_own_and_stay_the_callers(name):
    from ai_edge_litert.interpreter import Interpreter

    content = load_verified(MODELS, name)
    net = load(content)
    one, other = np.random.default_rng(5).uniform(-1, 1, (2, *net.inputs[0])).astype(np.float32)
    kept = net.run([one])
    direct = Interpreter(model_content=content, num_threads=1)
    direct.allocate_tensors()
    direct.set_tensor(direct.get_input_details()[0]["index"], one)
    direct.invoke()
    net.run([other])
    for mine, detail in zip(kept, direct.get_output_details(), strict=True):
        np.testing.assert_array_equal(mine, direct.get_tensor(detail["index"]))


def test_each_part_refuses_anothers_net():
    mesh_net = load_verified(MODELS, "face-landmark")
    for part in (Detector, Embedder):
        with pytest.raises(ModelError):
            part(mesh_net)
    with pytest.raises(ModelError):
        Mesher(load_verified(MODELS, "mobilefacenet"))
