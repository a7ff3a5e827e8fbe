-- Kinds of short columns and distances: limits, operators, names and how a value is computed.

-- Facts of each kind. KindFacts in Python describes each fact, and a test compares both tables.
-- Called by: mrl._kind
create or replace function mrl._kinds()
returns jsonb
language sql
immutable
parallel safe
return '{
    "vector": {
        "most_dims": 2000,
        "bits": 32,
        "stored": "floats",
        "computed_as": "prefix",
        "template": "short_value",
        "function": "l2_normalize",
        "of_pgvector": true,
        "metric": null,
        "operator": null
    },
    "halfvec": {
        "most_dims": 4000,
        "bits": 16,
        "stored": "floats",
        "computed_as": "prefix",
        "template": "short_value",
        "function": "l2_normalize",
        "of_pgvector": true,
        "metric": null,
        "operator": null
    },
    "bit": {
        "most_dims": 64000,
        "bits": 1,
        "stored": "bits",
        "computed_as": "bits",
        "template": "short_bits",
        "function": "binary_quantize",
        "of_pgvector": false,
        "metric": "hamming",
        "operator": "<~>"
    }
}'::pg_catalog.jsonb;

-- One fact of one kind; NULL if the kind is unknown or lacks the fact.
-- Called by: mrl._operator_class, mrl._short_operator, mrl._is_short_column, mrl.register
create or replace function mrl._kind(kind text, fact text)
returns text
language sql
immutable
parallel safe
return mrl._kinds() operator(pg_catalog.->) kind operator(pg_catalog.->>) fact;

-- pgvector's operator of a distance.
-- Called by: mrl._full, mrl._search_slots, mrl._ordinary; mrl_pg.layout does so in Python
create or replace function mrl._operator(distance text)
returns text
language sql
immutable
parallel safe
return case
    when distance operator(pg_catalog.=) 'cosine' then '<=>'
    when distance operator(pg_catalog.=) 'l2' then '<->'
    when distance operator(pg_catalog.=) 'ip' then '<#>'
end;

-- The operator class of the index of a short column.
-- Called by: mrl._facts, mrl._create_steps; mrl_pg.layout does so in Python
create or replace function mrl._operator_class(kind text, distance text)
returns name
language sql
stable
parallel safe
return pg_catalog.format(
    '%s_%s_ops',
    kind,
    coalesce(mrl._kind(kind, 'metric'), distance)
)::pg_catalog.name;

-- The operator of the first pass: the operator of the kind if there is one, else of the distance.
-- Called by: mrl._search_slots, mrl._statement; mrl_pg.layout does so in Python
create or replace function mrl._short_operator(kind text, operator text)
returns text
language sql
immutable
parallel safe
return coalesce(mrl._kind(kind, 'operator'), operator);

-- The type of a short column as SQL text. `extension` is pgvector's schema and a dot.
-- Called by: mrl._create_steps
create or replace function mrl._short_type(kind text, dims int, extension text)
returns text
language sql
immutable
parallel safe
return pg_catalog.concat(
    case when mrl._kind(kind, 'of_pgvector')::pg_catalog.bool then extension end,
    kind,
    '(',
    dims,
    ')'
);

-- Raises if PostgreSQL or pgvector would refuse a size, kind, distance or graph.
-- Called by: mrl._create_steps; mrl_pg.layout does so in Python
create or replace function mrl._check_layout(
    dims int, kind text, distance text, m int, ef_construction int
)
returns void
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    most int := mrl._kind(kind, 'most_dims');
    wrong text;
begin
    wrong := case
        when most is null
        then format('kind %L is unknown: choose vector, halfvec or bit', kind)
        when distance is null or distance not in ('cosine', 'l2', 'ip')
        then format('distance %L is unknown: choose cosine, l2 or ip', distance)
        when dims is null or dims not between 1 and most
        then format(
            'dims %s is outside 1 to %s, the limits of an HNSW index of kind %s',
            coalesce(dims::text, 'NULL'), most, kind
        )
        when m is null or m not between 2 and 100
        then format('m %s is outside 2 to 100', coalesce(m::text, 'NULL'))
        when ef_construction is null or ef_construction not between 4 and 1000
        then format(
            'ef_construction %s is outside 4 to 1000',
            coalesce(ef_construction::text, 'NULL')
        )
        when ef_construction < 2 * m
        then format(
            'ef_construction %s is below twice m %s: raise ef_construction, or lower m',
            ef_construction, m
        )
    end;
    if wrong is not null then
        raise exception '%', wrong using errcode = 'invalid_parameter_value';
    end if;
end
$body$;

-- The default names of a short column and its index.
-- Called by: mrl._create_steps, mrl._created, mrl.register; mrl_pg.layout does so in Python
create or replace function mrl._names(
    table_name name,
    full_column name,
    dims int,
    kind text,
    distance text,
    out short_column name,
    out index_name name
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    short_column := mrl._fit(full_column::text, format('_%s_%s', dims, kind));
    index_name := mrl._fit(
        format('%s_%s', table_name, short_column), format('_%s_hnsw', distance)
    );
end
$body$;

-- The SQL text that computes the short value of an expression.
-- Called by: mrl._pattern, mrl._passes, mrl._plan_recall, mrl._create_steps
create or replace function mrl._short_of(value text, slots jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return mrl._render(
        case mrl._kind(slots ->> 'kind', 'template')
            when 'short_bits' then mrl._short_bits()
            else mrl._short_value()
        end,
        slots || jsonb_build_object('full', value)
    );
end
$body$;

-- The expression that an index without a short column is on.
-- Called by: mrl._short_name
create or replace function mrl._short_expression(
    full_column name, dims int, kind text, extension text
)
returns text
-- in plpgsql, so that the planner does not inline it into searches of a short column
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return format(
        '(%s)',
        mrl._short_of(
            quote_ident(full_column),
            jsonb_build_object('dims', dims, 'kind', kind, 'extension', extension)
        )
    );
end
$body$;

-- What a first pass orders by: the short column, or the expression that its index is on.
-- Called by: mrl._search_slots, mrl._ordinary, mrl._create_steps
create or replace function mrl._short_name(
    short_column name, full_column name, dims int, kind text, kept_as text, extension text
)
returns text
language sql
stable
parallel safe
return case
    when kept_as operator(pg_catalog.=) 'expression'
    then mrl._short_expression(full_column, dims, kind, extension)
    else pg_catalog.quote_ident(short_column)
end;
