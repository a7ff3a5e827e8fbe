-- The passes that a caller lists, such as {bit(512) 400, halfvec(256) 100}, as slots.
-- mrl._steps(table_id oid, full_column name, passes text[], k int, others int) -> jsonb
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function
create or replace function mrl._steps(
    table_id oid,
    full_column name,
    passes text[],
    k int,
    -- arguments beside passes that say what these say
    others int
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    steps jsonb := '[]';
    pass text;
    parts text[];
    least bigint;
    most bigint;
    first jsonb;
    step jsonb;
begin
    if others > 0 then
        raise exception 'passes name candidates, dims and kind themselves'
            using errcode = 'invalid_parameter_value',
                hint = 'leave those and index_name out, and recall, which chooses candidates';
    elsif cardinality(passes) = 0 then
        raise exception 'passes is empty'
            using errcode = 'invalid_parameter_value',
                hint = 'list at least one, as in array[''bit(512) 400'']';
    end if;
    foreach pass in array passes loop
        parts := regexp_match(
            pass, '^\s*(vector|halfvec|bit)\s*\(\s*([0-9]{1,5})\s*\)\s+([0-9]{1,9})\s*$'
        );
        if parts is null then
            raise exception 'pass % is not a kind, dims and a count of rows',
                coalesce(quote_literal(pass), 'NULL')
                using errcode = 'invalid_parameter_value',
                    hint = 'write it as in array[''bit(512) 400'', ''halfvec(256) 100'']';
        end if;
        step := mrl._found(table_id, full_column, parts[2]::int, parts[1], null);
        first := coalesce(first, step);
        least := parts[3]::bigint;
        if least > most then
            raise exception 'pass % hands over more rows than the one before it, %',
                quote_literal(pass), most
                using errcode = 'invalid_parameter_value',
                    hint = 'each pass can only narrow: order them by their counts';
        elsif step ->> 'operator' <> first ->> 'operator' then
            raise exception 'pass % is of distance %, the first of %',
                quote_literal(pass), step ->> 'distance', first ->> 'distance'
                using errcode = 'invalid_parameter_value';
        end if;
        most := least;
        steps := steps || jsonb_build_array(
            step || jsonb_build_object('count', least)
        );
    end loop;
    if most < k then
        raise exception 'the last pass hands over % rows, fewer than k %', most, k
            using errcode = 'invalid_parameter_value',
                hint = 'the full vectors can rank only rows handed over: raise its count';
    end if;
    return steps;
end
$body$;

comment on function mrl._steps(oid, name, text[], int, int) is
'Internal. The passes that a caller lists, checked.';
