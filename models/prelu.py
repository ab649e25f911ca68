"""A net with one operator where its converter wrote five: the same numbers, a third sooner.

Knows TFLite's flatbuffer, schema 3, as far as it takes to see that a PReLU (x above 0, slope times
x below) was written as relu(x) + a * (x - |x|), whose slope is 2 a: doubling a number loses no bit
of it. Does not know what the net computes. Whatever is not exactly so stays as it is.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD, MUL, RELU, SUB, PRELU, ABS = 0, 18, 19, 41, 54, 101
SPELLED: Final = (RELU, ABS, SUB, MUL, ADD)
"""The five, in the order in which they stand."""
FLOAT32: Final = 0

_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_CODE_OLD, _CODE = 0, 3
_SUBGRAPH_TENSORS, _SUBGRAPH_OUTPUTS, _SUBGRAPH_OPERATORS = 0, 2, 3
_TENSOR_TYPE, _TENSOR_BUFFER = 1, 2
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS, _OPERATOR_OPTIONS = 0, 1, 2, 4
_OPTIONS_ACTIVATION = 0
_BUFFER_DATA = 0
"""Places of fields in the schema's tables."""


class _Operator(NamedTuple):
    """One operator.

    Attributes:
        table: where its table begins.
        code: what it does.
        inputs: tensors; outputs likewise.
        alone: whether nothing else is done to what it computes.
    """

    table: int
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    alone: bool


def shortened(content: bytes) -> bytes:
    """Return a net that computes the same with one operator for each five that spell a PReLU.

    Args:
        content: a TFLite file, already verified.

    Returns:
        A file of the same length, or the same file: one that spells none, or is not as expected.
    """
    try:
        if ABS not in _Net(memoryview(content)).kinds:
            return content
        net = _Net(memoryview(bytearray(content)))
        return bytes(net.data) if net.shorten() else content
    except (struct.error, IndexError, ValueError):
        # Whether it is a net at all is the runtime's to say.
        return content


