"""What the tests may not do, because it fails on somebody else's machine."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "localtime", "gmtime"}


def at_import(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that are made when a module is imported: decorators and defaults are, bodies of functions are not."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    elif isinstance(node, ast.Lambda):
        inside = [*node.args.defaults]
    else:
        inside = list(ast.iter_child_nodes(node))
    for child in inside:
        if isinstance(child, ast.Call):
            yield child
        yield from at_import(child)


def asks_the_time(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in CLOCKS


def test_no_test_module_takes_the_time_when_it_is_imported() -> None:
    """Its tests may run an hour later: what was five hours ago is then six."""
    modules = sorted(TESTS.rglob("*.py"))
    assert len(modules) > 100
    early = [
        f"{path.relative_to(TESTS)}:{call.lineno}"
        for path in modules
        for call in at_import(ast.parse(path.read_text()))
        if asks_the_time(call)
    ]
    assert not early, "take it in a fixture or in the test: " + ", ".join(early)


def test_a_module_that_takes_it_is_found() -> None:
    """The check above can fail: at the top, in a decorator, as a default; not in a function's body."""
    taken = (
        "T = now()\n@mark([time.time()])\ndef f(at=datetime.now(UTC)):\n    return now()\nclass C:\n    at = now()\n"
    )
    assert [call.lineno for call in at_import(ast.parse(taken)) if asks_the_time(call)] == [1, 2, 3, 6]
