-- The cheapest search that was measured to keep a recall, or a safe one, and which it is.
-- Parameters: table_id, index_name, k, recall, filter
-- Called by: mrl_pg.catalog.read
select candidates, ef_search, promise, measured, low
from mrl._promised(
    %(table_id)s::pg_catalog.oid,
    %(index_name)s::pg_catalog.name,
    %(k)s::pg_catalog.int4,
    %(recall)s::pg_catalog.float8,
    %(filter)s::pg_catalog.text is not null,
    mrl._share(%(table_id)s::pg_catalog.oid, %(filter)s::pg_catalog.text, null),
    %(filter)s::pg_catalog.text
)