class _Net:
    """A flatbuffer that is read, and changed in place."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._model = self._at(0)
        self._codes = self._tables(self._model, _MODEL_CODES)
        self.kinds = [self._kind(each) for each in self._codes]

    def shorten(self) -> bool:
        """Change what can be changed; return whether anything was."""
        (subgraph,) = self._tables(self._model, _MODEL_SUBGRAPHS)
        operators = [self._operator(each) for each in self._tables(subgraph, _SUBGRAPH_OPERATORS)]
        places = tuple(_spelled(operators, self._numbers(subgraph, _SUBGRAPH_OUTPUTS)))
        slopes = self._slopes(subgraph, [_slope(operators, place) for place in places])
        if slopes is None or len(places) != sum(each.code == ABS for each in operators):
            return False
        for place in places:
            self._write(operators[place : place + len(SPELLED)], self.kinds.index(ABS))
        for slope in slopes:
            slope *= 2  # noqa: PLW2901 -- in place: it is a view of the file's bytes
        self._rename(self._codes[self.kinds.index(ABS)])
        gone = {place + step for place in places for step in (0, 1, 2, 4)}
        self._keep(subgraph, [each.table for n, each in enumerate(operators) if n not in gone])
        return True

    def _slopes(self, subgraph: int, tensors: list[int]) -> list[np.ndarray] | None:
        """Return views of the numbers of constant tensors; None: one is not, or serves others."""
        tables = self._tables(subgraph, _SUBGRAPH_TENSORS)
        buffers = self._tables(self._model, _MODEL_BUFFERS)
        used = Counter(self._number(each, _TENSOR_BUFFER) for each in tables)
        found = []
        for tensor in tensors:
            number = self._number(tables[tensor], _TENSOR_BUFFER)
            place = self._field(buffers[number], _BUFFER_DATA)
            if place is None or used[number] != 1 or self._byte(tables[tensor], _TENSOR_TYPE):
                return None
            begin, size = self._vector(place)
            found.append(np.frombuffer(self.data, "<f4", count=size // 4, offset=begin))
        limit = np.finfo(np.float32).max / 2
        whole = all((np.abs(each) <= limit).all() for each in found)
        return found if whole and len(set(tensors)) == len(tensors) else None

    def _write(self, five: list[_Operator], code_index: int) -> None:
        """Make the fourth of the five, which has two inputs, the one that does it all."""
        relu, _, difference, product, total = five
        (slope,) = set(product.inputs) - set(difference.outputs)
        place = self._field(product.table, _OPERATOR_CODE)
        if place is None:
            raise ValueError("its code is the first one, and cannot be changed in place")
        struct.pack_into("<I", self.data, place, code_index)
        for field, numbers in (
            (_OPERATOR_INPUTS, (relu.inputs[0], slope)),
            (_OPERATOR_OUTPUTS, total.outputs),
        ):
            begin, count = self._vector_of(product.table, field)
            struct.pack_into(f"<{count}i", self.data, begin, *numbers)

    def _rename(self, code: int) -> None:
        """Make a code that of a PReLU; its two fields are older and newer places of the same."""
        for field, form in ((_CODE_OLD, "<b"), (_CODE, "<i")):
            place = self._field(code, field)
            if place is not None:
                struct.pack_into(form, self.data, place, PRELU)

    def _keep(self, subgraph: int, tables: list[int]) -> None:
        """Let a subgraph have these operators, which are fewer, and no others."""
        begin, _ = self._vector_of(subgraph, _SUBGRAPH_OPERATORS)
        struct.pack_into("<I", self.data, begin - 4, len(tables))
        offsets = (table - begin - 4 * place for place, table in enumerate(tables))
        struct.pack_into(f"<{len(tables)}I", self.data, begin, *offsets)

    def _operator(self, table: int) -> _Operator:
        options = self._field(table, _OPERATOR_OPTIONS)
        alone = options is None or not self._byte(self._at(options), _OPTIONS_ACTIVATION)
        return _Operator(
            table,
            self.kinds[self._number(table, _OPERATOR_CODE)],
            self._numbers(table, _OPERATOR_INPUTS),
            self._numbers(table, _OPERATOR_OUTPUTS),
            alone,
        )

    def _kind(self, code: int) -> int:
        return max(self._byte(code, _CODE_OLD), self._number(code, _CODE))

    def _at(self, place: int) -> int:
        """Return where an offset leads."""
        (offset,) = struct.unpack_from("<I", self.data, place)
        return place + int(offset)

    def _field(self, table: int, number: int) -> int | None:
        """Return where a table's field stands; None: it has its default."""
        (back,) = struct.unpack_from("<i", self.data, table)
        (size,) = struct.unpack_from("<H", self.data, table - back)
        if 6 + 2 * number > size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, table - back + 4 + 2 * number)
        return table + int(offset) if offset else None

    def _byte(self, table: int, number: int) -> int:
        place = self._field(table, number)
        return 0 if place is None else self.data[place]

    def _number(self, table: int, number: int) -> int:
        place = self._field(table, number)
        return 0 if place is None else int(struct.unpack_from("<I", self.data, place)[0])

    def _vector(self, place: int) -> tuple[int, int]:
        """Return where a vector's first element stands, and how many it has."""
        begin = self._at(place)
        (count,) = struct.unpack_from("<I", self.data, begin)
        return begin + 4, int(count)

    def _vector_of(self, table: int, number: int) -> tuple[int, int]:
        place = self._field(table, number)
        if place is None:
            raise ValueError("a vector is missing")
        return self._vector(place)

    def _numbers(self, table: int, number: int) -> tuple[int, ...]:
        begin, count = self._vector_of(table, number)
        return struct.unpack_from(f"<{count}i", self.data, begin)

    def _tables(self, table: int, number: int) -> list[int]:
        begin, count = self._vector_of(table, number)
        offsets = struct.unpack_from(f"<{count}I", self.data, begin)
        return [begin + 4 * place + offset for place, offset in enumerate(offsets)]


def _spelled(operators: list[_Operator], results: tuple[int, ...]) -> Iterator[int]:
    """Yield the place of each first of five that spell a PReLU and whose steps nobody else uses."""
    used = Counter(tensor for each in operators for tensor in each.inputs)
    used.update(results)
    for place in range(len(operators) - len(SPELLED) + 1):
        five = operators[place : place + len(SPELLED)]
        if tuple(each.code for each in five) != SPELLED or not all(each.alone for each in five):
            continue
        relu, size, difference, product, total = five
        flows = (
            relu.inputs == size.inputs
            and difference.inputs == relu.inputs + size.outputs
            and len(product.inputs) == len(set(product.inputs) - set(difference.outputs)) + 1
            and total.inputs == relu.outputs + product.outputs
        )
        once = all(used[each] == 1 for step in five[:-1] for each in step.outputs)
        if flows and once and used[_slope(operators, place)] == 1:
            yield place


def _slope(operators: list[_Operator], place: int) -> int:
    """Return the tensor of half the slopes of five that begin at a place."""
    difference, product = operators[place + 2], operators[place + 3]
    (slope,) = set(product.inputs) - set(difference.outputs)
    return slope
