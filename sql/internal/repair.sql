-- The statements that mend what is wrong with short columns and their indexes.

-- Writes the names that an index and its columns have by now into its row of the registry.
-- Called by: mrl._repair_steps
create or replace function mrl._follow(table_id regclass, index_name name)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
begin
    perform mrl.check_owner(_follow.table_id);
    update mrl._own_registry as own
    set in_place_of = known.full_now
    from mrl._registered(_follow.table_id) as known
    where own.entry in (
            select live.entry
            from mrl._live_tables as live
            where live.table_id = _follow.table_id
        )
        and known.index_name = _follow.index_name
        and own.in_place_of = known.full_column
        and known.full_now <> known.full_column;
    -- its calibrations and measurements follow by their foreign keys
    update mrl._own_registry as own
    set full_column = known.full_now,
        short_column = known.short_now,
        index_name = known.index_now
    from mrl._registered(_follow.table_id) as known
    where own.entry in (
            select live.entry
            from mrl._live_tables as live
            where live.table_id = _follow.table_id
        )
        and known.index_name = _follow.index_name
        and own.index_name = _follow.index_name
        and known.index_id is not null;
end
$body$;

-- Writes the names that rotated columns of a table have by now into the registry.
-- Called by: mrl._repair_steps
create or replace function mrl._follow_rotations(table_id regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    perform mrl.check_owner(table_id);
    -- its trigger does
    insert into mrl._claims (table_id) values (_follow_rotations.table_id);
end
$body$;

-- The statements that put a trigger in order, and the values that it did not compute.
-- Called by: mrl._repair_steps
create or replace function mrl._keeper_steps(known record, codes text[])
returns table (step text, statement text, how text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    full_name name := coalesce(known.full_now, known.full_column);
    slots jsonb := mrl._table(known.table_id, full_name)
        || jsonb_build_object('dims', known.dims, 'kind', known.kind);
begin
    how := 'ddl';
    if codes && array['missing_trigger', 'outdated_trigger', 'misdirected_trigger'] then
        step := 'made the trigger of column ' || known.short_now;
        statement := format(
            'select mrl._make_keeper(%L, %L, %L, %s, %L)',
            known.table_id::regclass, full_name, known.short_now, known.dims, known.kind
        );
        return next;
    elsif 'disabled_trigger' = any (codes) then
        step := 'enabled the trigger of column ' || known.short_now;
        statement := format(
            'alter table %s enable always trigger %I',
            slots ->> 'table',
            (
                select keeper.trigger_name
                from mrl._keepers(known.table_id) as keeper
                join pg_attribute as short
                    on short.attrelid = known.table_id
                    and short.attnum = keeper.short_number
                where short.attname = known.short_now
                order by keeper.trigger_name
                limit 1
            )
        );
        return next;
    end if;
    -- a trigger with old names computes right values, only more slowly
    if not codes && array[
        'missing_trigger', 'disabled_trigger', 'misdirected_trigger', 'wrong_rows'
    ] then
        return;
    end if;
    how := 'fill';
    step := 'computed wrong values of column ' || known.short_now;
    statement := format(
        'call mrl.fill_short_column(%L, %L, %L, check_rows => true)',
        known.table_id::regclass, full_name, known.short_now
    );
    return next;
end
$body$;

-- The statements that mend what they can of the findings, to be asked for until there are none.
-- Called by: mrl.repair_sql, client/build.sql
create or replace function mrl._repair_steps(
    -- NULL means every table
    only_table oid,
    check_rows boolean
)
returns table (
    table_id oid,
    step text,
    -- NULL if there is none; then step says why. step is NULL if reports leave it out
    statement text,
    -- as in mrl._create_steps
    how text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    found_one record;
    known record;
    built record;
    slots jsonb;
    said text;
begin
    for found_one in
        -- the findings of one index together
        select
            findings.table_id,
            findings.index_name,
            findings.registered,
            min(findings.index_id) as index_id,
            min(findings.full_column) as full_column,
            min(findings.short_column) as short_column,
            min(findings.dims) as dims,
            min(findings.kind) as kind,
            min(findings.distance) as distance,
            min(findings.kept_as) as kept_as,
            array_agg(findings.finding) as codes
        from mrl._findings(only_table, check_rows) as findings
        where findings.mends
        group by findings.table_id, findings.index_name, findings.registered
        order by findings.table_id, findings.registered desc, findings.index_name
    loop
        table_id := found_one.table_id;
        slots := jsonb_build_object('concurrently', ' concurrently');
        if 'not_registered' = any (found_one.codes) then
            how := 'verify';
            step := null;
            statement := mrl._graph_step(
                table_id::regclass, found_one.full_column, found_one.short_column,
                found_one.index_name, found_one.dims, found_one.kind, found_one.distance,
                found_one.kept_as
            );
            return next;
            how := 'register';
            step := 'registered index ' || found_one.index_name;
            statement := format(
                'select mrl.register(%L, %L, %L, %L, %s, %L, %L, kept_as => %L)',
                table_id::regclass, found_one.full_column, found_one.short_column,
                found_one.index_name, found_one.dims, found_one.kind, found_one.distance,
                found_one.kept_as
            );
            return next;
            continue;
        elsif 'leftover_index' = any (found_one.codes) then
            how := 'concurrently';
            step := 'dropped the invalid index ' || found_one.index_name;
            statement := mrl._render(
                mrl._drop_index(),
                slots || jsonb_build_object(
                    'index', (
                        select format('%I.%I', home.nspname, class.relname)
                        from pg_class as class
                        join pg_namespace as home on home.oid = class.relnamespace
                        where class.oid = found_one.index_id
                    )
                )
            );
            return next;
            continue;
        elsif 'renamed_rotated_column' = any (found_one.codes) then
            how := 'register';
            step := 'wrote the new name of a rotated column into the registry';
            statement := format('select mrl._follow_rotations(%L)', table_id::regclass);
            return next;
            continue;
        elsif 'leftover_schema' = any (found_one.codes) then
            how := 'ddl';
            statement := (
                select format('drop schema %I cascade', home.nspname)
                from pg_class as class
                join pg_namespace as home on home.oid = class.relnamespace
                where class.oid = found_one.table_id
            );
            step := 'dropped the schema of a killed tune';
            return next;
            continue;
        elsif 'missing_full_column' = any (found_one.codes) then
            how := 'register';
            step := format('took index %s out of the registry', found_one.index_name);
            statement := format(
                'select mrl.unregister(%L, %L)', table_id::regclass, found_one.index_name
            );
            return next;
            continue;
        end if;
        select row.*
        into known
        from mrl._registered(table_id) as row
        where row.index_name = found_one.index_name;
        if found_one.codes && array[
            'renamed_full_column', 'renamed_short_column', 'renamed_index'
        ] then
            how := 'register';
            step := 'wrote the new names into the registry';
            statement := format(
                'select mrl._follow(%L, %L)', table_id::regclass, found_one.index_name
            );
            return next;
        end if;
        if 'partition_without_index' = any (found_one.codes) then
            return query
            select _repair_steps.table_id, todo.step, todo.statement, todo.how
            from mrl._part_steps(known) as todo;
        end if;
        if found_one.codes && array[
                'missing_trigger', 'disabled_trigger', 'outdated_trigger',
                'misdirected_trigger', 'wrong_rows'
            ]
            -- names first
            and known.short_now = known.short_column
        then
            return query
            select _repair_steps.table_id, todo.step, todo.statement, todo.how
            from mrl._keeper_steps(known, found_one.codes) as todo;
            -- without its trigger the column gets no index
            continue when 'missing_index' = any (found_one.codes);
        end if;
        if found_one.codes && array[
            'invalid_index', 'missing_index', 'missing_short_column', 'leftover_beside'
        ] then
            begin
                return query
                select _repair_steps.table_id, todo.step, todo.statement, todo.how
                from mrl.registry as main
                cross join lateral mrl._keep_steps(
                    main.table_id, main.full_column, main.kept_as, main.dims, main.kind,
                    main.index_name, false
                ) as todo
                where 'leftover_beside' = any (found_one.codes)
                    and main.table_id = _repair_steps.table_id::regclass
                    and found_one.index_name = mrl._beside_name(main.index_name);
                continue when 'leftover_beside' = any (found_one.codes);
                select * into built from mrl._built(table_id, known.index_now);
                return query
                select _repair_steps.table_id, todo.step, todo.statement, todo.how
                from mrl._create_steps(
                    table_id::regclass,
                    coalesce(known.full_now, known.full_column),
                    known.dims,
                    known.kind,
                    known.distance,
                    built.m,
                    built.ef_construction,
                    known.short_now,
                    coalesce(known.index_now, known.index_name),
                    true,
                    case when 'missing_short_column' <> all (found_one.codes)
                        then known.kept_as
                    end,
                    false
                ) as todo;
            exception when others then
                get stacked diagnostics said = message_text;
                step := format('index %s: %s', found_one.index_name, said);
                statement := null;
                how := null;
                return next;
            end;
        end if;
    end loop;
end
$body$;
