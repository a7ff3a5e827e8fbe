"""Names in SQL that PostgreSQL would look up on the search path, by its own parser.

What it looks up by name (parse_expr.c, parse_oper.c and gram.y of PostgreSQL):

- functions, operators, types, relations, collations and operator classes, if they are
  not qualified;
- the operators inside `x in (…)`, `in (select …)`, `like`, `ilike`, `similar to`,
  `between`, `is distinct from`, `nullif`, `case x when`, `join … using` and
  `natural join`, which can't be qualified: `=`, `~~`, `>=` and so on;
- names in a constant that is cast to regclass, regproc and similar types.

Never by name: grammar words (`int`, `double precision`, `current_user`, `coalesce`,
`greatest`, `extract(… from …)`, `trim`, `at time zone`: gram.y writes pg_catalog into
them), and the operators of `order by`, `distinct`, `group by`, joins and indexes, which
come from the default operator class of a type. Casts are found by their two types.

A body with `set search_path = pg_catalog, pg_temp` may use bare names, because the path
is its own, and functions and operators of pg_temp are never found by a bare name.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast, parse_plpgsql, parse_sql
from pglast.enums import A_Expr_Kind, SubLinkType
from pglast.parser import scan
from pglast.visitors import Visitor

FIXED = "pg_catalog, pg_temp"
"""The search path of a function whose body may use bare names."""

BY_NAME = {
    A_Expr_Kind.AEXPR_DISTINCT: "is distinct from",
    A_Expr_Kind.AEXPR_NOT_DISTINCT: "is not distinct from",
    A_Expr_Kind.AEXPR_NULLIF: "nullif",
    A_Expr_Kind.AEXPR_IN: "in (…)",
    A_Expr_Kind.AEXPR_LIKE: "like",
    A_Expr_Kind.AEXPR_ILIKE: "ilike",
    A_Expr_Kind.AEXPR_SIMILAR: "similar to",
    A_Expr_Kind.AEXPR_BETWEEN: "between",
    A_Expr_Kind.AEXPR_NOT_BETWEEN: "not between",
    A_Expr_Kind.AEXPR_BETWEEN_SYM: "between symmetric",
    A_Expr_Kind.AEXPR_NOT_BETWEEN_SYM: "not between symmetric",
}
"""Parts of the grammar whose operator can't be qualified."""

NAMING = {
    *("regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype"),
    *("regcollation", "regconfig", "regdictionary"),
}
"""Types whose constants are names."""

STATEMENT, EXPRESSION = 0, 2
"""How PL/pgSQL parses a text; other numbers are assignments."""

ASSIGNMENT = re.compile(r":?=")

VECTOR = re.compile(r"\b(half|sparse)?vec(tor)?\b")
SETOF = re.compile(r"(?<=^returns )setof [\w.]+$", re.MULTILINE)
VECTOR_TYPES = {"vector", "halfvec", "sparsevec"}
VECTOR_NAMES = {
    *("subvector", "l2_normalize", "binary_quantize", "vector_dims", "vector_norm"),
    *("inner_product", "l2_distance", "cosine_distance"),
}


class Names(Visitor):
    """Collects what a statement would look up on the search path."""

    def __init__(self, text: str, *, installed: bool) -> None:
        """`installed`: it runs under the path of `schema.sql`."""
        super().__init__()
        self.text = text
        self.installed = installed
        self.known: set[str] = set()
        self.signature: set[int] = set()
        self.found: list[str] = []

    def of(self, statement: ast.RawStmt) -> list[str]:
        """All of one statement."""
        self.known = Given().of(statement)
        self(statement)
        return self.found

    def visit_CreateFunctionStmt(self, above: Any, node: Any) -> None:
        self._qualified(node.funcname, "function")
        self._signature(node.returnType)
        options = {option.defname: option.arg for option in node.options or ()}
        if "as" in options:
            language = options["language"].sval
            text = options["as"][-1].sval
            if language != "plpgsql":
                self.found.append(f"a body of {language} as text: its names are late")
            elif not fixed(node.options):
                self.found += plpgsql_names(self.text, text)

    def visit_FunctionParameter(self, above: Any, node: Any) -> None:
        self._signature(node.argType)

    def visit_ObjectWithArgs(self, above: Any, node: Any) -> None:
        self._qualified(node.objname, "object")
        for given in node.objargs or ():
            self._signature(given)
        for parameter in node.objfuncargs or ():
            self._signature(parameter.argType)

    def visit_FuncCall(self, above: Any, node: Any) -> None:
        self._qualified(node.funcname, "function")

    def visit_A_Expr(self, above: Any, node: Any) -> None:
        kind = A_Expr_Kind(node.kind)
        if kind in BY_NAME:
            self.found.append(BY_NAME[kind])
        else:
            self._qualified(node.name, "operator")

    def visit_SubLink(self, above: Any, node: Any) -> None:
        kind = SubLinkType(node.subLinkType)
        if kind in (SubLinkType.ANY_SUBLINK, SubLinkType.ALL_SUBLINK):
            if node.operName is None:
                self.found.append("in (select …)")
            else:
                self._qualified(node.operName, "operator")

    def visit_CaseExpr(self, above: Any, node: Any) -> None:
        if node.arg is not None:
            self.found.append("case x when")

    def visit_JoinExpr(self, above: Any, node: Any) -> None:
        if node.isNatural or node.usingClause:
            self.found.append("join … using")

    def visit_SortBy(self, above: Any, node: Any) -> None:
        if node.useOp:
            self._qualified(node.useOp, "operator")

    def visit_CollateClause(self, above: Any, node: Any) -> None:
        self._qualified(node.collname, "collation")

    def visit_IndexElem(self, above: Any, node: Any) -> None:
        if node.opclass:
            self._qualified(node.opclass, "operator class")

    def visit_TypeName(self, above: Any, node: Any) -> None:
        if node.names and id(node) not in self.signature:
            self._qualified(node.names, "type")

    def visit_DefElem(self, above: Any, node: Any) -> None:
        # a word such as `cascaded`, which the grammar reads as a type
        if isinstance(node.arg, ast.TypeName):
            self.signature.add(id(node.arg))

    def visit_TypeCast(self, above: Any, node: Any) -> None:
        if (
            isinstance(node.arg, ast.A_Const)
            and isinstance(node.arg.val, ast.String)
            and node.typeName.names[-1].sval in NAMING
            and "." not in str(node.arg.val.sval)
        ):
            self.found.append(f"constant {node.arg.val.sval!r}")

    def visit_RangeTableSample(self, above: Any, node: Any) -> None:
        self._qualified(node.method, "function")

    def visit_RangeVar(self, above: Any, node: Any) -> None:
        if node.schemaname is None and node.relname not in self.known:
            self.found.append(f"relation {node.relname}")

    def visit_DropStmt(self, above: Any, node: Any) -> None:
        for dropped in node.objects:
            if isinstance(dropped, tuple):
                self._qualified(dropped, "relation")

    def visit_DoStmt(self, above: Any, node: Any) -> None:
        [text] = [option.arg.sval for option in node.args if option.defname == "as"]
        self.found += plpgsql_names(self.text, text)

    def _signature(self, node: Any) -> None:
        """Let a type be bare, because the path of `schema.sql` starts with pg_catalog.

        The same holds for the types of a result.
        """
        if self.installed and node is not None:
            self.signature.add(id(node))

    def _qualified(self, name: Sequence[Any], what: str) -> None:
        parts = [part.sval if isinstance(part, ast.String) else part for part in name]
        ours = VECTOR_TYPES if what == "type" else VECTOR_NAMES
        if len(parts) < 2 and not (self.installed and parts[0] in ours):
            self.found.append(f"{what} {parts[0]}")


