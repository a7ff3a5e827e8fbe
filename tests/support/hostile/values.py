"""Values that nobody should pass, as Python expressions, and their classes."""

import array
import datetime
import decimal
import fractions
import uuid
from collections import OrderedDict, UserString
from collections.abc import Iterator
from typing import Any

import numpy as np
from pgvector import Bit, HalfVector, SparseVector, Vector
from psycopg import sql

from support.hostile.tables import MARKER

WRITE = f"insert into public.{MARKER} values ('in')"
"""The statement that inputs try to inject."""


class Boom(Exception):
    """An error that objects of the caller raise."""


def boom(*_: Any) -> Any:
    raise Boom


class BadIndex:
    __index__ = __int__ = boom


class GoodIndex:
    def __index__(self) -> int:
        return 5


class BadFloat:
    __float__ = boom


class BadRepr:
    __repr__ = __str__ = boom


class BadHash(str):
    __hash__ = boom


class BadEq:
    __eq__ = boom
    __hash__ = object.__hash__


class BadLen(list[float]):
    __len__ = boom


class BadIter:
    def __len__(self) -> int:
        return 8

    def __iter__(self) -> Iterator[float]:
        boom()
        yield 1.0

    def __getitem__(self, place: int) -> float:
        return float(boom())


class BadArray:
    __array__ = boom


class BadNumpy:
    to_numpy = boom


class OddNumpy:
    def to_numpy(self) -> str:
        return "no array"


class Everything:
    """Has every attribute."""

    def __getattr__(self, name: str) -> Any:
        return boom


class MyInt(int):
    pass


class MyStr(str):
    pass


class OddArray(np.ndarray):
    pass


def many(count: int) -> Iterator[float]:
    """A generator, which has no length."""
    return (0.5 for _ in range(count))


NAMES = {
    **globals(),
    "np": np,
    "sql": sql,
    "array": array,
    "datetime": datetime,
    "decimal": decimal,
    "fractions": fractions,
    "uuid": uuid,
    "UUID": uuid.UUID,
    "OrderedDict": OrderedDict,
    "UserString": UserString,
    "Vector": Vector,
    "HalfVector": HalfVector,
    "SparseVector": SparseVector,
    "Bit": Bit,
    "nan": float("nan"),
    "inf": float("inf"),
}
"""Names for evaluating the expressions below."""

NUMPY = [
    f"np.{name}(7)"
    for name in (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "longdouble", "complex64", "bool_", "str_"),
        *("bytes_", "object_"),
    )
] + ["np.datetime64(7, 's')", "np.timedelta64(7, 's')", "np.array(7)", "np.array([7])"]

INJECTIONS = [
    f"'; {WRITE}; --",
    f'"; {WRITE}; --',
    f"$$; {WRITE}; --",
    f"$template$; {WRITE}; --",
    f"$body$; {WRITE}; --",
    f"\\'; {WRITE}; --",
    f"docs; {WRITE}",
    f'docs\\"; {WRITE}; --',
    f"*/; {WRITE}; /*",
    f"x')); {WRITE}; --",
    f"public.docs where true); {WRITE}; --",
]

TEXTS = [
    *("''", "' '", "'x' * 63", "'x' * 64", "'x' * 100000", "'é' * 31", "'é' * 32"),
    *("'a\\0b'", "'\\0'", "'\\udcff'", "'\\ud800x'", "'\\ufeff'", "'\\u202e'", "'🦆'"),
    *("'\\x7f\\x1b[31m'", "'a\\nb\\r'", "'[red]x[/red]'", "'[/]'", "'\\\\'", "'\\\\x'"),
    *("'%'", "'%%'", "'%s'", "'%(mrl_query)s'", "'%(a'", "'%b'", "'{}'", "'{0}'"),
    *("'{table}'", "'{{'", "'}'", "'$1'", "'$$'", "'$template$'", "':a'", "'::int'"),
    *(
        "'a.b'",
        "'\"a\"'",
        "'\"'",
        '"\'"',
        "'a\"b'",
        "'--'",
        "'/*'",
        "'*/'",
        "'#'",
        "';'",
    ),
    *("'pg_class'", "'mrl.registry'", "'mrl_query'", "'candidates'", "'public'"),
    *("'ctid'", "'tableoid'", "'null'", "'NULL'", "'true'", "'select'", "'Docs'"),
    *("b'docs'", "bytearray(b'x')", "5", "None", "True", "0.5", "[]", "['docs']", "{}"),
    *(
        "object()",
        "MyStr('docs')",
        "np.str_('docs')",
        "UserString('docs')",
        "BadRepr()",
    ),
    *("BadHash('x')", "BadEq()", "Everything()", "sql.SQL('docs')", "('a', 'b')"),
    *("sql.Identifier('docs')", "int", "lambda: 1", "Boom()", "float('nan')"),
    *map(repr, INJECTIONS),
]

