-- The short columns of this database, by table and size.
-- No parameters
-- Called by: mrl-pg indexes
select
    table_name::text,
    full_column::text,
    full_dims,
    short_column::text,
    dims,
    kind,
    distance,
    index_name::text,
    usable,
    index_bytes,
    estimated_rows
from mrl.indexes
order by table_name, full_column, dims, kind
