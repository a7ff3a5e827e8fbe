-- How much of the exact answers the index of a tenant finds, measured on rows of the tenant.
-- mrl.tenant_recall('docs', 'embedding', '42', k => 10, sample => 50) -> recall
-- Called by: people, client/tenants.sql
create or replace function mrl.tenant_recall(
    table_name regclass,
    full_column name,
    tenant text,
    k int default 10,
    sample int default 50,
    candidates int default null
)
returns float8
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
declare
    own record;
    claimed int;
    slots jsonb := mrl._table(table_name, full_column);
    found float8;
begin
    perform mrl.check_owner(table_name);
    perform mrl._check_writable();
    if k is null or k < 1 or sample is null or sample < 1 then
        raise exception 'k % and sample % must be 1 or more',
            coalesce(k::text, 'NULL'), coalesce(sample::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    own := mrl._tenant(table_name, full_column, tenant);
    if own.index_name is null then
        raise exception 'tenant % has no usable index of its own: its searches are exact',
            quote_literal(tenant)
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'select * from mrl.tenant_indexes';
    end if;
    -- the row itself is always nearest, so one more answer is asked for and it does not count;
    -- by distance, because rows that are equally far away are equally right
    execute format(
        $sql$
        with asked as materialized (
            select array_agg(drawn."full") as queries
            from (
                select %2$s::%3$svector as "full"
                from %1$s
                where %4$s
                    and %2$s is not null
                order by random()
                limit $1
            ) as drawn
        ),
        exact as materialized (
            select true_answer.query, max(true_answer.distance) as up_to, count(*) as answers
            from asked
            cross join lateral mrl.search_many(
                null::%1$s, %5$L, asked.queries, k => $2 + 1, tenant => $3, exact => true
            ) as true_answer
            group by true_answer.query
        ),
        approximate as materialized (
            select answer.query, answer.distance
            from asked
            cross join lateral mrl.search_many(
                null::%1$s, %5$L, asked.queries, k => $2 + 1, tenant => $3,
                candidates => $4
            ) as answer
        )
        select sum(per_query.hits)::float8 / nullif(sum(per_query.answers), 0)
        from (
            select
                exact.answers - 1 as answers,
                greatest(
                    count(*) filter (where approximate.distance <= exact.up_to) - 1, 0
                ) as hits
            from exact
            left join approximate on approximate.query = exact.query
            group by exact.query, exact.answers
        ) as per_query
        $sql$,
        slots ->> 'table',
        slots ->> 'full',
        slots ->> 'extension',
        mrl._is_of_tenant(own.key_column, own.key_text, own.key_type, false),
        full_column
    )
        into found
        -- so wide as a search for k
        using sample, k, own.key_text, greatest(
            coalesce(candidates, mrl._default_candidates(k)), k + 1
        )::int;
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    update mrl._own_tenant_indexes as made
    set recall = found,
        k = tenant_recall.k,
        measured_at = now()
    where made.entry = claimed
        and made.full_column = tenant_recall.full_column
        and made.tenant = own.key_text;
    return found;
end
$body$;

comment on function mrl.tenant_recall(regclass, name, text, int, int, int) is
'The share of the exact k nearest rows that a search of a tenant finds by the tenant''s own '
'index, on average over so many random rows of the tenant, themselves not counted. Stored in '
'mrl.tenant_indexes. Rows are easier to find than questions are, so take it for an upper bound.';