NUMBERS = [
    *("0", "-1", "1", "-0.0", "5.0", "1.5", "True", "False", "None", "'5'", "b'5'"),
    *("2**15", "2**31 - 1", "2**31", "2**32", "2**63", "2**64", "10**9", "10**9 + 1"),
    *(
        "10**400",
        "10**5000",
        "-10**400",
        "-(2**31)",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e-320",
        "''",
    ),
    *(
        "[]",
        "[5]",
        "{}",
        "object()",
        "5j",
        "decimal.Decimal(5)",
        "decimal.Decimal('NaN')",
    ),
    *(
        "fractions.Fraction(5, 2)",
        "MyInt(5)",
        "GoodIndex()",
        "BadIndex()",
        "BadFloat()",
    ),
    *("BadRepr()", "BadEq()", "Everything()", "'1; select 1'", "'nan'", "'\\u0661'"),
    *NUMPY,
]

VECTORS = [
    *("[]", "None", "5", "''", "'[1,2,3,4,5,6,7,8]'", "b'12345678'", "[0] * 8"),
    *("[0.0] * 8", "[-0.0] * 8", "[nan] * 8", "[1] * 7 + [inf]", "[1] * 7 + [-inf]"),
    *("[1] * 7", "[1] * 9", "[1] * 16001", "[[1] * 8]", "[[1]] * 8", "[[1] * 8] * 2"),
    *("[None] * 8", "['1'] * 8", "['x'] * 8", "[True] * 8", "[b'1'] * 8", "[1j] * 8"),
    *("[10**400] * 8", "[10**38] * 8", "[10**39] * 8", "[1e-46] * 8", "[1e-30] * 8"),
    *("[1e30] * 8", "[65504] * 8", "[65520] * 8", "[1e5] * 8", "[2**64] * 8"),
    *("range(8)", "range(1, 9)", "tuple(range(1, 9))", "set(range(8))", "many(8)"),
    *("iter([1] * 8)", "{i: 1 for i in range(8)}", "OrderedDict()", "object()"),
    *("array.array('d', [1] * 8)", "memoryview(b'12345678')", "bytearray(8)"),
    *(
        "decimal.Decimal(1)",
        "[decimal.Decimal(1)] * 8",
        "[fractions.Fraction(1, 3)] * 8",
    ),
    *(
        "[np.float32(1)] * 8",
        "np.ones(8, 'f2')",
        "np.ones(8, '>f4')",
        "np.ones(8, 'i1')",
    ),
    *("np.ones(8, 'u8')", "np.ones(8, '?')", "np.ones(8, 'c8')", "np.ones(8, object)"),
    *(
        "np.ones(8, 'g')",
        "np.ones(8, 'M8[s]')",
        "np.ones(8, 'm8[s]')",
        "np.ones(8, 'U3')",
    ),
    *("np.ones(8, 'S3')", "np.ones(8, 'V4')", "np.array(5.0)", "np.ones((8, 1))"),
    *("np.ones((1, 8))", "np.ones((0, 8))", "np.ones(0)", "np.ones((2, 2, 2))"),
    *("np.ones(8, [('a', 'f4')])", "np.ma.masked_array([1.0] * 8, [True] * 8)"),
    *("np.ones(8).view(OddArray)", "np.matrix([1.0] * 8)", "np.ones(16)[::2]"),
    *(
        "np.full(8, None)",
        "np.full(8, 'x', object)",
        "np.full(8, 1e39)",
        "np.ones(8)[::-1]",
    ),
    *(
        "Vector([1] * 8)",
        "HalfVector([1] * 8)",
        "SparseVector([1] * 8)",
        "Bit('1' * 8)",
    ),
    *(
        "Vector([1] * 7)",
        "HalfVector([6e4] * 8)",
        "BadNumpy()",
        "OddNumpy()",
        "BadArray()",
    ),
    *(
        "BadIter()",
        "BadLen([1.0] * 8)",
        "Everything()",
        "[BadFloat()] * 8",
        "BadRepr()",
    ),
    *(
        "[GoodIndex()] * 8",
        "[[1] * 8, [1] * 7]",
        "datetime.date.today()",
        "np.float64(1)",
    ),
    *("[1e19] * 8", "[-1e-20] * 8", "np.zeros(8, 'f2')", "[0, 0, 0, 0, 1, 1, 1, 1]"),
]

