"""Reads what a hybrid search must know about its text column and its configuration."""

from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from mrl_pg import source
from mrl_pg.arguments import shown
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import TABLES
from mrl_pg.catalog.recent import Recent
from mrl_pg.errors import ColumnNotFound, InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, look
from mrl_pg.search.words import WordOptions


class WordColumn(NamedTuple):
    """Whether a column is of type tsvector, and the name of a configuration."""

    is_vector: bool
    config: tuple[str, ...]


class _TextKey(NamedTuple):
    table_id: int
    column: str
    config: str


_Columns: TypeAlias = Recent[_TextKey, WordColumn]

_known: WeakKeyDictionary[AnyConn, _Columns] = WeakKeyDictionary()


def read_word_column(
    conn: AnyConn, facts: Facts, asked: WordOptions
) -> Exchange[WordColumn]:
    """The text column, from the server once per connection.

    Raises ColumnNotFound, or InvalidSetting for a column or a configuration that words
    cannot be searched with.
    """
    key = _TextKey(facts.table_id, asked.text, asked.config)
    columns = _known.setdefault(conn, Recent(TABLES))
    if (known := columns.get(key)) is not None:
        return known
    (row,) = yield from look(source.statement("word_column").encode(), key._asdict())
    where = f"{facts.schema}.{facts.table}"
    if row["type"] is None:
        raise ColumnNotFound(
            f"column {asked.text!r} does not exist in {where}; there are: "
            f"{', '.join(facts.columns)}"
        )
    if not (row["is_text"] or row["is_vector"]):
        raise InvalidSetting(
            f"text={shown(asked.text)}: the column of {where} is of type "
            f"{row['type']}: name a column of type text, varchar or tsvector"
        )
    if row["config_name"] is None:
        raise InvalidSetting(
            f"config={shown(asked.config)} is no text search configuration of this "
            "database: give one of `select cfgname from pg_ts_config`, such as "
            "'english' or 'simple'"
        )
    return columns.put(key, WordColumn(row["is_vector"], tuple(row["config_name"])))


def forget_word_columns(conn: AnyConn) -> None:
    """Drop what is cached about text columns, so that it is read again."""
    _known.pop(conn, None)
