"""Nothing reads cases past `hotline.scope`: who may see which is decided in one place."""

import ast
from collections.abc import Iterator

import pytest

from hotline.settings import ROOT

ROOMS = ("hotline", "telephony", "recordings", "ivr", "agent_console", "ops")
READS = {"select", "get", "get_one", "join", "outerjoin", "select_from", "update", "delete", "exists", "aliased"}
# What reads `Case` by itself, and why it may.
EXCEPTIONS = {
    "hotline/scope.py": "it is the filter",
}


def reads(node: ast.AST, whole: ast.expr | None = None) -> Iterator[ast.Call]:
    """Give the calls that read or change `Case` without the filter.

    Allowed is what stands inside `scope.cases(...)`, and an expression that has `scope.visible_cases(...)` in it: the
    condition of an outer join, which keeps the row and hides its case.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "scope.cases":
            continue
        root = (whole or child) if isinstance(child, ast.expr) else None
        read = isinstance(child, ast.Call) and _verb(child) in READS and any(_is_case(one) for one in child.args)
        if read and "scope.visible_cases(" not in ast.unparse(root or child):
            yield child
        yield from reads(child, root)


def _verb(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _is_case(node: ast.expr) -> bool:
    """Whether this is `Case`, a column of it or `col(...)` of one."""
    if isinstance(node, ast.Call):
        return _verb(node) in {"col", "count", "max", "min"} and any(_is_case(one) for one in node.args)
    if isinstance(node, ast.Attribute):
        return _is_case(node.value)
    return isinstance(node, ast.Name) and node.id == "Case"


def test_cases_are_read_through_the_filter_only() -> None:
    guilty: dict[str, list[str]] = {}
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        found = [f"line {call.lineno}: {ast.unparse(call)[:80]}" for call in reads(ast.parse(path.read_text()))]
        if found:
            guilty[str(path.relative_to(ROOT))] = found
    assert {name: lines for name, lines in guilty.items() if name not in EXCEPTIONS} == {}
    assert set(guilty) == set(EXCEPTIONS), "an exception that is none any more"


def test_cases_have_one_name_everywhere() -> None:
    """Under another name the test above would not see them."""
    renamed = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and any(one.name == "Case" and one.asname for one in node.names)
    ]
    assert renamed == []


@pytest.mark.parametrize(
    "written",
    [
        "session.get(Case, 1)",
        "session.get_one(Case, 1)",
        "select(Case).where(x)",
        "select(col(Case.id))",
        "select(func.count()).select_from(Case)",
        "select(Safety).join(Case, x)",
        "update(Case).values(y=1)",
        "for case in session.exec(select(Case.id)): scope.visible_cases(by)",
    ],
)
def test_each_way_of_reading_is_noticed(written: str) -> None:
    assert len(list(reads(ast.parse(written)))) == 1


@pytest.mark.parametrize(
    "written",
    [
        "scope.find(session, by, 1)",
        "scope.cases(by, select(Case)).where(col(Case.id) == 1)",
        "scope.cases(by, update(Case))",
        "select(Limit, col(Case.id)).join(Case, and_(x, scope.visible_cases(by)), isouter=True)",
        "select(Note).where(col(Note.case_id) == case.id)",
    ],
)
def test_what_has_the_filter_is_let_through(written: str) -> None:
    assert list(reads(ast.parse(written))) == []
