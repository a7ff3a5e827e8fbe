-- Another way to keep the short values of an index, built beside the one that is used.

-- The name of an index while another index has its name.
-- Called by: mrl._keep_row, mrl._keep_steps, mrl._swap_kept, mrl._findings
create or replace function mrl._beside_name(index_name name)
returns name
language sql
immutable
parallel safe
return mrl._fit(index_name, '_beside');

-- The registered index whose short values are to be kept in another way; raises if none is meant.
-- Called by: mrl._keep_steps
create or replace function mrl._keep_row(
    table_id regclass,
    full_column name,
    dims int,
    kind text,
    index_name name
)
returns record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
begin
    select row.*, count(*) over () as matches
    into known
    from mrl._registered(table_id) as row
    where row.full_column = _keep_row.full_column
        and (_keep_row.dims is null or row.dims = _keep_row.dims)
        and (_keep_row.kind is null or row.kind = _keep_row.kind)
        and (_keep_row.index_name is null or row.index_name = _keep_row.index_name)
        -- not what an interrupted run left
        and not exists (
            select
            from mrl.registry as other
            where other.table_id = _keep_row.table_id
                and row.index_name = mrl._beside_name(other.index_name)
        );
    perform mrl._check_one(table_id, full_column, known.matches);
    if known.usable is not true
        or (known.index_now, known.full_now, known.short_now)
            is distinct from (known.index_name, known.full_column, known.short_column)
    then
        raise exception 'index % of % is not in order',
            quote_ident(known.index_name), table_id
            using errcode = 'undefined_object',
                hint = format('repair it first: select mrl.repair_sql(%L)', table_id);
    end if;
    return known;
end
$body$;

