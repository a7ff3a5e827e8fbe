-- Query vectors that a statement of the user's selects, in the binary format of COPY.
-- Slots: type (of the full column), select, count
-- Called by: mrl_pg.tune.queries
copy (
    select given.vector::{type}
    from (
{select}
    ) as given (vector)
    where given.vector is not null
    limit {count}
) to stdout
with (format binary)
