-- Keeps a query for which the lot was drawn.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.kept
select mrl.keep_query(
    %(table)s::regclass, %(column)s, %(query)s::{extension}vector, drawn => true
)