-- The statements that have an index keep its short values in another way, one per row.
-- Called by: mrl.keep_as_sql, mrl._repair_steps, client/build.sql
create or replace function mrl._keep_steps(
    table_id regclass,
    full_column name,
    keep text,
    dims int,
    kind text,
    index_name name,
    rebuild boolean
)
returns table (
    step text,
    statement text,
    kept_as text,
    why text,
    -- as in mrl._create_steps
    how text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    built record;
    -- how the index that goes last keeps its values
    old text;
    beside name;
    beside_id oid;
    partitioned boolean := (
        select class.relkind = 'p' from pg_class as class where class.oid = table_id
    );
begin
    perform mrl.check_owner(table_id);
    known := mrl._keep_row(table_id, full_column, dims, kind, index_name);
    beside := mrl._beside_name(known.index_name);
    kept_as := keep;
    why := 'as you asked';
    if known.kept_as <> keep then
        if keep <> 'expression' and known.kept_as <> 'expression' then
            raise exception 'index % is kept as %: % needs a column of the same name',
                quote_ident(known.index_name), known.kept_as, keep
                using errcode = 'invalid_parameter_value',
                    hint = 'keep it as expression first, then as ' || keep;
        end if;
        select * into built from mrl._built(table_id, known.index_name);
        return query
        select todo.step, todo.statement, todo.kept_as, todo.why, todo.how
        from mrl._create_steps(
            table_id,
            full_column,
            known.dims,
            known.kind,
            known.distance,
            built.m,
            built.ef_construction,
            known.short_column,
            beside,
            true,
            keep,
            rebuild
        ) as todo;
        how := 'ddl';
        step := format('switched index %s from %s to %s', known.index_name, known.kept_as, keep);
        statement := format(
            'select mrl._swap_kept(%L, %L, %L)', table_id, known.index_name, keep
        );
        return next;
        old := known.kept_as;
    else
        old := (
            select other.kept_as
            from mrl.registry as other
            where other.table_id = _keep_steps.table_id
                and other.index_name = beside
        );
    end if;
    -- after an interruption the index may be gone already, and its row not
    beside_id := (
        select class.oid
        from pg_class as class
        join pg_index as state on state.indexrelid = class.oid
        where state.indrelid = table_id
            and class.relname = beside
    );
    if (known.kept_as <> keep or beside_id is not null) and not partitioned then
        how := 'concurrently';
        step := 'dropped the old index';
        statement := mrl._render(
            mrl._drop_index(),
            jsonb_build_object(
                'concurrently', ' concurrently',
                'index', (
                    select format('%I.%I', space.nspname, beside)
                    from pg_class as class
                    join pg_namespace as space on space.oid = class.relnamespace
                    where class.oid = table_id
                )
            )
        );
        return next;
    end if;
    if old = 'expression' and not partitioned then
        how := 'register';
        step := null;
        statement := format('select mrl.unregister(%L, %L)', table_id, beside);
        return next;
    elsif old is not null then
        how := 'ddl';
        step := case old
            when 'expression' then 'dropped the old index'
            else format('dropped column %s', known.short_column)
        end;
        statement := format(
            'select mrl.drop_index(%L, %L, index_name => %L)', table_id, full_column, beside
        );
        return next;
    end if;
    if step is null and statement is null then
        -- nothing to do
        how := 'register';
        statement := format(
            'select mrl.register(%L, %L, %L, %L, %s, %L, %L, kept_as => %L)',
            table_id, full_column, known.short_column, known.index_name, known.dims,
            known.kind, known.distance, keep
        );
        return next;
    end if;
end
$body$;

-- Exchanges the names of an index and of the index beside it, in the registry and the catalog.
-- Called by: mrl._keep_steps in a statement
create or replace function mrl._swap_kept(table_id regclass, index_name name, keep text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    beside name := mrl._beside_name(_swap_kept.index_name);
    old text;
    swapped record;
    turn record;
begin
    perform mrl.check_owner(_swap_kept.table_id);
    select known.kept_as
    into old
    from mrl._registered(_swap_kept.table_id) as known
    where known.index_name = _swap_kept.index_name
        and known.kept_as <> _swap_kept.keep
        and known.index_now = known.index_name
        and exists (
            select
            from mrl._registered(_swap_kept.table_id) as other
            where other.index_name = beside
                and other.index_now = beside
                and other.kept_as = _swap_kept.keep
                and other.usable
        );
    if not found then
        raise exception 'index % has no usable index % beside it, kept as %',
            quote_ident(_swap_kept.index_name), quote_ident(beside), _swap_kept.keep
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'ask mrl.keep_as_sql for the statements again';
    end if;
    -- its calibrations and measurements stay with its name
    update mrl._own_registry as own
    set kept_as = case own.index_name when beside then old else _swap_kept.keep end
    where own.entry in (
            select live.entry
            from mrl._live_tables as live
            where live.table_id = _swap_kept.table_id
        )
        and own.index_name in (_swap_kept.index_name, beside);
    -- with the parts of partitions, whose names mrl._partition_steps makes
    for turn in
        select * from (values (1), (2), (3)) as place (number)
    loop
        for swapped in
            select
                home.nspname as schema_name,
                class.relname as name_now,
                case turn.number
                    when 2 then names.own
                    when 3 then names.beside
                    else mrl._fit(names.own, '_swap')
                end as name_next
            from pg_index as state
            join pg_class as class on class.oid = state.indexrelid
            join pg_namespace as home on home.oid = class.relnamespace
            join pg_class as part on part.oid = state.indrelid
            cross join lateral (
                select
                    case part.oid
                        when _swap_kept.table_id::oid then _swap_kept.index_name
                        else mrl._fit(format('%s_%s', part.relname, _swap_kept.index_name), '')
                    end as own,
                    case part.oid
                        when _swap_kept.table_id::oid then beside
                        else mrl._fit(format('%s_%s', part.relname, beside), '')
                    end as beside
            ) as names
            where state.indrelid in (
                    select _swap_kept.table_id::oid
                    union
                    select tree.relid from pg_partition_tree(_swap_kept.table_id) as tree
                )
                and class.relname = case turn.number
                    when 1 then names.own
                    when 2 then names.beside
                    else mrl._fit(names.own, '_swap')
                end
        loop
            execute format(
                'alter index %I.%I rename to %I',
                swapped.schema_name, swapped.name_now, swapped.name_next
            );
        end loop;
    end loop;
end
$body$;