PARAMS = [
    *(
        "{}",
        "[]",
        "()",
        "None",
        "{'a': None}",
        "{'a': nan}",
        "{'a': inf}",
        "{'a': 2**63}",
    ),
    *(
        "{'a': 10**400}",
        "{'a': 'a\\0b'}",
        "{'a': '\\udcff'}",
        "{'a': b'\\0'}",
        "{'a': []}",
    ),
    *(
        "{'a': [1, 'x']}",
        "{'a': object()}",
        "{'a': {}}",
        "{'a': BadRepr()}",
        "{'b': 1}",
    ),
    *(
        "{'mrl_query': 1}",
        "{'mrl_seen': 1}",
        "{1: 2}",
        "{None: 1}",
        "{'a': np.int64(3)}",
    ),
    *("{'a': np.float16(3)}", "{'a': np.ones(3)}", "{'a': decimal.Decimal('NaN')}"),
    *("{'a': datetime.datetime.max}", "{'a': uuid.UUID(int=1)}", "{'a': True}", "[3]"),
    *("(3,)", "[3, 4]", "'3'", "3", "{3}", "b'3'", "iter([3])", "[None]", "[object()]"),
    *(
        "{'a': sql.SQL('3')}",
        "{'a': sql.Identifier('n')}",
        "{'a': 3, 'b': 4}",
        "np.ones(1)",
    ),
    *("{'a': '1 or true'}", '["\'; drop table docs; --"]', "Everything()", "[[3]]"),
    *("{'a': 1e400}", "{'a': -2**63}", "{'a': '3'}", "{'a': ' 3'}", "{'a': '\\\\x'}"),
]

COLUMNS = [
    *(
        "None",
        "''",
        "'n'",
        "[]",
        "['n']",
        "('title', 'n')",
        "['embedding']",
        "['nope']",
    ),
    *("['n', 'n', 'n']", "[None]", "[5]", "[b'n']", "{'n'}", "{'n': 1}", "5", "[[]]"),
    *(
        "['ctid']",
        "['*']",
        "['n, title']",
        "['\"n\"']",
        "['n\\0']",
        "['\\udcff']",
        "True",
    ),
    *("iter(['n'])", "['n'] * 2000", "[BadHash('n')]", "[BadEq()]", "np.array(['n'])"),
    *("[np.str_('n')]", "[MyStr('n')]", "Everything()", "['N']", "[sql.SQL('n')]"),
    *(f"[{text!r}]" for text in INJECTIONS[:3]),
]

FLAGS = ["None", "0", "1", "'yes'", "''", "[]", "nan", "object()", "np.bool_(True)"]

QUERIES = [
    *("None", "5", "[]", "''", "'kept'", "'x'", "b'kept'", "{}", "object()", "[None]"),
    *("[[]]", "[[1] * 8, [1] * 7]", "[[1] * 8, None]", "[[0] * 8]", "np.ones(8)"),
    *("np.ones((3, 8))", "np.ones((0, 8))", "np.ones((3, 7))", "np.ones((2, 2, 8))"),
    *("many(8)", "iter([[1] * 8])", "(x for x in [[1] * 8])", "{'a': [1] * 8}", "True"),
    *(
        "[[1] * 8] * 70",
        "range(8)",
        "BadLen()",
        "BadIter()",
        "Everything()",
        "['kept']",
    ),
    *("[[nan] * 8]", "[[1] * 8, [nan] * 8]", "np.ones((3, 8), 'f2')", "({1, 2},)"),
    *(
        "[Vector([1] * 8)]",
        "[HalfVector([1] * 8)]",
        "np.full((2, 8), 'x')",
        "BadRepr()",
    ),
]


def value(expression: str) -> Any:
    """The value of an expression of the lists above, or of a drawn expression."""
    return eval(expression, dict(NAMES))
