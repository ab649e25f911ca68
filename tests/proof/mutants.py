"""Every refusal of the chip library's reader, found in its source, and each taken away in memory.

A mutant is the reader without one refusal: a raise that is passed over, a check that is not called,
one condition of several that no longer counts, a comparison that always holds. Nothing on disk
changes: the function that refuses gets other code, for the life of the process that asks for it.
Does not know which tests should notice; `mutation` lets them try.
"""

from __future__ import annotations

import ast
import gc
import inspect
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
READER = ("emrtd", "emrtd/lds")
"""Folders of the reader; the simulator beside it is no reader."""

VERDICTS = frozenset({"emrtd.passive_auth", "emrtd.authenticity", "emrtd.verify", "emrtd.inspect"})
"""Modules whose every decision counts, not only those that end in a refusal."""

_CHECKS = re.compile(r"_?(check|require|verify|break)(_|$)")
_BOUND = re.compile(r"_?MAX_|limit$|room$")
_BETTER = {
    "FAILED": "PASSED",
    "UNKNOWN_ISSUER": "PASSED",
    "NOT_GENUINE": "GENUINE",
    "UNREADABLE": "GENUINE",
    "ISSUER_UNKNOWN": "GENUINE",
    "MAY_BE_COPY": "GENUINE",
}
_SOURCE_CHARS = 160
_PROBE = "_probe_of_mutants"


@dataclass(frozen=True, slots=True)
class Mutant:
    """The reader without one refusal.

    Attributes:
        module: dotted.
        function: the outermost one that holds the refusal, with its class.
        kind: what is done to it.
        source: what is taken away, as one line; a repetition in one function is numbered.
        number: of the module's edits, in the order of its source.
    """

    module: str
    function: str
    kind: str
    source: str
    number: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same while lines move."""
        return self.module, self.function, self.kind, self.source

    def __str__(self) -> str:
        return f"{self.module}:{self.function}:{self.kind} {self.source}"


class _Edit(NamedTuple):
    """One change of a tree that was parsed for it.

    Attributes:
        function: the outermost one, with its class.
        kind: what is done.
        node: what is taken away.
        apply: does it.
        probe: does nothing but report each time that the change would make a difference here.
    """

    function: str
    kind: str
    node: ast.stmt | ast.expr
    apply: Callable[[], None]
    probe: Callable[[str], None]


def modules() -> tuple[str, ...]:
    """Return the reader's modules, dotted."""
    paths = sorted(path for folder in READER for path in (ROOT / folder).glob("*.py"))
    return tuple(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in paths
        if path.stem != "__init__"
    )


def mutants_of(module: str) -> tuple[Mutant, ...]:
    """Return every mutant of one module, in the order of its source."""
    seen: dict[tuple[str, ...], int] = {}
    found = []
    for number, edit in enumerate(_edits(_tree(module), module)):
        source = " ".join(ast.unparse(edit.node).split())[:_SOURCE_CHARS]
        key = edit.function, edit.kind, source
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            source += f" #{seen[key]}"
        found.append(Mutant(module, edit.function, edit.kind, source, number))
    return tuple(found)


def path_of(module: str) -> Path:
    """Return a module's source file."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def mutate(mutant: Mutant) -> None:
    """Take the refusal away, in this process and for good: fork before.

    Raises:
        LookupError: nothing that runs has that function.
    """
    tree = _tree(mutant.module)
    _edits(tree, mutant.module)[mutant.number].apply()
    swap(tree, mutant.module, mutant.function)


def swap(tree: ast.Module, module: str, function: str) -> None:
    """Give a module's function the code that it has in a tree.

    Raises:
        LookupError: nothing that runs has that function.
    """
    if not [live for live in _swap(tree, module) if live == function]:
        raise LookupError(f"no {function} of {module} is loaded")


@contextmanager
def probed(met: Callable[[str, int], None]) -> Iterator[None]:
    """Report, while it lasts, each time that a mutant of a module would make a difference.

    Args:
        met: takes the module and the mutant's number.
    """
    plain = {}
    for module in modules():
        tree = _tree(module)
        plain[module] = _tree(module)
        for number, edit in enumerate(_edits(tree, module)):
            edit.probe(f"{number}")
        vars(import_module(module))[_PROBE] = _Probe(module, met)
        _swap(tree, module)
    try:
        yield
    finally:
        for module, tree in plain.items():
            _swap(tree, module)
            del vars(import_module(module))[_PROBE]


class _Probe:
    """What probes call: each method but `met` returns the value that it was given."""

    def __init__(self, module: str, met: Callable[[str, int], None]) -> None:
        self._module = module
        self._met = met

    def met(self, number: int, value: Any = True) -> Any:
        self._met(self._module, number)
        return value

    def falsy(self, number: int, value: Any) -> Any:
        return value or self.met(number, value)

    def truthy(self, number: int, value: Any) -> Any:
        return self.met(number, value) if value else value


def _swap(tree: ast.Module, module: str) -> list[str]:
    """Give a module's functions the code that they have in a tree; return those that live."""
    path = str(path_of(module))
    compiled = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
    wanted = {(each.co_qualname, each.co_firstlineno): each for each in _codes(compiled)}
    swapped = []
    for live in _living()[path]:
        name = live.__code__.co_qualname
        if (code := wanted.get((name, live.__code__.co_firstlineno))) is not None:
            live.__code__ = code
            swapped.append(name)
    return swapped


