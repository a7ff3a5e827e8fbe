-- The effort of a search: it is checked and put in force, and too little of it is warned about.

-- Loads pgvector's library, which defines the settings of a scan. The planner runs this once.
-- Called by: mrl._effort
create or replace function mrl._load()
returns boolean
language sql
immutable
parallel safe
return vector_dims('[1]'::vector) operator(pg_catalog.=) 1;

-- Candidates of a search that names none. docs/recall.md says why these are enough.
-- Called by: mrl._effort, mrl._ordinary, mrl._promised; mrl_pg.search.effort does so in Python
create or replace function mrl._default_candidates(k int)
returns bigint
language sql
immutable
parallel safe
return greatest(160, 8 operator(pg_catalog.*) k::pg_catalog.int8);

-- How many rows an iterative scan may visit, unless the caller or the session allows more.
-- Called by: mrl._effort, mrl._printed_settings; mrl_pg.search.effort does so in Python
create or replace function mrl._least_scan_tuples(candidates int)
returns bigint
language sql
immutable
parallel safe
return least(2 operator(pg_catalog.*) candidates::pg_catalog.int8, 2147483647);

-- How many times work_mem an iterative scan may use, unless the session allows more.
-- Called by: mrl._effort, mrl._printed_settings; mrl_pg.search.effort does so in Python
create or replace function mrl._least_scan_memory(candidates int, scan_tuples int)
returns float8
language sql
immutable
parallel safe
-- work_mem of 4 MB holds about 4000 visited rows; at most 64 times work_mem
return least(
    pg_catalog.ceil(
        greatest(candidates, scan_tuples) operator(pg_catalog./) 4000::pg_catalog.float8
    ),
    64
);

