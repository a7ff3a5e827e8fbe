-- The statements of a search, put together from templates.

-- All passes of a search before the last, one inside the other, as SQL text.
-- Called by: mrl._compose, mrl.search_sql, mrl.create_search_function
create or replace function mrl._passes(
    steps jsonb, slots jsonb, query text, wrapped boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- in a statement of its own the query is a row of mrl_query, else an expression
    frame text := case when wrapped then '(select %s from mrl_query)' else '%s' end;
    step jsonb := steps -> 0;
    following jsonb;
    passes text;
begin
    for place in 0 .. jsonb_array_length(steps) - 1 loop
        step := steps -> place;
        following := coalesce(
            steps -> (place + 1) || jsonb_build_object(
                'value', steps -> (place + 1) ->> 'short',
                'operator', steps -> (place + 1) ->> 'short_operator',
                'query', format(frame, mrl._short_of(query, steps -> (place + 1)))
            ),
            jsonb_build_object(
                'value', slots ->> 'full',
                'operator', slots ->> 'operator',
                'query', format(frame, query)
            )
        );
        passes := mrl._render(
            case place when 0 then mrl._first_pass() else mrl._narrow() end,
            slots || jsonb_build_object(
                'short', step ->> 'short',
                'short_operator', step ->> 'short_operator',
                'short_query', format(frame, mrl._short_of(query, step)),
                'candidates', step ->> 'count',
                'count', step ->> 'count',
                'value', following ->> 'value',
                'operator', following ->> 'operator',
                'query', following ->> 'query',
                'passes', passes
            )
        );
    end loop;
    return passes;
end
$body$;

-- The passes that a caller lists, such as {bit(512) 400, halfvec(256) 100}, as slots.
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

-- A search by one query and one short column, as a pattern for format().
-- Called by: mrl._statement, which says what its 16 places hold
create or replace function mrl._pattern(kind text, parts boolean)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._places(parts) || jsonb_build_object(
        'gate', 'true',
        'answer', '%1$s',
        'table', '%2$s',
        'filter', '%3$s',
        'candidates', '%4$s',
        'least', '%5$s',
        'extra', '%6$s',
        'k', '%7$s',
        'query', '%8$s::%9$s',
        'extension', '%10$s',
        'full', '%11$s',
        'value', '%11$s',
        'operator', '%12$s',
        'short', '%13$s',
        'short_operator', '%14$s',
        'dims', '%15$s'
    );
begin
    slots := slots || jsonb_build_object(
        'short_query', mrl._short_of(
            slots ->> 'query',
            slots || jsonb_build_object(
                'kind', case mrl._kind(kind, 'stored') when 'bits' then kind else '%16$s' end
            )
        )
    );
    return mrl._render(
        mrl._answers(),
        slots || jsonb_build_object(
            'nearest', mrl._render(
                mrl._nearest(),
                slots || jsonb_build_object('passes', mrl._render(mrl._first_pass(), slots))
            )
        )
    );
end
$body$;

-- The statement of a search by one query and one short column.
-- Called by: mrl._ordinary, mrl._plan
create or replace function mrl._statement(
    kind text,
    parts boolean,
    answer text,
    table_name text,
    condition text,
    candidates bigint,
    least_candidates bigint,
    extra text,
    k int,
    query text,
    full_type text,
    extension text,
    full_column text,
    operator text,
    short_column text,
    dims int
)
returns text
language sql
stable
parallel safe
-- the planner puts this into the caller's statement, with each pattern as a constant
return pg_catalog.format(
    case
        when mrl._kind(kind, 'stored') operator(pg_catalog.=) 'bits'
            then case when parts then mrl._pattern('bit', true) else mrl._pattern('bit', false) end
        when parts then mrl._pattern('vector', true)
        else mrl._pattern('vector', false)
    end,
    answer,
    table_name,
    condition,
    candidates,
    least_candidates,
    extra,
    k,
    query,
    full_type,
    extension,
    full_column,
    operator,
    short_column,
    mrl._short_operator(kind, operator),
    dims,
    kind
);

-- The statement of a search that mrl._pattern does not foresee: many queries or passes, exact.
-- Called by: mrl._plan
create or replace function mrl._compose(
    form text,
    slots jsonb,
    steps jsonb,
    exact boolean,
    -- a column more says how many candidates came
    counted boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- $1 to $16 are the caller's arguments
    query text := format(
        '%s::%s',
        case form when 'batch' then 'mrl_query.mrl_full' else '$17' end,
        slots ->> 'type'
    );
    nearest text;
begin
    slots := slots || jsonb_build_object(
        'key_names', slots ->> 'names',
        'gate', 'true',
        'query', query,
        'queries', '$17',
        'numbers', '$18::pg_catalog.int4[]',
        'extra', ''
    );
    steps := coalesce(
        steps, jsonb_build_array(slots || jsonb_build_object('count', slots -> 'candidates'))
    );
    if exact then
        nearest := mrl._render(mrl._exact(), slots);
    else
        nearest := mrl._render(
            mrl._nearest(),
            slots || jsonb_build_object(
                'passes', mrl._passes(steps, slots, query, false),
                'extra', case when counted then mrl._seen() else '' end
            )
        );
    end if;
    return mrl._render(
        case form when 'batch' then mrl._batch() else mrl._answers() end,
        slots || jsonb_build_object(
            'nearest', nearest,
            'extra', case when counted then e',\n    mrl_pass.seen' else '' end
        )
    );
end
$body$;
