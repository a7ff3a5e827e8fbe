-- Tenants: which index a search of one tenant uses, and which indexes are to be built and dropped.

-- What mrl.set_tenants said about a column; raises if it was not called.
-- Called by: mrl._tenant, mrl._tenant_steps, mrl._know_tenant
create or replace function mrl._tenant_settings(table_id oid, full_column name)
returns mrl.tenants
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known mrl.tenants;
    slots jsonb;
begin
    perform mrl._refuse_spread(
        table_id, 'distribute it by the key, and filter by the key: each tenant is on one shard'
    );
    select *
    into known
    from mrl.tenants as settings
    where settings.table_id = _tenant_settings.table_id::regclass
        and settings.full_column = _tenant_settings.full_column;
    if not found then
        slots := mrl._table(table_id, full_column);
        raise exception 'the rows of %.% belong to no tenants', slots ->> 'table', slots ->> 'full'
            using errcode = 'object_not_in_prerequisite_state',
                hint = format(
                    'name the column with the key: select mrl.set_tenants(%L, %L, ''tenant_id'')',
                    slots ->> 'table', full_column
                );
    end if;
    return known;
end
$body$;

-- The type of a key, with its schema; that below a domain, whose constants prove no predicate.
-- Called by: mrl._tenant, mrl._tenant_steps, mrl.set_tenants
create or replace function mrl._key_type(table_id oid, key_column name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    type oid := (
        select attribute.atttypid
        from pg_attribute as attribute
        where attribute.attrelid = table_id
            and attribute.attname = key_column
            and attribute.attnum > 0
            and not attribute.attisdropped
    );
    slots record;
begin
    if type is null then
        raise exception 'column %.% does not exist', table_id::regclass, quote_ident(key_column)
            using errcode = 'undefined_column',
                hint = 'name the column that says whose row it is; after a rename, call '
                    'mrl.set_tenants again';
    end if;
    -- a domain over a domain over …
    for level in 1 .. 32 loop
        select home.nspname, kind.typname, kind.typbasetype
        into slots
        from pg_type as kind
        join pg_namespace as home on home.oid = kind.typnamespace
        where kind.oid = type;
        exit when slots.typbasetype = 0;
        type := slots.typbasetype;
    end loop;
    return format('%I.%I', slots.nspname, slots.typname);
end
$body$;

-- The key of a tenant as the server writes it; raises for what is no value of its type.
-- Called by: mrl._tenant, mrl._know_tenant
create or replace function mrl._tenant_text(tenant text, key_type text, key_column name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    written text;
begin
    execute format('select %L::%s::text', tenant, key_type) into written;
    return written;
exception when data_exception then
    raise exception 'tenant % is no value of key column %, which is of type %',
        quote_literal(tenant), quote_ident(key_column), key_type
        using errcode = 'invalid_parameter_value',
            hint = 'pass the key as text, as in tenant => ''42''';
end
$body$;

-- The condition that a row is of a tenant.
-- Called by: mrl._of_tenant, mrl._tenant_index; mrl_pg.search.tenant does so
create or replace function mrl._is_of_tenant(
    key_column name,
    tenant text,
    key_type text,
    -- whether the index of the tenant is meant, and not the ordinary index of the key. The planner
    -- does not know that reading a large vector takes time, so it would often take the latter. It
    -- cannot by "is true", which is the condition of the former.
    indexed boolean
)
returns text
language sql
stable
parallel safe
return pg_catalog.format(
    case when indexed
        then '(%I operator(pg_catalog.=) %L::%s) is true'
        else '%I operator(pg_catalog.=) %L::%s'
    end,
    key_column, tenant, key_type
);

-- How a search of one tenant is to be made: by its own index, or exactly if it has none.
-- Called by: mrl._of_tenant, mrl._keep_tenant_recall, client/tenants.sql
create or replace function mrl._tenant(
    table_id oid,
    full_column name,
    -- the key as text
    tenant text,
    out key_column name,
    out key_type text,
    -- the key as the server writes it
    out key_text text,
    out dims int,
    out kind text,
    out distance text,
    out m int,
    out ef_construction int,
    -- NULL without a usable index
    out index_name name
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known mrl.tenants := mrl._tenant_settings(table_id, full_column);
begin
    key_column := known.key_column;
    key_type := mrl._key_type(table_id, known.key_column);
    key_text := mrl._tenant_text(tenant, _tenant.key_type, known.key_column);
    dims := known.dims;
    kind := known.kind;
    distance := known.distance;
    m := known.m;
    ef_construction := known.ef_construction;
    index_name := (
        select made.index_name
        from mrl._tenant_indexes as made
        join pg_class as home on home.oid = _tenant.table_id
        join pg_class as class
            on class.relname = made.index_name
            and class.relnamespace = home.relnamespace
        join pg_index as state
            on state.indexrelid = class.oid
            and state.indrelid = home.oid
        where made.entry = known.entry
            and made.full_column = known.full_column
            and made.tenant = _tenant.key_text
            and made.key_type = _tenant.key_type
            and state.indisvalid
            and state.indisready
            and state.indpred is not null
    );
end
$body$;

-- Refuses arguments that say which index is meant, because a tenant has its own.
-- Called by: mrl._of_tenant, mrl._make_tenant_function
create or replace function mrl._refuse_index_with_tenant(
    -- arguments of mrl.search by name
    asked jsonb
)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    named text := (
        select string_agg(given.name, ', ' order by given.place)
        from unnest(array['dims', 'kind', 'index_name'])
            with ordinality as given (name, place)
        where asked ->> given.name is not null
    );
begin
    if named is not null then
        raise exception '% given with a tenant: the tenant''s index is the one that '
            'mrl.set_tenants describes', named
            using errcode = 'invalid_parameter_value',
                hint = 'leave it out; for more recall raise candidates, or pass exact => true';
    end if;
end
$body$;

-- The arguments of a search of one tenant as those of a search with a filter, and its slots.
-- Called by: mrl._plan, mrl._of_tenant_with_index, mrl.search_sql
create or replace function mrl._of_tenant(
    -- as mrl._plan takes it
    asked jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    table_id oid := asked ->> 'table_id';
    full_column name := asked ->> 'full_column';
    own record;
    indexed boolean;
    facts record;
    also text := coalesce(e'\n    and (\n' || (asked ->> 'filter') || e'\n    )', '');
begin
    perform mrl._refuse_index_with_tenant(asked);
    own := mrl._tenant(table_id, full_column, asked ->> 'tenant');
    indexed := own.index_name is not null
        and not coalesce((asked ->> 'exact')::boolean, false);
    asked := asked || jsonb_build_object(
        'filter', mrl._is_of_tenant(own.key_column, own.key_text, own.key_type, indexed) || also,
        -- of an exact search, which finds the rows by the ordinary index of the key
        'exact_filter', mrl._is_of_tenant(
            own.key_column, own.key_text, own.key_type, false
        ) || also,
        -- which calibrations go by, because the index of a tenant has its rows alone
        'filter_in_index', asked ->> 'filter',
        'key_text', own.key_text
    );
    if not indexed then
        return asked || jsonb_build_object(
            'exact', true,
            'tenant_slots', mrl._table(table_id, full_column)
                || jsonb_build_object('operator', mrl._operator(own.distance))
        );
    end if;
    select
        own.dims as dims,
        own.kind as kind,
        own.distance as distance,
        own.index_name as index_name,
        'expression' as kept_as,
        null::name as short_column,
        known.*
    into facts
    from mrl._facts(
        table_id, full_column, null, own.index_name, own.dims, own.kind, own.distance,
        'expression'
    ) as known;
    return asked || jsonb_build_object(
        'tenant_slots', mrl._search_slots(full_column, facts)
    );
end
$body$;

-- The same of a measurement, which needs the index of the tenant.
-- Called by: mrl._plan_recall, mrl._plan_calibration
create or replace function mrl._of_tenant_with_index(asked jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    made jsonb := mrl._of_tenant(asked);
begin
    if (made ->> 'exact')::boolean then
        raise exception 'tenant % has no usable index of its own: its searches are exact',
            quote_literal(asked ->> 'tenant')
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'select * from mrl.tenant_indexes';
    end if;
    return made;
end
$body$;

-- How many rows each tenant has whose index is there, or is to be: one scan of an ordinary index.
-- Called by: mrl._tenant_steps
create or replace function mrl._count_tenants(
    table_name text, key_column name, threshold bigint, kept text[]
)
returns table (tenant text, rows bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query execute format(
        'select %1$I::text, count(*) from %2$s where %1$I is not null group by %1$I '
        'having count(*) >= $1 or %1$I::text = any ($2)',
        key_column, table_name
    )
        using threshold, kept;
end
$body$;

-- The statements that give large tenants their indexes and take those of small ones, in order.
-- Called by: mrl.tenants_sql, client/tenants.sql
create or replace function mrl._tenant_steps(
    table_name regclass,
    full_column name,
    -- take all indexes of tenants, and forget that the rows belong to tenants
    drop_all boolean
)
returns table (
    -- prepare, drop, build or forget
    step text,
    tenant text,
    -- of the tenant
    rows bigint,
    index_name name,
    statement text,
    -- concurrently: runs in no transaction; register
    how text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known mrl.tenants := mrl._tenant_settings(table_name, full_column);
    slots jsonb := mrl._table(table_name, full_column);
    -- to undo is possible after the column was dropped, too
    type_of_key text := case when not drop_all then mrl._key_type(table_name, known.key_column) end;
    made record;
    counted record;
    prepared record;
    room int;
    -- rows of each tenant that has an index, or is to have one
    counts jsonb;
begin
    perform mrl.check_owner(table_name);
    if row_security_active(table_name) then
        raise exception 'row-level security hides rows of % from role %',
            slots ->> 'table', current_user
            using errcode = 'insufficient_privilege',
                hint = 'run this as a role that sees all rows, as the owner of a table without '
                    '"force row level security" does';
    end if;
    room := known.most;
    counts := (
        select coalesce(jsonb_object_agg(counted.tenant, counted.rows), '{}')
        from mrl._count_tenants(
            slots ->> 'table',
            known.key_column,
            known.threshold,
            array(
                select own.tenant
                from mrl._tenant_indexes as own
                where own.entry = known.entry
                    and own.full_column = known.full_column
            )
        ) as counted
        where not drop_all
    );
    -- an exact search of one tenant, and this count, read this index
    select class.relname, state.indisvalid
    into prepared
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    join pg_am as method on method.oid = class.relam
    join pg_attribute as attribute
        on attribute.attrelid = state.indrelid
        and attribute.attnum = state.indkey[0]
    where state.indrelid = table_name
        and method.amname = 'btree'
        and state.indpred is null
        and attribute.attname = known.key_column
    order by state.indisvalid desc
    limit 1;
    if not drop_all and prepared.indisvalid is not true then
        step := 'prepare';
        how := 'concurrently';
        index_name := coalesce(
            prepared.relname,
            mrl._fit(format('%s_%s', slots ->> 'table_name', known.key_column), '_idx')
        );
        if prepared.indisvalid is false then
            statement := format(
                'drop index concurrently if exists %I.%I', slots ->> 'schema_name', index_name
            );
            return next;
        end if;
        statement := format(
            'create index concurrently %I on %s (%I)',
            index_name, slots ->> 'table', known.key_column
        );
        return next;
    end if;
    for made in
        select
            own.tenant,
            own.index_name,
            own.key_type is not distinct from type_of_key as of_type,
            class.oid as id,
            coalesce(state.indisvalid and state.indisready, false) as usable,
            -- an object of that name that is not ours stays
            state.indrelid = table_name and state.indpred is not null as ours,
            exists (
                select
                from pg_stat_progress_create_index as building
                where building.index_relid = class.oid
            ) as building,
            coalesce((counts ->> own.tenant)::bigint, 0) as rows
        from mrl._tenant_indexes as own
        left join pg_class as class
            on class.relname = own.index_name
            and class.relnamespace = (
                select home.relnamespace from pg_class as home where home.oid = table_name
            )
        left join pg_index as state on state.indexrelid = class.oid
        where own.entry = known.entry
            and own.full_column = known.full_column
        order by rows desc, own.tenant
    loop
        tenant := made.tenant;
        rows := made.rows;
        index_name := made.index_name;
        if made.building and not drop_all then
            room := room - 1;
            continue;
        elsif made.usable and made.ours and made.of_type and not drop_all
            and rows >= known.low
        then
            room := room - 1;
            continue;
        end if;
        step := case
            when not drop_all and rows >= known.low and room > 0 then 'build'
            else 'drop'
        end;
        if made.ours then
            -- one that is not valid is dropped before it is built again
            how := 'concurrently';
            statement := format(
                'drop index concurrently if exists %I.%I', slots ->> 'schema_name', index_name
            );
            return next;
        end if;
        if step = 'build' then
            room := room - 1;
            -- the name that is free, if another object has taken this one
            if made.id is not null and not made.ours then
                raise exception '% exists and is no index of tenant %',
                    quote_ident(made.index_name), quote_literal(made.tenant)
                    using errcode = 'duplicate_object',
                        hint = 'rename or drop that object';
            end if;
            if not made.of_type then
                how := 'register';
                statement := format(
                    'select mrl._know_tenant(%L, %L, %L, %L)',
                    slots ->> 'table', known.full_column, tenant, index_name
                );
                return next;
            end if;
            how := 'concurrently';
            statement := mrl._tenant_index(known, slots, tenant, type_of_key, index_name);
            return next;
        else
            how := 'register';
            statement := format(
                'select mrl._forget_tenant(%L, %L, %L)',
                slots ->> 'table', known.full_column, tenant
            );
            return next;
        end if;
    end loop;
    if drop_all then
        step := 'forget';
        tenant := null;
        rows := null;
        index_name := null;
        how := 'register';
        statement := format(
            'select mrl.set_tenants(%L, %L, null)', slots ->> 'table', known.full_column
        );
        return next;
        return;
    end if;
    if room <= 0 then
        return;
    end if;
    for counted in
        select large.key as tenant, large.value::bigint as rows
        from jsonb_each_text(counts) as large
        where large.value::bigint >= known.threshold
            -- a longer one has no room in the registry's own index
            and octet_length(large.key) <= 2000
            and not exists (
                select
                from mrl._tenant_indexes as own
                where own.entry = known.entry
                    and own.full_column = known.full_column
                    and own.tenant = large.key
            )
        order by rows desc, tenant
        limit room
    loop
        step := 'build';
        tenant := counted.tenant;
        rows := counted.rows;
        -- a digest, because a key may be long, or look like another one when it is cut
        index_name := mrl._fit(
            format('%s_%s', slots ->> 'table_name', known.full_column),
            '_tenant_' || left(md5(counted.tenant), 12)
        );
        -- first, so that an index that is there is always known
        how := 'register';
        statement := format(
            'select mrl._know_tenant(%L, %L, %L, %L)',
            slots ->> 'table', known.full_column, counted.tenant, index_name
        );
        return next;
        how := 'concurrently';
        statement := mrl._tenant_index(known, slots, counted.tenant, type_of_key, index_name);
        return next;
    end loop;
end
$body$;

-- The statement that builds the index of one tenant.
-- Called by: mrl._tenant_steps
create or replace function mrl._tenant_index(
    known mrl.tenants, slots jsonb, tenant text, key_type text, index_name name
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return format(
        e'%s\nwhere (%s)',
        rtrim(
            mrl._render(
                mrl._create_index(),
                slots || jsonb_build_object(
                    'concurrently', ' concurrently',
                    'index', quote_ident(index_name),
                    'short', mrl._short_name(
                        null, known.full_column, known.dims, known.kind, 'expression',
                        slots ->> 'extension'
                    ),
                    'operator_class', mrl._operator_class(known.kind, known.distance),
                    'm', known.m,
                    'ef_construction', known.ef_construction
                )
            ),
            e'\n'
        ),
        mrl._is_of_tenant(known.key_column, tenant, key_type, true)
    );
end
$body$;

-- Notes that a tenant is to have an index of this name, before the index is built.
-- Called by: mrl._tenant_steps
create or replace function mrl._know_tenant(
    table_name regclass, full_column name, tenant text, index_name name
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
declare
    known mrl.tenants;
    claimed int;
    type_of_key text;
    key_text text;
begin
    perform mrl.check_owner(table_name);
    known := mrl._tenant_settings(table_name, full_column);
    type_of_key := mrl._key_type(table_name, known.key_column);
    if exists (
        select
        from pg_class as class
        join pg_class as home on home.oid = table_name
        where class.relname = index_name
            and class.relnamespace = home.relnamespace
    ) then
        raise exception '% exists already, and mrl_pg did not make it for tenant %',
            quote_ident(index_name), quote_literal(tenant)
            using errcode = 'duplicate_object', hint = 'rename or drop that object';
    end if;
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    key_text := mrl._tenant_text(tenant, type_of_key, known.key_column);
    insert into mrl._own_tenant_indexes (entry, full_column, tenant, index_name, key_type)
    values (claimed, full_column, key_text, index_name, type_of_key)
    on conflict do nothing;
    -- the type was changed since
    update mrl._own_tenant_indexes as made
    set key_type = type_of_key
    where made.entry = claimed
        and made.full_column = _know_tenant.full_column
        and made.tenant = key_text
        and made.key_type <> type_of_key;
end
$body$;

-- Forgets that a tenant has an index, after the index was dropped.
-- Called by: mrl._tenant_steps
create or replace function mrl._forget_tenant(
    table_name regclass, full_column name, tenant text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    claimed int;
begin
    perform mrl.check_owner(table_name);
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    insert into mrl._removals (entry, tenants_of, tenant)
    values (claimed, full_column, tenant);
end
$body$;