-- Candidates of a search and the settings of its scan; raises if a value is out of range.
-- Called by: mrl._plan and all that plan without it; mrl_pg.search.effort does so in Python
create or replace function mrl._effort(
    -- arguments of mrl.search by name, of which it reads k, candidates, ef_search,
    -- max_scan_tuples, rerank and probes; a missing one is NULL
    asked jsonb,
    -- whether the scan goes on until it has found enough rows
    iterative boolean,
    out candidates int,
    -- NULL reads all candidates
    out rerank int,
    -- in the order of mrl._enter
    out settings text[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- first, because in a new session pgvector's settings do not exist yet
    loaded boolean := mrl._load();
    k int := asked ->> 'k';
    given_candidates int := asked ->> 'candidates';
    ef_search int := asked ->> 'ef_search';
    max_scan_tuples int := asked ->> 'max_scan_tuples';
    wrong text;
begin
    rerank := asked ->> 'rerank';
    candidates := coalesce(given_candidates, least(mrl._default_candidates(k), 1000000000));
    ef_search := coalesce(ef_search, least(candidates, 1000));
    wrong := case
        when k is null or k < 1
        then format('k %s is below 1: ask for at least one row', coalesce(k::text, 'NULL'))
        when k > 1000000000 then format('k %s is above 1000000000', k)
        when candidates > 1000000000
        then format('candidates %s is above 1000000000', given_candidates)
        when candidates < k
        then format(
            'candidates %s is below k %s: the second pass can return only rows '
            'that the first pass found; raise candidates',
            candidates, k
        )
        when ef_search not between 1 and 1000
        then format('ef_search %s is outside 1 to 1000', ef_search)
        -- of several parts the scans go on, each as far as it is worth it
        when ef_search < least(candidates, 1000) and asked ->> 'probes' is null
        then format(
            'ef_search %s is below candidates %s: the index would return fewer candidates '
            'without an error; raise ef_search or leave it out',
            ef_search, candidates
        )
        when max_scan_tuples < 1
        then format('max_scan_tuples %s is below 1', max_scan_tuples)
        when rerank < k
        then format(
            'rerank %s is below k %s: a search can return only rows that it read in full; '
            'raise rerank or leave it out',
            rerank, k
        )
        when rerank > candidates
        then format(
            'rerank %s is above candidates %s: only candidates are read in full; '
            'raise candidates or lower rerank',
            rerank, candidates
        )
    end;
    if wrong is not null then
        raise exception '%', wrong using errcode = 'invalid_parameter_value';
    end if;
    if not iterative and candidates <= 1000 then
        settings := array[ef_search::text, 'off'];
    else
        settings := array[
            ef_search::text,
            'relaxed_order',
            coalesce(
                max_scan_tuples,
                greatest(
                    current_setting('hnsw.max_scan_tuples')::int,
                    mrl._least_scan_tuples(candidates)
                )
            )::text,
            greatest(
                current_setting('hnsw.scan_mem_multiplier')::float8,
                mrl._least_scan_memory(candidates, max_scan_tuples)
            )::text
        ];
    end if;
end
$body$;

-- Raises for a rerank that contradicts the other arguments of a search.
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function, mrl._plan_recall
create or replace function mrl._check_rerank(
    -- as mrl._effort takes it
    asked jsonb,
    -- as the caller named it
    kind text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    rerank int := asked ->> 'rerank';
    exact boolean := coalesce((asked ->> 'exact')::boolean, false);
begin
    if rerank is null or exact then
        return;
    elsif asked ->> 'recall' is not null and asked ->> 'candidates' is null then
        raise exception 'rerank % with recall %: the calibration decides how many candidates '
            'are read', rerank, asked ->> 'recall'
            using errcode = 'invalid_parameter_value',
                hint = 'leave rerank out, or give candidates instead of recall';
    elsif mrl._kind(kind, 'stored') <> 'bits' then
        raise exception 'rerank % is for kind bit, and not for kind %', rerank, kind
            using errcode = 'invalid_parameter_value',
                detail = 'The first pass of this kind finds candidates in their best order.',
                hint = format(
                    'leave rerank out, or pass candidates => %s with a larger ef_search', rerank
                );
    end if;
end
$body$;

-- Settings of a scan as expressions, by the slots of the gate, for a statement to keep.
-- Called by: mrl.search_sql
create or replace function mrl._printed_settings(
    -- as mrl._effort takes it and returns them
    asked jsonb,
    candidates int,
    settings text[]
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    max_scan_tuples int := asked ->> 'max_scan_tuples';
begin
    return jsonb_build_object(
        'ef_search', quote_literal(settings[1]),
        'iterative_scan', quote_literal(settings[2]),
        'scan_tuples', coalesce(
            quote_literal(max_scan_tuples),
            mrl._render(
                mrl._at_least(),
                jsonb_build_object(
                    'before', 'mrl_before.scan_tuples',
                    'least', mrl._least_scan_tuples(candidates)
                )
            )
        ),
        'scan_memory', mrl._render(
            mrl._at_least(),
            jsonb_build_object(
                'before', 'mrl_before.scan_memory',
                'least', mrl._least_scan_memory(candidates, max_scan_tuples)
            )
        )
    );
end
$body$;

-- Changes the settings of a scan, and returns the values that they had before.
-- Called by: mrl._begin, mrl._finish, mrl._query_shares, mrl._truth, mrl._search_function
create or replace function mrl._enter(wanted text[])
returns text[]
language plpgsql
volatile
parallel unsafe
as $body$
-- qualified names rather than a search_path, because this runs twice in each search
declare
    names pg_catalog.text[] := array[
        'hnsw.ef_search',
        'hnsw.iterative_scan',
        'hnsw.max_scan_tuples',
        'hnsw.scan_mem_multiplier'
    ];
    before pg_catalog.text[];
    done pg_catalog.text;
begin
    for place in 1 .. 4 loop
        -- reads all four, although an ordinary scan sets two: a second try may set the others
        before[place] := pg_catalog.current_setting(names[place], true);
        if wanted[place] operator(pg_catalog.<>) before[place] then
            done := pg_catalog.set_config(names[place], wanted[place], true);
        end if;
    end loop;
    return before;
end
$body$;

-- Warns that a search found fewer rows than it should, although the table holds more.
-- Called by: mrl._finish, templates/search_function.sql
create or replace function mrl._warn_cut_short(
    came bigint,
    wanted bigint,
    -- true if rows of the answer are counted, false if candidates are counted
    limited boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise warning 'the search was cut short: % % of % came, and there are more',
        came, case when limited then 'rows' else 'candidates' end, wanted
        using hint = case when limited
            then 'raise max_scan_tuples or candidates, or pass exact => true'
            else 'raise max_scan_tuples, vacuum the table, or pass exact => true'
        end;
end
$body$;
