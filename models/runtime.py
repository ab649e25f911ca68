"""The one door to the tensor runtime: a net from bytes, arrays in, arrays out.

Knows LiteRT, under either of its package names. Does not know what a net computes, nor where its
bytes come from: they must have been verified (`models.manifest.load_verified`), for the runtime's
parser is no guard against a forged file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.prelu import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RUNTIMES: Final = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
MAX_MODEL_BYTES: Final = 64 * 1024 * 1024
MAX_THREADS: Final = 8
MAGIC: Final = b"TFL3"
"""The file identifier of a TFLite flatbuffer, at offset 4."""


class ModelError(Exception):
    """A model is absent, altered or does not run; the citizen can do nothing about it.

    Attributes:
        model: the model's name, or "" where only its bytes are known.
        why: "missing", "altered", "unknown", "uncalibrated" or "failed".
    """

    def __init__(self, model: str, why: str, message: str = "") -> None:
        super().__init__(": ".join(each for each in (model, why, message) if each))
        self.model = model
        self.why = why


class Net:
    """One interpreter. It belongs to the thread that uses it; it is not shared.

    Attributes:
        inputs: the shape of each input, all float32.
        outputs: the shape of each output, all float32.
    """

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()
        self.inputs = tuple(_shape(each) for each in self._inputs)
        self.outputs = tuple(_shape(each) for each in self._outputs)

    def run(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Compute the outputs.

        Args:
            inputs: one array per input, in the order and with exactly the shapes of `inputs`.

        Returns:
            One array per output, in the order of `outputs`; copies, the caller's own.

        Raises:
            ModelError: the shapes are others, or the runtime failed.
        """
        if tuple(each.shape for each in inputs) != self.inputs:
            raise ModelError("", "failed", "the inputs have other shapes than the net's")
        try:
            for detail, each in zip(self._inputs, inputs, strict=True):
                self._interpreter.set_tensor(detail["index"], np.asarray(each, dtype=np.float32))
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(each["index"]) for each in self._outputs]
        except (RuntimeError, ValueError) as error:
            raise ModelError("", "failed", "the runtime failed") from error


def load(content: bytes, *, threads: int = 1, shape: tuple[int, ...] | None = None) -> Net:
    """Make a net ready to run.

    Args:
        content: a TFLite file, already verified; at most `MAX_MODEL_BYTES`.
        threads: 1 to `MAX_THREADS`.
        shape: which shape its first input is to have from now on; None: the file's.

    Raises:
        ModelError: it is no such file, it cannot have that shape, it has tensors of another kind
            than float32, or no runtime is installed.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise ValueError("threads out of range")
    if len(content) > MAX_MODEL_BYTES or content[4:8] != MAGIC:
        raise ModelError("", "failed", "no model file")
    interpreter_class = _interpreter_class()
    try:
        interpreter = interpreter_class(model_content=shortened(content), num_threads=threads)
        if shape is not None:
            # Before anything is allocated: the net is then as fixed as if its file said so.
            first = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(first, shape)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError("", "failed", "the runtime refused the model file") from error
    details = (*interpreter.get_input_details(), *interpreter.get_output_details())
    if any(each["dtype"] is not np.float32 for each in details):
        raise ModelError("", "failed", "a tensor is not float32")
    return Net(interpreter)


def _interpreter_class() -> Any:
    for name in RUNTIMES:
        try:
            return import_module(name).Interpreter
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise ModelError("", "failed", "the tensor runtime is broken") from error
    raise ModelError("", "missing", "no tensor runtime is installed")


def _shape(detail: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(each) for each in detail["shape"])
