-- The cheapest search that was measured to keep a recall, or a safe one, and which it is.
-- Parameters: table_id, index_name, k, recall, filter
-- Called by: mrl_pg.catalog
select candidates, ef_search, promise, measured, low
from mrl._promised(
    %(table_id)s::oid,
    %(index_name)s::name,
    %(k)s::int,
    %(recall)s::float8,
    %(filter)s::text is not null,
    mrl._share(%(table_id)s::oid, %(filter)s::text, null),
    %(filter)s::text
)
