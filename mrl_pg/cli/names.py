"""Names of tables as people write them on a command line."""

import re

from mrl_pg.errors import InvalidSetting


def split_table(text: str) -> tuple[str, str]:
    """Schema ('' if absent) and table in `docs`, `schema.docs` or `"a.b"."c"`.

    Capital letters stay, quoted or not. Raises InvalidSetting.
    """
    part = r'"((?:[^"]|"")+)"|([^".]+)'
    match = re.fullmatch(rf"(?:(?:{part})\.)?(?:{part})", text)
    if match is None:
        raise InvalidSetting(
            f"{text!r} is not a table name: write docs, schema.docs, or quote each "
            'part as in SQL: \'"my.schema"."my table"\''
        )
    schema, table = (
        quoted.replace('""', '"') if quoted else plain or ""
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    )
    return schema, table
