-- Prints the two-pass search as one plain SELECT, to prepare and send from anywhere.
-- mrl.search_sql('docs', 'embedding', k => 10, filter => 'tenant = $1', …) -> text
-- Called by: people
create or replace function mrl.search_sql(
    table_name regclass,
    full_column name,
    k int default 10,
    candidates int default null,
    filter text default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    columns name[] default null,
    recall float8 default null,
    quantile float8 default null,
    tenant text default null
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    asked jsonb := jsonb_build_object(
        'table_id', table_name::oid, 'full_column', full_column, 'k', k,
        'candidates', candidates, 'filter', filter, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'recall', recall,
        'quantile', quantile, 'dims', dims, 'kind', kind, 'index_name', index_name,
        'tenant', tenant
    );
    slots jsonb;
    chosen record;
    effort record;
    -- the filter's own parameters come first
    query text := format('$%s', mrl._parameters(filter) + 1);
    shown name[] := coalesce(columns, mrl._keys_of(table_name), '{}');
    limited boolean := filter is not null or row_security_active(table_name);
begin
    perform mrl._refuse_spread(
        table_name,
        'MatryoshkaIndex.plan in Python has the statement for shards, and its settings'
    );
    if tenant is null then
        slots := mrl._found(table_name, full_column, dims, kind, index_name);
    else
        asked := mrl._of_tenant(asked);
        slots := asked -> 'tenant_slots';
        limited := true;
    end if;
    perform mrl._check_rerank(asked, kind);
    chosen := mrl._for_recall(asked, slots, limited, false);
    effort := mrl._effort(
        asked || jsonb_build_object(
            'candidates', chosen.candidates, 'ef_search', chosen.ef_search
        ),
        -- no second try follows if dead rows or a later policy leave too few candidates
        true
    );
    -- true, because the table may get partitions or children after the statement is printed
    slots := mrl._reranked(slots, effort.rerank) || mrl._places(true) || jsonb_build_object(
        'query', format(
            '%s::%s',
            mrl._rotated_in_sql(query, table_name, full_column, slots),
            slots ->> 'type'
        ),
        'filter', mrl._condition(
            case when chosen.exact then coalesce(asked ->> 'exact_filter', filter)
                else asked ->> 'filter'
            end
        ),
        'key_names', slots ->> 'names',
        'extra', '',
        -- candidates and settings are printed as values
        'promise', '',
        'k', k,
        'candidates', effort.candidates
    );
    slots := slots || jsonb_build_object(
        'gate', mrl._render(
            mrl._gate(), mrl._printed_settings(asked, effort.candidates, effort.settings)
        )
    );
    return format(e'-- %s: the query, a vector(%s)\n', query, slots ->> 'full_dims')
        || case when tenant is not null and chosen.exact
            then e'-- exact: print it again when the tenant has an index of its own\n'
            else ''
        end
        || case when limited and not chosen.exact
            then e'-- do not cache the plan: a plan for other values may find too few rows;\n'
                '-- set plan_cache_mode = force_custom_plan, or do not prepare the statement\n'
            else ''
        end
        || mrl._render(
            mrl._answers(),
            slots || jsonb_build_object(
                'answer', concat_ws(
                    ', ',
                    (
                        select string_agg(format('mrl_row.%I', name), ', ' order by place)
                        from unnest(shown) with ordinality as part (name, place)
                    ),
                    'mrl_pass.distance'
                ),
                'nearest', case
                    when chosen.exact then mrl._render(mrl._exact(), slots)
                    else mrl._render(
                        mrl._two_pass(),
                        slots || jsonb_build_object(
                            'passes', mrl._passes(slots, '"full"', true)
                        )
                    )
                end
            )
        );
end
$body$;

comment on function mrl.search_sql(
    regclass, name, int, int, text, int, text, name, int, int, int, name[], float8,
    float8, text
) is
'The two-pass search as one plain SELECT, to prepare and send with any driver. The last '
'parameter is the query; the parameters before it belong to the filter. Returns columns (by '
'default the primary key) and the true distance. It changes settings and restores them. '
'With a filter, or on a table under row-level security, do not keep it prepared, because a '
'plan that was made for other values may find too few rows. '
'recall, quantile: as calibrated on the day when the statement is printed. '
'tenant: for the rows of this tenant alone, by its own index if it has one on that day.';
