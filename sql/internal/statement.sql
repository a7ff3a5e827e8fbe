-- Builds the statements of searches from templates.

-- Slots of a search that reads only the best candidates in full, if the bits are in the row.
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function, mrl._plan_recall
create or replace function mrl._reranked(
    slots jsonb,
    -- NULL reads all candidates
    rerank int
)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- without a column, the bits of a row are computed from its full vector
    has_bits boolean := mrl._kind(slots ->> 'kind', 'stored') = 'bits'
        and slots ->> 'kept_as' <> 'expression';
begin
    if not has_bits then
        rerank := null;
    end if;
    return slots || jsonb_build_object(
        'rerank', rerank,
        'only_read', case when rerank is null
            then ''
            else e'\n    ' || mrl._render(mrl._only_read(), '{}')
        end
    );
end
$body$;

-- A first pass by bits that passes on full vectors, bits and the Hamming distance, as SQL text.
-- Called by: mrl._passes, mrl._plan_calibration
create or replace function mrl._bit_pass(slots jsonb)
returns text
language sql
stable
parallel safe
return mrl._render(
    mrl._first_pass(),
    slots operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'columns', pg_catalog.concat_ws(
            ', ',
            slots operator(pg_catalog.->>) 'columns',
            slots operator(pg_catalog.->>) 'full',
            slots operator(pg_catalog.->>) 'short'
        ),
        'value', slots operator(pg_catalog.->>) 'short',
        'operator', slots operator(pg_catalog.->>) 'short_operator',
        'query', slots operator(pg_catalog.->>) 'short_query'
    )
);

-- The first pass of a search, as SQL text.
-- Called by: mrl._compose, mrl.search_sql, mrl.create_search_function, mrl._plan_recall
create or replace function mrl._passes(slots jsonb, query text, wrapped boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- in a statement of search_sql the query is a row of mrl_query, else an expression
    frame text := case when wrapped then '(select %s from mrl_query)' else '%s' end;
begin
    slots := slots || jsonb_build_object(
        'value', slots ->> 'full',
        'query', format(frame, query),
        'short_query', format(frame, mrl._short_of(query, slots))
    );
    if slots ->> 'rerank' is null then
        return mrl._render(mrl._first_pass(), slots);
    end if;
    return mrl._render(
        mrl._estimated_pass(),
        slots || jsonb_build_object(
            'ordered', mrl._render(
                mrl._estimated_order(),
                slots || jsonb_build_object('passes', mrl._bit_pass(slots))
            )
        )
    );
end
$body$;

-- The statement of a search by one query, as a pattern for format().
-- Called by: mrl._statement, which says what its 17 places hold
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
        'near', '%17$s',
        'only_read', '',
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

-- The statement of a search by one query.
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
    dims int,
    -- mrl._near_enough, or nothing
    near text
)
returns text
language sql
stable
parallel safe
-- the planner inlines this into the caller's statement, with each pattern as a constant
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
    kind,
    near
);

-- The statement of a search by many queries, hybrid, exact or with rerank; others: mrl._pattern.
-- Called by: mrl._plan
create or replace function mrl._compose(
    form text,
    slots jsonb,
    exact boolean,
    -- whether one more column returns the number of candidates
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
    answers text := slots ->> 'k';
    -- a hybrid search reads it in every case, after the names and the distance
    unseen text := case form when 'hybrid' then e',\n    null::pg_catalog.int8 as seen' else '' end;
begin
    slots := slots || jsonb_build_object(
        'key_names', coalesce(slots ->> 'order_names', slots ->> 'names'),
        'k', slots ->> 'rows',
        'gate', 'true',
        'query', query,
        'queries', '$17',
        'numbers', '$18::pg_catalog.int4[]',
        'extra', unseen,
        'near', coalesce(slots ->> 'near', '')
    );
    if exact then
        nearest := mrl._render(mrl._exact(), slots);
    else
        nearest := mrl._render(
            mrl._nearest(),
            slots || jsonb_build_object(
                'passes', mrl._passes(slots, query, false),
                'extra', case when counted then mrl._seen() else unseen end
            )
        );
    end if;
    if form = 'hybrid' then
        slots := slots || jsonb_build_object('fetch', slots ->> 'rows');
        return mrl._render(
            mrl._hybrid(),
            slots || jsonb_build_object(
                'nearest', nearest,
                'matching', mrl._render(mrl._matching(), slots),
                'k', answers,
                'extra', ''
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
