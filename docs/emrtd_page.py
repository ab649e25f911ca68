"""The page of the chip library: what is public, how it is called and what it promises.

Everything is read from the source and nothing is run, so that the page says what a reader of the
code would find, in its order.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).parents[1]
WHOLE: Final = (
    "emrtd.inspect", "emrtd.verify", "emrtd.evidence", "emrtd.trust", "emrtd.master_list",
    "emrtd.crl", "emrtd.read_plan", "emrtd.terminal_auth", "emrtd.cvc",
    "emrtd.lds.com", "emrtd.lds.sod", "emrtd.lds.card_access", "emrtd.lds.card_security",
    "emrtd.lds.dg1", "emrtd.lds.dg2", "emrtd.lds.dg3", "emrtd.lds.dg7", "emrtd.lds.dg11",
    "emrtd.lds.dg12", "emrtd.lds.dg13", "emrtd.lds.dg14", "emrtd.lds.dg15", "emrtd.lds.dg16",
)  # fmt: skip
"""Modules whose every public name is shown, the ones to begin with first."""

HEAD: Final = """\
# The chip library, name by name

What a program may rely on, from the docstrings; the [README](../../emrtd/README.md) says how it
goes together. A name marked ● is fetched with `from emrtd import …`, all others from their modules.
Names that begin with `_` and modules that are not here may change. Made by `docs/generate.py`.
"""
SECTION: Final = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
ITEM: Final = re.compile(r"^    (\*{0,2}[\w.]+): (.*)$")
WIDTH: Final = 88

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef


def render() -> str:
    """Return the page, Markdown."""
    at_the_top = public_names()
    modules = [*WHOLE, *sorted({*at_the_top.values()} - {*WHOLE})]
    parts = [HEAD]
    for module in modules:
        tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
        parts.append(f"\n## `{module}`\n\n{_text(_docstring(tree))}")
        for node in tree.body:
            if isinstance(node, Definition) and not node.name.startswith("_"):
                promised = at_the_top.get(node.name) == module
                if promised or module in WHOLE:
                    parts.append("\n" + "\n".join(_definition(node, promised=promised)))
    return "".join(parts)


def public_names() -> dict[str, str]:
    """Return the names that the package itself has, and the module of each."""
    tree = ast.parse((ROOT / "emrtd" / "__init__.py").read_text(encoding="utf-8"))
    return {
        alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emrtd.")
        for alias in node.names
    }


def source_of(module: str) -> Path:
    """Return where a module's source is."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _definition(node: Definition, *, promised: bool) -> Iterator[str]:
    yield f"### `{node.name}`{' ●' if promised else ''}\n"
    yield f"```python\n{_head(node)}\n```\n"
    yield _text(_docstring(node))
    if isinstance(node, ast.ClassDef):
        members = [*_members(node)]
        yield from ["".join(members)] if members else ()


def _head(node: Definition) -> str:
    """Return how a function is called, or what a class is made of."""
    if isinstance(node, ast.FunctionDef):
        return _call(node)
    bases = [_written(each) for each in [*node.bases, *(key.value for key in node.keywords)]]
    lines = [f"class {node.name}({', '.join(bases)}):" if bases else f"class {node.name}:"]
    lines += [f"    {_written(each)}" for each in node.body if _is_field(each)]
    lines += [
        f"    {_call(each).replace(chr(10), chr(10) + '    ')}"
        for each in node.body
        if isinstance(each, ast.FunctionDef) and each.name == "__init__"
    ]
    return "\n".join(lines if len(lines) > 1 else [f"{lines[0]} ..."])


def _is_field(node: ast.stmt) -> bool:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return not node.target.id.startswith("_")
    return isinstance(node, ast.Assign) and not _written(node.targets[0]).startswith("_")


def _call(node: ast.FunctionDef) -> str:
    """Return a signature on one line, or one line for each argument."""
    returns = f" -> {_written(node.returns)}" if node.returns else ""
    marks = "".join(f"@{_written(each)}\n" for each in node.decorator_list if _says(each))
    whole = f"def {node.name}({', '.join(_arguments(node.args))}){returns}"
    if len(whole) <= WIDTH:
        return marks + whole
    inner = "".join(f"    {each},\n" for each in _arguments(node.args))
    return f"{marks}def {node.name}(\n{inner}){returns}"


def _says(decorator: ast.expr) -> bool:
    return _written(decorator) in {"property", "classmethod", "staticmethod", "contextmanager"}


def _arguments(args: ast.arguments) -> Iterator[str]:
    positional = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(positional) - len(args.defaults)), *args.defaults]
    for each, default in zip(positional, defaults, strict=True):
        yield _argument(each, default)
    if args.vararg:
        yield f"*{_written(args.vararg)}"
    elif args.kwonlyargs:
        yield "*"
    for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _argument(each, default)


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if argument.annotation else "="
    return _written(argument) + (f"{equals}{_written(default)}" if default else "")


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Yield an entry for each public method, and for each member that says what it is."""
    for each, below in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            summary = _docstring(each).partition("\n\n")[0]
            yield f"- `{_one_line(each)}`: {_joined(summary.splitlines())}\n"
        elif _is_field(each):
            match below:
                case ast.Expr(value=ast.Constant(value=str(said))):
                    name = _written(
                        each.target if isinstance(each, ast.AnnAssign) else each.targets[0]  # type: ignore[attr-defined]  # what else is a field
                    )
                    yield f"- `{name}`: {_joined(said.splitlines())}\n"


def _one_line(node: ast.FunctionDef) -> str:
    returns = f" -> {_written(node.returns)}" if node.returns else ""
    given = [each for each in _arguments(node.args) if each not in {"self", "cls"}]
    if any(_written(each) == "property" for each in node.decorator_list):
        return f"{node.name}{returns}"
    return f"{node.name}({', '.join(given)}){returns}"


def _written(node: ast.AST) -> str:
    """Return code as the house writes it: in double quotes."""
    code = ast.unparse(node)
    return code if '"' in code else code.replace("'", '"')


def _docstring(node: ast.Module | Definition) -> str:
    return inspect.cleandoc(ast.get_docstring(node) or "")


def _text(docstring: str) -> str:
    """Return a docstring as Markdown: its sections become lists."""
    out: list[str] = []
    for paragraph in docstring.split("\n\n"):
        lines = paragraph.splitlines()
        heading = SECTION.match(lines[0]) if lines else None
        if heading is None:
            out.append(_joined(lines))
        else:
            out.append(f"**{heading[1]}**")
            out.append("\n".join(_items(lines[1:])))
    return "\n\n".join(out) + "\n"


def _items(lines: Iterable[str]) -> Iterator[str]:
    """Yield a list's entries: `name: what` begins one, and more indented lines go on with it."""
    entry: list[str] = []
    for line in lines:
        begins = ITEM.match(line)
        if begins or not entry:
            yield from [_joined(entry)] if entry else ()
            entry = [f"- `{begins[1]}`: {begins[2]}" if begins else f"- {line.strip()}"]
        else:
            entry.append(line)
    yield from [_joined(entry)] if entry else ()


def _joined(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines)
