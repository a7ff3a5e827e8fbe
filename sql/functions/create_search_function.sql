-- Makes a function of your own that searches one table, callable as an RPC of PostgREST.
-- mrl.create_search_function('search_docs', 'docs', 'embedding', …) -> regprocedure
-- Called by: people
create or replace function mrl.create_search_function(
    function_name text,
    table_name regclass,
    full_column name,
    k int default 10,
    candidates int default null,
    filter text default null,
    -- names and types of the filter's $1, $2 …: array['tenant bigint', 'since timestamptz']
    parameters text[] default '{}',
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    recall float8 default null,
    quantile float8 default null,
    -- callers also pass the key of a tenant, behind the filter's parameters
    by_tenant boolean default false
)
returns regprocedure
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    options jsonb := jsonb_build_object(
        'k', k, 'candidates', candidates, 'filter', filter, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'recall', recall,
        'quantile', quantile
    );
    asked jsonb := options || jsonb_build_object(
        'table_id', table_name::oid, 'full_column', full_column
    );
    slots jsonb;
    chosen record;
    effort record;
    settings_again text;
    -- as of now, because the made function checks row-level security again at each call
    limited boolean := filter is not null
        or (select relrowsecurity from pg_class where oid = table_name);
    name text;
    list record;
    query text := format('$%s', coalesce(cardinality(parameters), 0) + 1);
    made_text text;
    made regprocedure;
