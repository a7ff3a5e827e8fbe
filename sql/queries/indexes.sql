-- The short columns of this database, by table and size.
-- No parameters
-- Called by: mrl-pg indexes
select
    table_name::pg_catalog.text,
    full_column::pg_catalog.text,
    full_dims,
    short_column::pg_catalog.text,
    dims,
    kind,
    distance,
    index_name::pg_catalog.text,
    usable,
    index_bytes,
    estimated_rows
from mrl.indexes
order by table_name, full_column, dims, kind
