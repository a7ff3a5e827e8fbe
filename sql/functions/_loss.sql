-- What is missing to 1 in the mean.
-- mrl._loss(shares float8[]) -> float8
-- Called by: mrl.recall
create or replace function mrl._loss(shares float8[])
returns float8
language sql
immutable
parallel safe
return (
    select 1 operator(pg_catalog.-) pg_catalog.avg(share)
    from pg_catalog.unnest(shares) as share
);

comment on function mrl._loss(float8[]) is
'Internal. What is missing to 1 in the mean.';
