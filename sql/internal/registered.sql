-- Registered short columns, and the indexes that belong to them by what they are.

-- Indexes of short values, by what they are. Names in the registry may be older.
-- Called by: mrl._registered, mrl._findings, client/catalog.sql
create or replace function mrl._short_indexes(
    -- NULL means every table
    only_table oid
)
returns table (
    table_id oid,
    index_id oid,
    index_name name,
    full_column name,
    -- NULL for an index on an expression
    short_column name,
    dims int,
    kind text,
    operator_class name,
    kept_as text,
    usable boolean,
    -- whether it is attached to the index of a partitioned table
    attached boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- in the order that is written, because to plan other orders takes longer than to run this
set join_collapse_limit = 1
as $body$
#variable_conflict use_column
begin
    return query
    select
        state.indrelid,
        state.indexrelid,
        class.relname,
        whole.attname,
        short.attname,
        key.atttypmod,
        type.typname::text,
        operator_class.opcname,
        made.kept_as,
        state.indisvalid and state.indisready,
        class.relispartition
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    join pg_am as method on method.oid = class.relam
    join pg_opclass as operator_class on operator_class.oid = state.indclass[0]
    join pg_attribute as key
        on key.attrelid = state.indexrelid
        and key.attnum = 1
    join pg_type as type on type.oid = key.atttypid
    left join pg_attribute as short
        on short.attrelid = state.indrelid
        and short.attnum = state.indkey[0]
        and short.attnum > 0
    left join pg_attrdef as value
        on value.adrelid = state.indrelid
        and value.adnum = short.attnum
        and short.attgenerated = 's'
    cross join lateral (
        select case
            when short.attnum is null then 'expression'
            when value.oid is not null then 'generated'
            else 'trigger'
        end
    ) as made (kept_as)
    cross join lateral (
        -- the column that the expression reads, which survives every rename
        select reads.refobjsubid as number
        from pg_depend as reads
        where reads.refclassid = 'pg_class'::regclass
            and reads.refobjid = state.indrelid
            and reads.refobjsubid <> 0
            and reads.refobjsubid is distinct from short.attnum
            and case made.kept_as
                when 'expression'
                then reads.classid = 'pg_class'::regclass and reads.objid = state.indexrelid
                else reads.classid = 'pg_attrdef'::regclass and reads.objid = value.oid
            end
        union
        -- a trigger names the column in its condition; without the trigger the registry does
        select coalesce(keeper.full_number, named.attnum)
        from mrl.registry as known
        left join mrl._keepers(state.indrelid) as keeper
            on keeper.short_number = short.attnum
        left join pg_attribute as named
            on named.attrelid = state.indrelid
            and named.attname = known.full_column
            and named.attnum > 0
        where made.kept_as = 'trigger'
            and known.table_id = state.indrelid
            and known.kept_as = 'trigger'
            and (
                known.short_column = short.attname
                or known.index_name = class.relname
                or keeper.trigger_name = mrl._trigger_name(known.short_column)
            )
    ) as reads
    join pg_attribute as whole
        on whole.attrelid = state.indrelid
        and whole.attnum = reads.number
    where method.amname = 'hnsw'
        and state.indpred is null
        and (_short_indexes.only_table is null or state.indrelid = _short_indexes.only_table)
        and case made.kept_as
            when 'expression' then mrl._is_short_index(
                pg_get_indexdef(state.indexrelid, 1, false),
                whole.attname,
                key.atttypmod,
                type.typname
            )
            when 'generated' then mrl._is_short_column(
                pg_get_expr(value.adbin, value.adrelid),
                format_type(short.atttypid, short.atttypmod),
                whole.attname,
                key.atttypmod,
                type.typname
            )
            else true
        end;
end
$body$;

-- The rows of the registry, each with the index that belongs to it and its names by now.
-- Called by: mrl._findings, mrl._follow, mrl._repair_steps, mrl._found
create or replace function mrl._registered(
    -- NULL means every table
    only_table oid
)
returns table (
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text,
    created_at timestamptz,
    chosen_at timestamptz,
    -- NULL if there is no such index any more
    index_id oid,
    index_now name,
    full_now name,
    short_now name,
    usable boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
begin
    return query
    select
        known.table_id::oid,
        known.full_column,
        known.short_column,
        known.index_name,
        known.dims,
        known.kind,
        known.distance,
        known.kept_as,
        known.created_at,
        known.chosen_at,
        index.index_id,
        index.index_name,
        coalesce(index.full_column, column_of.full_column),
        -- without a column, the name that it would have
        coalesce(index.short_column, known.short_column),
        index.usable
    from mrl.registry as known
    left join lateral (
        select index.*
        from mrl._short_indexes(known.table_id) as index
        where index.dims = known.dims
            and index.kind = known.kind
            and index.operator_class = mrl._operator_class(known.kind, known.distance)
            and index.kept_as = known.kept_as
            and (
                index.index_name = known.index_name
                -- of another name, unless another row is about that name
                or not exists (
                    select
                    from mrl.registry as other
                    where other.table_id = known.table_id
                        and other.index_name = index.index_name
                )
            )
        order by
            index.index_name = known.index_name desc,
            index.full_column = known.full_column desc,
            index.short_column is not distinct from known.short_column desc,
            index.usable desc,
            index.index_id
        limit 1
    ) as index on true
    left join lateral (
        -- if the index is gone, what the short column is generated from
        select whole.attname as full_column
        from pg_attribute as short
        join pg_attrdef as value
            on value.adrelid = short.attrelid
            and value.adnum = short.attnum
        join pg_depend as reads
            on reads.classid = 'pg_attrdef'::regclass
            and reads.objid = value.oid
            and reads.refobjid = short.attrelid
            and reads.refobjsubid <> 0
            and reads.refobjsubid <> short.attnum
        join pg_attribute as whole
            on whole.attrelid = short.attrelid
            and whole.attnum = reads.refobjsubid
        where known.kept_as = 'generated'
            and short.attrelid = known.table_id
            and short.attname = known.short_column
            and short.attgenerated = 's'
        limit 1
    ) as column_of on true
    where _registered.only_table is null
        or known.table_id = _registered.only_table;
end
$body$;

-- Raises unless exactly one short column of a full column is meant.
-- Called by: mrl.drop_index, mrl.switch_index, mrl._keep_row
create or replace function mrl._check_one(
    table_id regclass,
    full_column name,
    -- how many are like that; NULL means none
    matches bigint
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if coalesce(matches, 0) = 0 then
        raise exception 'column %.% has no such short column',
            table_id, quote_ident(full_column)
            using errcode = 'undefined_object', hint = 'select * from mrl.indexes';
    elsif matches > 1 then
        raise exception 'column %.% has % short columns like that',
            table_id, quote_ident(full_column), matches
            using errcode = 'ambiguous_parameter',
                hint = 'choose a short column with dims, kind or index_name: '
                    'select * from mrl.indexes';
    end if;
end
$body$;
