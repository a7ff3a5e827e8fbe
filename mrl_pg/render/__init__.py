"""Templates of `sql/` with their slots filled: values in, statements out."""

from mrl_pg.render.definitions import (
    add_short_column,
    call,
    create_index,
    create_vector,
    drop_index,
    drop_short_column,
    rename_index,
)
from mrl_pg.render.searches import (
    Parts,
    own_plan,
    promise,
    search,
    search_statements,
    standing,
)
from mrl_pg.render.slots import (
    comma,
    condition,
    home,
    name,
    query,
    regclass,
    short_type,
    short_value,
    statement,
    table_of,
    template,
)

__all__ = [
    "Parts",
    "add_short_column",
    "call",
    "comma",
    "condition",
    "create_index",
    "create_vector",
    "drop_index",
    "drop_short_column",
    "home",
    "name",
    "own_plan",
    "promise",
    "query",
    "regclass",
    "rename_index",
    "search",
    "search_statements",
    "short_type",
    "short_value",
    "standing",
    "statement",
    "table_of",
    "template",
]
