-- Offers a query, which the server keeps when the lot falls on it.
-- Slots: extension (pgvector's schema and a dot), kind (vector or halfvec)
-- Called by: mrl_pg.calibration.real_queries
select mrl.keep_query(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    %(query)s::{extension}{kind}::{extension}vector
)