@cache
def _living() -> dict[str, list[FunctionType]]:
    """Return every function of the reader, wherever it is held, by its source file."""
    found: dict[str, list[FunctionType]] = {str(path_of(name)): [] for name in modules()}
    for name in modules():
        import_module(name)
    for live in gc.get_objects():
        if isinstance(live, FunctionType) and live.__code__.co_filename in found:
            found[live.__code__.co_filename].append(live)
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            if not each.co_flags & inspect.CO_OPTIMIZED:
                yield from _codes(each)


def _tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def _edits(tree: ast.Module, module: str) -> list[_Edit]:
    """Return every change that can be made, always in the same order."""
    edits: list[_Edit] = []
    for function, node in _functions(tree.body, ""):
        # What nothing follows in its function refuses nothing by returning nothing.
        last = frozenset(map(id, _last(node.body)))
        _Finder(function, edits, verdicts=module in VERDICTS, last=last).visit(node)
    return edits


def _last(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that nothing follows."""
    if not body:
        return
    yield body[-1]
    match body[-1]:
        case ast.If(body=inner, orelse=other):
            yield from (*_last(inner), *_last(other))
        case ast.Try(body=inner, handlers=handlers, orelse=other):
            yield from _last(other or inner)
            for each in handlers:
                yield from _last(each.body)


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node


def _name(call: ast.expr) -> str:
    """Return the last name of what is called, "" if it has none."""
    match call:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
    return ""


def _empty(value: ast.expr | None) -> bool:
    """Whether a value says that there is nothing."""
    match value:
        case None | ast.Constant(value=None | False | b"" | ""):
            return True
        case ast.Tuple(elts=[]) | ast.List(elts=[]):
            return True
    return False


def _says_why_not(value: ast.expr | None) -> bool:
    """Whether a value is a reason for people, or ends in one."""
    match value:
        case (
            ast.Constant(value=str() as why) | ast.Call(args=[*_, ast.Constant(value=str() as why)])
        ):
            return " " in why
    return False


def _yields_fault(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Yield(value=ast.Call() | ast.Name(id="fault") as value)):
            return _name(value) in {"ChipLied", "ClockUnsure", "kind", ""}
        case ast.AugAssign(target=ast.Name(id="faults")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="faults")))):
            return True
    return False


def _refuses(body: list[ast.stmt]) -> bool:
    """Whether a guarded block refuses."""
    match body[-1]:
        case ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Return(value=value):
            return _empty(value) or _says_why_not(value)
        case ast.Expr(value=value) if _CHECKS.match(_name(value)):
            return True
    return _yields_fault(body[-1])


class _Finder(ast.NodeVisitor):
    """Finds what can be taken away from one function, from its first line to its last."""

    def __init__(
        self, function: str, edits: list[_Edit], *, verdicts: bool, last: frozenset[int]
    ) -> None:
        self._function = function
        self._edits = edits
        self._verdicts = verdicts
        self._last = last
        self._depth = 0

    def _add(
        self,
        kind: str,
        node: ast.stmt | ast.expr,
        apply: Callable[[], None],
        probe: Callable[[str], None],
    ) -> None:
        self._edits.append(_Edit(self._function, kind, node, apply, probe))

    def generic_visit(self, node: ast.AST) -> None:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                self._visit_all(node, value)
            elif isinstance(value, ast.AST):
                self._expression(node, _Slot(node, name), value)
                self.visit(value)

    def _visit_all(self, parent: ast.AST, values: list[Any]) -> None:
        self._depth += 1
        nested = self._depth > 1
        for at, value in enumerate(list(values)):
            if isinstance(value, ast.stmt):
                self._statement(_Slot(values, at), value, nested=nested)
            elif isinstance(value, ast.expr):
                self._expression(parent, _Slot(values, at), value)
            if isinstance(value, ast.AST):
                self.visit(value)
        self._depth -= 1

    # --- statements

    def _statement(self, slot: _Slot, node: ast.stmt, *, nested: bool) -> None:
        passed = slot.putting(ast.Pass())
        match node:
            case ast.Raise():
                self._add("raise", node, passed, slot.probing_statement)
            case ast.Continue() | ast.Break() if nested:
                self._add("skip", node, passed, slot.probing_statement)
            case ast.Return(value=None | ast.Constant(value=None)) if id(node) in self._last:
                pass
            case ast.Return(value=value) if nested and (_empty(value) or _says_why_not(value)):
                self._add("return", node, passed, slot.probing_statement)
            case ast.Expr(value=value) if _CHECKS.match(_name(value)):
                self._add("check", node, passed, slot.probing_failure)
            case ast.Expr(value=value) if _name(value) == "close":
                self._add("close", node, passed, slot.probing_statement)
            case ast.Assign(targets=[ast.Attribute()], value=ast.Constant(value=None)):
                self._add("close", node, passed, slot.probing_statement)
            case ast.Assign(
                targets=[ast.Tuple(elts=[kept, _])], value=ast.Tuple(elts=[was, gone])
            ) if _empty(gone):
                halved = slot.putting(ast.Assign(targets=[kept], value=was))
                self._add("close", node, halved, slot.probing_statement)
            case _ if _yields_fault(node):
                self._add("fault", node, passed, slot.probing_statement)
        if isinstance(node, ast.If):
            self._guard(node)

    def _guard(self, node: ast.If) -> None:
        test = _Slot(node, "test")
        if _refuses(node.body):
            self._weaken(test, ast.Or, _Slot(node.body, len(node.body) - 1))
            return
        if isinstance(node.body[-1], ast.Return):
            self._weaken(test, ast.And)
        if self._verdicts:
            self._decide(test)

    def _decide(self, test: _Slot) -> None:
        node = test.get()
        for value, probing in ((True, test.probing_falsy), (False, test.probing_truthy)):
            kind = f"decision_{value}".lower()
            self._add(kind, node, test.putting(ast.Constant(value)), probing)

    def _weaken(self, slot: _Slot, joint: type[ast.boolop], refusal: _Slot | None = None) -> None:
        """Let one condition of several no longer count.

        Args:
            slot: where they stand.
            joint: what joins them: a refusal needs one of them, what is accepted needs all.
            refusal: the refusing statement, None where something is accepted.
        """
        probing = slot.probing_falsy if refusal is None else refusal.probing_statement
        match slot.get():
            case ast.UnaryOp(op=ast.Not(), operand=ast.Compare(comparators=[_, _, *_]) as between):
                self._bounds(between, probing)
            case ast.Compare(
                left=ast.Tuple(elts=left),
                ops=[ast.Eq() | ast.NotEq()],
                comparators=[ast.Tuple(elts=right)],
            ) if len(left) == len(right):
                for at, each in enumerate(left):

                    def dropped(at: int = at) -> None:
                        del left[at], right[at]

                    self._add("clause", each, dropped, probing)
            case ast.BoolOp(op=op, values=values) if isinstance(op, joint):
                accepted = joint is ast.And
                for at, each in enumerate(list(values)):
                    one = _Slot(values, at)
                    found = one.probing_falsy if accepted else one.probing_truthy
                    self._add("clause", each, one.putting(ast.Constant(accepted)), found)
                    self._weaken(one, joint, refusal)

    def _bounds(self, node: ast.Compare, probing: Callable[[str], None]) -> None:
        """Let one end of a range no longer count."""

        def without_lower() -> None:
            node.left, node.ops, node.comparators = (
                node.comparators[0], node.ops[1:], node.comparators[1:]
            )  # fmt: skip

        def without_upper() -> None:
            del node.ops[-1], node.comparators[-1]

        self._add("bound", node.left, without_lower, probing)
        self._add("bound", node.comparators[-1], without_upper, probing)

    # --- expressions

    def _expression(self, parent: ast.AST, slot: _Slot, node: ast.AST) -> None:
        match node:
            case ast.Call() if _name(node) == "compare_digest":
                # Where what is equal is refused, the refusal goes.
                never = isinstance(parent, ast.If) and _refuses(parent.body)
                probing = slot.probing_truthy if never else slot.probing_falsy
                self._add("compare", node, slot.putting(ast.Constant(not never)), probing)
            case ast.Compare(ops=[op], left=left, comparators=[right]) if "digest_bytes" in {
                _name(left), _name(right),
            }:  # fmt: skip
                equal = isinstance(op, ast.Eq)
                probing = slot.probing_falsy if equal else slot.probing_truthy
                self._add("compare", node, slot.putting(ast.Constant(equal)), probing)
            case ast.Constant(value="failed") if isinstance(parent, ast.Call):
                self._add("outcome", node, slot.putting(ast.Constant("passed")), slot.probing_value)
            case ast.Attribute(value=ast.Name(id="Check" | "ChipOutcome") as of, attr=attr):
                if attr in _BETTER:
                    better = ast.Attribute(of, _BETTER[attr], ast.Load())
                    self._add("outcome", node, slot.putting(better), slot.probing_value)
            case ast.Subscript(value=whole, slice=ast.Slice(lower=None, upper=ast.Name(id=name))):
                if _BOUND.match(name):
                    self._add("bound", node, slot.putting(whole), slot.probing_value)
            case ast.Call(func=ast.Name(id="min"), args=[one, other], keywords=[]):
                for kept, dropped in ((one, other), (other, one)):
                    if isinstance(dropped, ast.Name) and _BOUND.match(dropped.id):
                        self._add("bound", node, slot.putting(kept), slot.probing_value)
            case ast.IfExp(body=body, orelse=orelse):
                test = _Slot(node, "test")
                if _empty(orelse):
                    self._add("none", node, slot.putting(body), test.probing_falsy)
                elif self._verdicts:
                    self._decide(test)
        if isinstance(node, ast.BoolOp) and isinstance(parent, ast.Return):
            self._weaken(slot, ast.And)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for at, each in enumerate(node.ifs):
            if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(each)):
                continue
            slot = _Slot(node.ifs, at)
            self._add("filter", each, slot.putting(ast.Constant(True)), slot.probing_falsy)
            self._weaken(slot, ast.And)
        self.generic_visit(node)


class _Slot:
    """A place in a tree where a node stands."""

    def __init__(self, holder: Any, key: str | int) -> None:
        self._holder = holder
        self._key = key

    def get(self) -> Any:
        """Return what stands there now."""
        if isinstance(self._key, int):
            return self._holder[self._key]
        return getattr(self._holder, self._key)

    def _put(self, new: ast.AST) -> None:
        if isinstance(self._key, int):
            self._holder[self._key] = new
        else:
            setattr(self._holder, self._key, new)

    def putting(self, new: ast.stmt | ast.expr) -> Callable[[], None]:
        """Return what puts another node there."""
        return lambda: self._put(ast.copy_location(new, self.get()))

    def probing_statement(self, number: str) -> None:
        """Report each run of the statement."""
        called = ast.parse(f"if {_PROBE}.met({number}):\n    pass").body[0]
        assert isinstance(called, ast.If)
        called.body = [self.get()]
        self._put(called)

    def probing_failure(self, number: str) -> None:
        """Report each time that the statement raises."""
        source = f"try:\n    pass\nexcept BaseException:\n    {_PROBE}.met({number})\n    raise"
        tried = ast.parse(source).body[0]
        assert isinstance(tried, ast.Try)
        tried.body = [self.get()]
        self._put(tried)

    def probing_value(self, number: str) -> None:
        """Report each evaluation of the expression."""
        self._call("met", number)

    def probing_truthy(self, number: str) -> None:
        """Report each time that the expression holds."""
        self._call("truthy", number)

    def probing_falsy(self, number: str) -> None:
        """Report each time that the expression does not hold."""
        self._call("falsy", number)

    def _call(self, method: str, number: str) -> None:
        called = ast.parse(f"{_PROBE}.{method}({number}, None)", mode="eval").body
        assert isinstance(called, ast.Call)
        called.args[1] = self.get()
        self._put(called)