class Given(Visitor):
    """Collects the names that a statement gives to its own queries."""

    def of(self, statement: ast.RawStmt) -> set[str]:
        """All of one statement."""
        self.names: set[str] = set()
        self(statement)
        return self.names

    def visit_CommonTableExpr(self, above: Any, node: Any) -> None:
        self.names.add(node.ctename)


def unqualified(text: str, *, installed: bool = False) -> list[str]:
    """What the statements of a text would look up on the search path, sorted."""
    found: set[str] = set()
    for statement in parse_sql(text):
        start = statement.stmt_location or 0
        end = start + statement.stmt_len if statement.stmt_len else None
        own = text[start:end]
        found.update(Names(own, installed=installed).of(statement))
    return sorted(found)


def fixed(options: Sequence[Any]) -> bool:
    """Whether a function has the search path FIXED, which allows bare names."""
    # it may have other settings, too: they look nothing up
    paths = [
        ", ".join(part.val.sval for part in option.arg.args)
        for option in options
        if option.defname == "set" and option.arg.name == "search_path"
    ]
    return paths == [FIXED]


def plpgsql_names(statement: str, body: str) -> Iterator[str]:
    """Names that a body of PL/pgSQL would look up; `statement` contains the body."""
    # the parser does not know pgvector's types, so `text` stands for them
    known = SETOF.sub("setof pg_catalog.text", VECTOR.sub("text", statement))
    for part in expressions(parse_plpgsql(known)):
        yield from unqualified(part)
    for declared in declarations(body):
        yield from unqualified(f"select null::{declared}")


def expressions(parsed: Any) -> Iterator[str]:
    """Each statement and expression of a parsed body, as a statement."""
    if isinstance(parsed, dict):
        for name, value in parsed.items():
            if name == "PLpgSQL_expr":
                text, mode = value["query"], value["parseMode"]
                if mode == STATEMENT:
                    yield text
                elif mode == EXPRESSION:
                    yield f"select {text}"
                else:
                    yield f"select {ASSIGNMENT.split(text, maxsplit=1)[1]}"
            else:
                yield from expressions(value)
    elif isinstance(parsed, list):
        for value in parsed:
            yield from expressions(value)


def declarations(body: str) -> Iterator[str]:
    """Types of the variables that a body declares; the parser does not keep them."""
    tokens = [token for token in scan(body) if "COMMENT" not in token.name]
    inside, start = False, 0
    for i, token in enumerate(tokens):
        word = body[token.start : token.end + 1].lower()
        if word == "declare":
            inside, start = True, i + 1
        elif word == "begin":
            inside = False
        elif inside and word == ";":
            words = [body[one.start : one.end + 1] for one in tokens[start:i]]
            start = i + 1
            yield from declared(words)


def declared(words: list[str]) -> Iterator[str]:
    """The type in `name constant type not null := value`, unless it is another's."""
    rest = [word for word in words[1:] if word.lower() != "constant"]
    for i, word in enumerate(rest):
        if word.lower() in (":=", "=", "default", "not", "collate"):
            rest = rest[:i]
            break
    if "%" not in rest:
        yield " ".join(rest)
