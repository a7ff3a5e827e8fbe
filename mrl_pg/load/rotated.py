"""Which rotation a load or an update applies to the vectors of each column."""

from collections.abc import Mapping
from typing import Any

from mrl_pg.errors import NotInstalled, RotationMismatch
from mrl_pg.load.destination import Destination
from mrl_pg.rotation import Rotation


def with_rotation(
    destination: Destination,
    rotations: Mapping[str, Rotation],
    extension: Mapping[str, Any],
) -> Mapping[str, Rotation]:
    """The rotations of the table, with the one that the caller gave.

    Raises RotationMismatch if the column has another one, and NotInstalled if no
    registry can keep the one that was given.
    """
    given, column = destination.rotation, destination.column
    if given is None:
        return rotations
    if not extension["has_rotations"]:
        raise NotInstalled(
            "the registry keeps the rotation of a column, and this database has none: "
            "run mrl_pg.install(conn) or `mrl-pg install`"
        )
    known = rotations.get(column, given)
    if known != given:
        raise RotationMismatch(
            f"{destination.table}.{column} is rotated by {known.version}, not by "
            f"{given.version}: load without rotation= (--rotation), which rotates as "
            "the column is, or load into another column"
        )
    return {**rotations, column: given}
