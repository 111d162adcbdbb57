"""Small faults to put into a source file, one at a time: what ``mutate.py`` tries the tests on."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]

_SWAPS: dict[type, type] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv},
    **{ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
    **{ast.BitXor: ast.BitOr, ast.And: ast.Or, ast.Or: ast.And, ast.Pow: ast.Mult, ast.Div: ast.Mult},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
}
_TERMS = (ast.Add, ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OF_NO_VALUE = {"name", "src_loc_at", "reset_less"}
"""Arguments that change no value in a design that is reset before it is used."""


@dataclass(frozen=True, order=True)
class Mutant:
    """A fault: ``after`` in the place of ``before``, in a line of a file.

    Parameters
    ----------
    file: the path from the package's root
    line, column: where ``before`` begins, from 1 and from 0, in bytes of UTF-8
    end_line, end_column: where it ends
    kind: what was changed: an operator, a term, a constant, a comparison, a condition, a branch, a statement, an
        argument
    lines: the first and the last line of its statement, without the statements inside that
    in_function: whether it is run when a test is, and not when the file is imported
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    before: str
    after: str
    lines: tuple[int, int]
    in_function: bool

    def applied_to(self, source: str) -> str:
        lines = source.encode().splitlines(keepends=True)
        head = b"".join([*lines[: self.line - 1], lines[self.line - 1][: self.column]])
        tail = b"".join([lines[self.end_line - 1][self.end_column :], *lines[self.end_line :]])
        return (head + self.after.encode() + tail).decode()


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    return sorted({*_Finder(file, (root / file).read_text()).mutants})


class _Finder(ast.NodeVisitor):
    """Walks a file and keeps the mutants of every node that is run and has a value."""

    def __init__(self, file: str, source: str):
        self.file = file
        self.text = source.encode().splitlines(keepends=True)
        self.mutants: list[Mutant] = []
        self.lines = (1, 1)
        self.depth = 0
        self.visit(ast.parse(source))

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            self.lines = (node.lineno, max(body[0].lineno - 1, node.lineno) if body else node.end_lineno)
        for kind, other in _others(node):
            self._keep(node, kind, other)
        conditions = getattr(node, "ifs", [node.test] if isinstance(node, ast.If | ast.While) else [])
        for condition in conditions:
            self._keep(condition, "condition", ast.UnaryOp(ast.Not(), condition))
        super().visit(node)

    def _keep(self, node: ast.AST, kind: str, other: ast.AST) -> None:
        where = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        before = self._text(*where)
        after = ast.unparse(other)
        if isinstance(other, ast.BinOp | ast.BoolOp | ast.Compare | ast.UnaryOp | ast.IfExp):
            after = f"({after})"
        if after in (before, f"({before})"):
            return
        self.mutants.append(Mutant(self.file, *where, kind, before, after, self.lines, self.depth > 0))

    def _text(self, line: int, column: int, end_line: int, end_column: int) -> str:
        lines = self.text[line - 1 : end_line]
        lines[-1] = lines[-1][:end_column]
        return b"".join([lines[0][column:], *lines[1:]]).decode()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(default)
        self.depth += 1
        for statement in node.body:
            self.visit(statement)
        self.depth -= 1

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in _OF_NO_VALUE:
            self.generic_visit(node)

    def _nothing(self, node: ast.AST) -> None:
        """What is said of an error, what only the type checker reads, and what has no place of its own in the text."""

    visit_Raise = visit_Assert = visit_JoinedStr = visit_Import = visit_ImportFrom = _nothing


def _others(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Nodes to put into the place of this one, and what kind of fault each is."""
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in _SWAPS:
                yield "operator", ast.BinOp(left, _SWAPS[type(op)](), right)
            if isinstance(op, _TERMS):
                yield from (("term", left), ("term", right))
        case ast.BoolOp(op, values):
            yield "operator", ast.BoolOp(_SWAPS[type(op)](), values)
            for k in range(len(values)):
                rest = values[:k] + values[k + 1 :]
                yield "term", ast.BoolOp(op, rest) if len(rest) > 1 else rest[0]
        case ast.Compare(left, ops, comparators):
            for k, op in enumerate(ops):
                yield "comparison", ast.Compare(left, [*ops[:k], _SWAPS[type(op)](), *ops[k + 1 :]], comparators)
        case ast.UnaryOp(_, operand):
            yield "operator", operand
        case ast.Constant(bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int(value)):
            yield from (("constant", ast.Constant(value + 1)), ("constant", ast.Constant(value - 1)))
        case ast.IfExp(test, body, orelse):
            yield "branch", ast.IfExp(test, orelse, body)
            yield from (("branch", body), ("branch", orelse))
        case ast.Call():
            yield from _other_calls(node)
        case ast.AugAssign() | ast.Expr(ast.Call()):
            yield "statement", ast.Pass()
            if isinstance(node, ast.AugAssign) and isinstance(node.value, ast.List):
                for k in range(len(node.value.elts)):
                    rest = ast.List(node.value.elts[:k] + node.value.elts[k + 1 :])
                    yield "statement", _with(node, value=rest)


def _other_calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    match node.func:
        case ast.Name("Mux") if len(node.args) == 3:
            yield "branch", _with(node, args=[node.args[0], node.args[2], node.args[1]])
        case ast.Attribute(_, "If" | "Elif") if len(node.args) == 1:
            some = ast.Call(ast.Attribute(node.args[0], "bool"), [], [])
            yield "condition", _with(node, args=[ast.UnaryOp(ast.Invert(), some)])
        case ast.Name(name) if name in _NAMES:
            yield "operator", _with(node, func=ast.Name(_NAMES[name]))
        case ast.Attribute(value, name) if name in _NAMES:
            yield "operator", _with(node, func=ast.Attribute(value, _NAMES[name]))
    for k, argument in enumerate(node.args):
        if not isinstance(argument, ast.Constant | ast.Starred):
            yield "argument", _with(node, args=[*node.args[:k], ast.Constant(None), *node.args[k + 1 :]])
    for k, keyword in enumerate(node.keywords):
        if keyword.arg is not None and keyword.arg not in _OF_NO_VALUE and not isinstance(keyword.value, ast.Constant):
            nothing = ast.keyword(keyword.arg, ast.Constant(None))
            yield "argument", _with(node, keywords=[*node.keywords[:k], nothing, *node.keywords[k + 1 :]])


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
