-- Mean recall with a 95 % interval: Wilson's (1927), fitted to answers that fail together.
-- mrl._interval(recalls float8[], k int, z float8) -> mean, low, high
-- Called by: mrl.recall, mrl._points; mrl_pg.recall.score is its twin in Python
create or replace function mrl._interval(
    recalls float8[],
    k int,
    -- standard normal quantile: of a two-sided interval when none is given
    z float8 default 1.959964,
    out mean float8,
    out low float8,
    out high float8
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    n float8 := cardinality(recalls);
    spread float8;
    size float8;
    share float8;
    centre float8;
    reach float8;
begin
    if n = 0 then
        return;
    end if;
    select avg(recall), coalesce(var_samp(recall), 0)
    into mean, spread
    from unnest(recalls) as recall;
    -- the k answers of one query count for one at least, for k at most
    size := case when spread > 0 then n * mean * (1 - mean) / spread else n end;
    size := least(greatest(size, n), n * k);
    share := z * z / size;
    centre := (mean + share / 2) / (1 + share);
    reach := z * sqrt(mean * (1 - mean) / size + share / (4 * size)) / (1 + share);
    -- rounding must not leave the mean outside
    low := greatest(0, least(mean, centre - reach));
    high := least(1, greatest(mean, centre + reach));
end
$body$;

comment on function mrl._interval(float8[], int, float8) is
'Internal. Mean recall with an interval, of 95 % unless z says another.';
