"""Mutants of a source file: copies with one small fault each, as a tired programmer would make it.

The faults are the usual operators of mutation testing (DeMillo, Lipton and Sayward 1978; Offutt's sufficient set): a
comparison at or past its bound or reversed, `and` for `or`, a dropped `not`, a condition reversed, an arithmetic sign, an
integer one off, a truth value, a result that is None, a statement left out. Words on screen, log lines, annotations and
docstrings are left alone.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_REVERSED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
_WRITES_A_LOG = {"log", "debug", "info", "warning", "error", "exception"}


@dataclass(frozen=True)
class Mutant:
    """One fault: where it stands in the original, what it is, and the whole file with it."""

    file: Path
    line: int
    fault: str
    source: str
    statement: int | None
    """The first line of the statement it stands in, that of `def` for a default; None for what runs at import."""
    function: str
    code: str
    """Its line as it is written."""

    @property
    def name(self) -> str:
        """The name by which a person finds it."""
        return f"{self.file}:{self.line} {self.fault}"

    @property
    def place(self) -> str:
        """What it is known by when the lines above it have changed."""
        return f"{self.file} {self.function}: {self.code} -- {self.fault}"


def mutants_of(file: Path) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    text = file.read_text()
    tree, lines = ast.parse(text), text.splitlines()
    found: list[Mutant] = []
    for path, node in _nodes(tree, ()):
        statement = _statement(tree, path)
        for fault, changed in _faults(node):
            mutated = copy.deepcopy(tree)
            _put(mutated, path, changed)
            line = getattr(node, "lineno", statement or 0)
            source = ast.unparse(ast.fix_missing_locations(mutated))
            code = lines[line - 1].strip() if line else ""
            found.append(Mutant(file, line, fault, source, statement, _function(tree, path), code))
    return sorted(found, key=lambda mutant: mutant.line)


Path_ = tuple[tuple[str, int | None], ...]


def _nodes(node: ast.AST, path: Path_) -> Iterator[tuple[Path_, ast.AST]]:
    """Each node that may be changed, with the way to it from the top."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
            continue
        children = value if isinstance(value, list) else [value]
        for number, child in enumerate(children):
            if not isinstance(child, ast.AST) or _left_alone(child) or _for_the_types(node, child):
                continue
            step: Path_ = (*path, (name, number if isinstance(value, list) else None))
            yield step, child
            yield from _nodes(child, step)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    return isinstance(node, ast.Expr) and (_is_log(node.value) or isinstance(node.value, ast.Constant))


def _for_the_types(node: ast.AST, child: ast.AST) -> bool:
    """The 0 of `row.id`: a row that was written has an id, and only the type checker asks what else it would be."""
    if not isinstance(node, ast.BoolOp) or not isinstance(child, ast.Constant) or child.value != 0:
        return False
    name = ast.unparse(node.values[0])
    return name.endswith((".id", "_id"))


def _is_log(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _WRITES_A_LOG
        and "log" in ast.unparse(node.func.value)
    )


def _faults(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=[operator]):
            yield from _compared(node, operator)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"'{_word(node.op)}' is '{_word(other)}'", ast.BoolOp(op=other, values=node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield "a dropped 'not'", node.operand
        case ast.BinOp() if type(node.op) in _COMPUTED and not _of_text(node):
            other_sign = _COMPUTED[type(node.op)]()
            yield "another sign", ast.BinOp(left=node.left, op=other_sign, right=node.right)
        case ast.Constant(value=bool(value)):
            yield f"{value} is {not value}", ast.Constant(value=not value)
        case ast.Constant(value=int(value)):
            yield f"{value} is {value + 1}", ast.Constant(value=value + 1)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield "returns None", ast.Return(value=ast.Constant(value=None))
        case ast.If() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.BoolOp) and not _is_not(node.test):
            reversed_ = copy.copy(node)
            reversed_.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
            yield "a condition reversed", reversed_
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield "left out", ast.Pass()
        case ast.Assign(targets=[ast.Attribute()]):
            yield "left out", ast.Pass()
        case ast.comprehension(ifs=[_, *_]):
            unfiltered = copy.copy(node)
            unfiltered.ifs = []
            yield "a filter left out", unfiltered
        case _:
            pass


def _compared(node: ast.Compare, operator: ast.cmpop) -> Iterator[tuple[str, ast.AST]]:
    for table in (_COMPARED, _REVERSED):
        if (other := table.get(type(operator))) is not None:
            changed = ast.Compare(left=node.left, ops=[other()], comparators=node.comparators)
            yield f"'{_word(operator)}' is '{_word(other())}'", changed


def _word(operator: ast.AST) -> str:
    return type(operator).__name__


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _of_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in sides
    )


def _statement(tree: ast.AST, path: Path_) -> int | None:
    """The line at which a tracer sees what stands at `path` run."""
    inner, line = tree, None
    inside = False
    for name, number in path:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = True
        value = getattr(inner, name)
        inner = value if number is None else value[number]
        if isinstance(inner, ast.stmt):
            line = min([inner.lineno, *(one.lineno for one in getattr(inner, "decorator_list", []))])
        elif isinstance(inner, ast.arguments):
            return line
    return line if inside else None


def _function(tree: ast.AST, path: Path_) -> str:
    """The name of the innermost function that `path` leads into; none for what stands outside."""
    inner, found = tree, ""
    for name, number in path:
        value = getattr(inner, name)
        inner = value if number is None else value[number]
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = inner.name
    return found


def _put(tree: ast.AST, path: Path_, changed: ast.AST) -> None:
    """Set what stands at `path`."""
    holder: ast.AST = tree
    for name, number in path[:-1]:
        value = getattr(holder, name)
        holder = value if number is None else value[number]
    name, number = path[-1]
    if number is None:
        setattr(holder, name, changed)
    else:
        getattr(holder, name)[number] = changed
