"""Says that a column is rotated, and reads by which rotation."""

from psycopg import errors, sql

from mrl_pg.arguments import flag, shown
from mrl_pg.build.switch_column import read_column
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.rotations import write_rotation
from mrl_pg.errors import InvalidSetting, TableError
from mrl_pg.exchange import Exchange
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import ColumnLayout
from mrl_pg.rotation import Rotation


def rotation_of(searched: ColumnLayout) -> Exchange[Rotation | None]:
    """The rotation of a column, read from the server now."""
    return (yield from read_column(searched)).rotation


def set_rotation(
    searched: ColumnLayout, rotation: Rotation | None, already: bool
) -> Exchange[None]:
    """Write the rotation of a column into the registry; None takes it back."""
    told = flag("already", already)
    facts = yield from read_column(searched)
    if rotation is not None:
        check_rotation(searched, facts, rotation)
    table = sql.Identifier(facts.schema, facts.table)
    try:
        yield from write_rotation(
            table, searched.column, rotation, facts.extension_schema, already=told
        )
    except errors.ObjectNotInPrerequisiteState as error:
        raise TableError(str(server_message(error))) from error


def check_rotation(searched: ColumnLayout, facts: Facts, rotation: Rotation) -> None:
    """Raise InvalidSetting for what is no rotation of the vectors of a column."""
    if not isinstance(rotation, Rotation):
        raise InvalidSetting(
            f"rotation={shown(rotation)} is no rotation: give a Rotation, as "
            "mrl_pg.rotation.fit or Rotation.read returns it"
        )
    if rotation.dims != facts.full_dims:
        raise InvalidSetting(
            f"the rotation {rotation.version} is for {rotation.dims} dimensions, and "
            f"{searched} has {facts.full_dims}: fit one on vectors of this column"
        )