begin
    parameters := coalesce(parameters, '{}');
    perform mrl._check_filter(filter, cardinality(parameters));
    perform mrl._refuse_spread(
        table_name,
        'search it from Python or the shell, which hand settings on to the shards'
    );
    if by_tenant then
        return mrl._make_tenant_function(
            options || jsonb_build_object('dims', dims, 'kind', kind, 'index_name', index_name),
            function_name,
            table_name,
            full_column,
            parameters
        );
    end if;
    slots := mrl._found(table_name, full_column, dims, kind, index_name);
    name := mrl._function_name(function_name, (
        select space.nspname
        from pg_class as class
        join pg_namespace as space on space.oid = class.relnamespace
        where class.oid = table_name
    ));
    list := mrl._parameter_list(parameters, slots, k);
    made_text := format('%s(%s)', name, list.types);
    perform mrl._check_rerank(asked, kind);
    chosen := mrl._for_recall(asked, slots, limited, false);
    effort := mrl._effort(
        asked || jsonb_build_object(
            'candidates', chosen.candidates, 'ef_search', chosen.ef_search
        ),
        false
    );
    -- computed at each call from the settings of the calling session
    settings_again := format(
        '(mrl._effort(%L::pg_catalog.jsonb, true)).settings',
        options - '{filter,recall,quantile}'::text[] || jsonb_build_object(
            'candidates', effort.candidates, 'ef_search', chosen.ef_search
        )
    );
    -- true, because the table may get partitions or children after the function is made
    slots := mrl._reranked(slots, effort.rerank) || mrl._places(true) || jsonb_build_object(
        'function', name,
        'parameters', list.list,
        'table_id', format('%L::pg_catalog.regclass', slots ->> 'table'),
        'full_name', quote_literal(full_column),
        'filtered', filter is not null,
        'filter', mrl._condition(filter),
        'gate', 'true',
        'answer', 'mrl_row.*',
        'extra', '',
        'least', effort.candidates - 1,
        'near', '',
        'query', query,
        -- a subquery, because plans do not depend on its value, so all calls share one plan
        'k', format('(select $%s)', cardinality(parameters) + 2),
        -- an exact search answers any k
        'candidates', case when chosen.exact then 1000000000 else effort.candidates end,
        -- a search cannot return more rows than it reads in full
        'most', case when chosen.exact then 1000000000
            else coalesce(effort.rerank, effort.candidates)
        end,
        'seen', 'mrl_came',
        'cosine', slots ->> 'operator' = '<=>',
        'facts', format(
            '%L::pg_catalog.jsonb',
            jsonb_build_object(
                'table', slots -> 'table',
                'full', slots -> 'full',
                'full_dims', slots -> 'full_dims',
                'operator', slots -> 'operator'
            )
        ),
        'ef_search', effort.settings[1],
        'checks', mrl._render(
            mrl._check_in_function(),
            jsonb_build_object(
                'made', quote_literal(made_text),
                'again', quote_literal(
                    mrl._made_again(
                        options || jsonb_build_object(
                            'parameters', nullif(parameters, '{}')::text,
                            'dims', slots -> 'dims', 'kind', slots -> 'kind'
                        ),
                        name,
                        index_name is not null
                    )
                ),
                'short',
                format(
                    'pg_catalog.to_regclass(%L), %L, %L, %L, %s, %L, %L, %L',
                    slots ->> 'table',
                    full_column,
                    slots ->> 'short_column',
                    slots ->> 'index_name',
                    slots ->> 'dims',
                    slots ->> 'kind',
                    slots ->> 'distance',
                    slots ->> 'kept_as'
                )
            )
        ),
        'settings', case when cardinality(effort.settings) = 2
            then format('%L::pg_catalog.text[]', effort.settings)
            else settings_again
        end,
        'settings_again', settings_again
    );
    slots := slots || jsonb_build_object(
        'passes', mrl._passes(slots, format('%s::%s', query, slots ->> 'type'), false),
        'exact', slots || jsonb_build_object(
            'query', format('%s::%s', query, slots ->> 'type'),
            'key_names', slots -> 'names',
            'extra', ''
        )
    );
    slots := slots || jsonb_build_object(
        'statement', mrl._render(
            mrl._answers(),
            slots || jsonb_build_object(
                'nearest', case
                    when chosen.exact then mrl._render(mrl._exact(), slots -> 'exact')
                    else mrl._render(mrl._nearest(), slots)
                end
            )
        ),
        'statement_again', mrl._render(
            mrl._answers(),
            slots || jsonb_build_object(
                'answer', format(
                    'mrl_row.*::%s as mrl_hit, mrl_pass.seen as mrl_seen', slots ->> 'table'
                ),
                'nearest', case
                    when chosen.exact
                    then mrl._render(
                        mrl._exact(),
                        (slots -> 'exact') || jsonb_build_object(
                            'extra', ', null::pg_catalog.int8 as seen'
                        )
                    )
                    else mrl._render(
                        mrl._nearest(),
                        slots || jsonb_build_object('least', 0, 'extra', mrl._seen())
                    )
                end
            )
        ),
        'left_over', mrl._render(mrl._more_rows(), slots)
    );
    if position('$mrl_pg$' in slots::text) > 0 then
        raise exception 'the filter or a name holds $mrl_pg$, which ends the function'
            using errcode = 'invalid_parameter_value',
                hint = 'write the filter or the name without $mrl_pg$';
    end if;
    slots := slots || jsonb_build_object('k', format('$%s', cardinality(parameters) + 2));
    execute mrl._render(mrl._search_function(), slots);
    made := made_text;
    execute format(
        'comment on function %s is %L',
        made,
        format(
            'The k rows of %s nearest to a query, nearest first%s.',
            slots ->> 'table',
            case when filter is null then '' else format(', where %s', filter) end
        )
    );
    return made;
end
$body$;

comment on function mrl.create_search_function(
    text, regclass, name, int, int, text, text[], int, text, name, int, int, int,
    float8, float8, boolean
) is
'Makes a function (the filter''s parameters, query, k) that returns rows of one table and that '
'PostgREST can call by RPC. It is made in the table''s schema unless function_name has a '
'schema. Its statement is fixed, so callers choose values, never the filter. Its plan is '
'cached, except with a filter or under row-level security. The names of table and columns and '
'the calibration are those of now: after a change, drop the function and make it again. '
'by_tenant: callers also pass the key of a tenant, behind the filter''s parameters, and get rows '
'of this tenant alone, by its own index if it has one (mrl.set_tenants), else exactly.';
