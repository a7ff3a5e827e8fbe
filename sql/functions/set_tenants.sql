-- Says which column tells whose row it is, and when a tenant gets an index of its own.
-- mrl.set_tenants('docs', 'embedding', 'tenant_id', threshold => 5000, …) -> void
-- Called by: people, client/tenants.sql
create or replace function mrl.set_tenants(
    table_name regclass,
    full_column name,
    -- NULL means that the rows belong to no tenants
    key_column name,
    threshold bigint default 5000,
    -- half the threshold
    low bigint default null,
    most int default 100,
    -- those of the index in use; without one, the signs of all dimensions
    dims int default null,
    kind text default null,
    distance text default null,
    m int default null,
    ef_construction int default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    slots jsonb;
    in_use record;
    built record;
    wanted record;
    before record;
    key_type text;
    claimed int;
    gone name;
    indexes text;
    wrong text;
begin
    perform mrl.check_owner(table_name);
    if set_tenants.key_column is not null then
        perform mrl._refuse_spread(
            table_name,
            'distribute it by the key, and filter by the key: each tenant is on one shard'
        );
    end if;
    if set_tenants.key_column is not null or exists (
        select
        from pg_attribute as attribute
        where attribute.attrelid = table_name
            and attribute.attname = set_tenants.full_column
            and not attribute.attisdropped
    ) then
        slots := mrl._table(table_name, full_column);
    end if;
    if (slots ->> 'parts')::boolean then
        raise exception '% has partitions or children, in which no index of a tenant is built',
            slots ->> 'table'
            using errcode = 'feature_not_supported',
                hint = 'call this for each partition, or give large tenants a partition each';
    end if;
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    -- a full column that was renamed since
    gone := (
        select min(known.full_column)
        from mrl._own_tenants as known
        where known.entry = claimed
            and not exists (
                select
                from pg_attribute as attribute
                where attribute.attrelid = table_name
                    and attribute.attname = known.full_column
                    and not attribute.attisdropped
            )
        having count(*) = 1
    );
    update mrl._own_tenants as known
    set full_column = set_tenants.full_column
    where known.entry = claimed
        and known.full_column = gone
        and not exists (
            select
            from mrl._own_tenants as other
            where other.entry = claimed
                and other.full_column = set_tenants.full_column
        );
    select * into before
    from mrl._own_tenants as known
    where known.entry = claimed
        and known.full_column = set_tenants.full_column;
    indexes := (
        select format('%s tenants have an index', nullif(count(*), 0))
        from mrl._own_tenant_indexes as made
        where made.entry = claimed
            and made.full_column = set_tenants.full_column
        having count(*) > 0
    );
    if set_tenants.key_column is null then
        -- with the column, its indexes are gone
        if indexes is not null and slots is not null then
            raise exception '% of %.% of their own', indexes, slots ->> 'table', slots ->> 'full'
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'drop them first: mrl-pg tenants drop, or the statements of '
                        'mrl.tenants_sql(…, drop_all => true)';
        end if;
        insert into mrl._removals (entry, tenants_of)
        values (claimed, set_tenants.full_column);
        return;
    end if;
    key_type := mrl._key_type(table_name, set_tenants.key_column);
    begin
        execute format('select %L::%s operator(pg_catalog.=) null::%s', null, key_type, key_type);
    exception when undefined_function or ambiguous_function then
        raise exception 'key column % is of type %, which PostgreSQL itself cannot compare',
            quote_ident(set_tenants.key_column), key_type
            using errcode = 'datatype_mismatch',
                hint = 'take a key of integers, text, varchar, uuid or an enum';
    end;
    select * into in_use
    from mrl.registry as registry
    where registry.table_id = table_name
        and registry.full_column = set_tenants.full_column
    order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
    limit 1;
    built := mrl._built(table_name, in_use.index_name);
    select
        coalesce(set_tenants.kind, before.kind, in_use.kind, 'bit') as kind,
        coalesce(set_tenants.distance, before.distance, in_use.distance, 'cosine') as distance,
        coalesce(
            set_tenants.m, before.m, case when in_use.index_name is not null then built.m end, 16
        ) as m,
        coalesce(
            set_tenants.ef_construction,
            before.ef_construction,
            case when in_use.index_name is not null then built.ef_construction end,
            64
        ) as ef_construction,
        coalesce(set_tenants.low, set_tenants.threshold / 2) as low,
        null::int as dims
    into wanted;
    wanted.dims := coalesce(
        set_tenants.dims,
        case when before.kind = wanted.kind then before.dims end,
        case when in_use.kind = wanted.kind then in_use.dims end,
        (slots ->> 'full_dims')::int
    );
    perform mrl._check_layout(
        wanted.dims, wanted.kind, wanted.distance, wanted.m, wanted.ef_construction
    );
    perform mrl._refuse_rotated_bits(table_name, full_column, wanted.kind);
    wrong := case
        when wanted.dims > (slots ->> 'full_dims')::int
        then format('dims %s is above the %s of the column', wanted.dims, slots ->> 'full_dims')
        when set_tenants.threshold is null or set_tenants.threshold < 1
        then format('threshold %s is below 1', coalesce(set_tenants.threshold::text, 'NULL'))
        when wanted.low not between 0 and set_tenants.threshold
        then format(
            'low %s is outside 0 to threshold %s: an index that was just built would be dropped',
            wanted.low, set_tenants.threshold
        )
        when set_tenants.most is null or set_tenants.most < 0
        then format('most %s is below 0', coalesce(set_tenants.most::text, 'NULL'))
    end;
    if wrong is not null then
        raise exception '%', wrong using errcode = 'invalid_parameter_value';
    end if;
    if indexes is not null and (
        (before.dims, before.kind, before.distance)
            <> (wanted.dims, wanted.kind, wanted.distance)
        -- of another column, unless that was renamed
        or before.key_column <> set_tenants.key_column
        and exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = table_name
                and attribute.attname = before.key_column
                and not attribute.attisdropped
        )
    ) then
        raise exception '% of another key, size, kind or distance than you ask for', indexes
            using errcode = 'object_not_in_prerequisite_state',
                detail = format(
                    'They are of key %s, %s(%s), distance %s.',
                    before.key_column, before.kind, before.dims, before.distance
                ),
                hint = 'drop them first: mrl-pg tenants drop, or the statements of '
                    'mrl.tenants_sql(…, drop_all => true)';
    end if;
    insert into mrl._own_tenants (
        entry, full_column, key_column, dims, kind, distance, m, ef_construction, threshold,
        low, most, set_at
    )
    values (
        claimed, set_tenants.full_column, set_tenants.key_column, wanted.dims, wanted.kind,
        wanted.distance, wanted.m, wanted.ef_construction, set_tenants.threshold, wanted.low,
        set_tenants.most, now()
    )
    on conflict (entry, full_column) do update
    set key_column = excluded.key_column,
        dims = excluded.dims,
        kind = excluded.kind,
        distance = excluded.distance,
        m = excluded.m,
        ef_construction = excluded.ef_construction,
        threshold = excluded.threshold,
        low = excluded.low,
        most = excluded.most,
        set_at = excluded.set_at;
end
$body$;

comment on function mrl.set_tenants(
    regclass, name, name, bigint, bigint, int, int, text, text, int, int
) is
'Says which column of a table you own tells whose row it is. A tenant of threshold rows or '
'more then gets a short index of its own, until it has fewer than low (half the threshold); '
'at most so many tenants do, the largest first. Builds nothing: run mrl-pg tenants run, or the '
'statements of mrl.tenants_sql. A NULL key takes it back. Searches take tenant => ''42''.';
