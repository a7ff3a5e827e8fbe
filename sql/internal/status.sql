-- What is wrong with short columns and their indexes.

-- The server process that builds an index on a table now; NULL if none does.
-- Called by: mrl._findings_of, mrl._findings, client/build.sql
create or replace function mrl._builder(table_id oid)
returns int
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return (
        select min(held.pid)
        from pg_locks as held
        where held.locktype = 'advisory'
            -- as in client/build.sql
            and held.classid = 1836215405
            and held.objid = _builder.table_id
            and held.pid <> pg_backend_pid()
            and held.granted
            and held.database = (
                select base.oid from pg_database as base where base.datname = current_database()
            )
    );
end
$body$;

-- How many rows have no short value, or another than their full vector has; reads every row.
-- Called by: mrl._findings_of
create or replace function mrl._wrong_rows(
    table_id oid, full_column name, short_column name, dims int, kind text
)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column);
    wrong bigint;
begin
    slots := slots || jsonb_build_object('dims', dims, 'kind', kind);
    execute format(
        -- by their bytes, which also tells a missing value
        'select count(*) from %s where row(%s)::record operator(pg_catalog.*<>) '
        'row(%I)::record',
        slots ->> 'table', mrl._short_of(slots ->> 'full', slots), short_column
    ) into wrong;
    return wrong;
end
$body$;

-- What to do after an interrupted keep-as; either way leaves one index.
-- Called by: mrl._findings_of, mrl._findings
create or replace function mrl._keep_again(
    table_id oid, full_column name, index_name name, ways text[]
)
returns text
language sql
stable
parallel safe
return pg_catalog.format(
    'run keep-as again, as %s: select mrl.keep_as_sql(%L, %L, %L, index_name => %L)',
    pg_catalog.array_to_string(ways, ' or back as '),
    table_id::pg_catalog.regclass,
    full_column,
    ways[1],
    index_name
);

-- What is wrong with a registered short column, one row for each thing.
-- Called by: mrl._findings
create or replace function mrl._findings_of(
    -- a row of mrl._registered
    known record,
    -- whether to read every row if a trigger keeps short values, or another column is in use
    check_rows boolean
)
returns table (finding text, detail text, remedy text, mends boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    part record;
    short record;
    named regclass;
    keeper record;
    main record;
    wrong bigint;
    replaced name;
    -- without an index, nobody can tell whether it was renamed
    full_name name := coalesce(known.full_now, known.full_column);
begin
    mends := true;
    remedy := 'repair writes the new name into the registry';
    if known.full_now <> known.full_column and known.index_id is not null then
        finding := 'renamed_full_column';
        detail := format('column %I is called %I now', known.full_column, known.full_now);
        return next;
    end if;
    if known.short_now <> known.short_column then
        finding := 'renamed_short_column';
        detail := format('column %I is called %I now', known.short_column, known.short_now);
        return next;
    end if;
    if known.index_now <> known.index_name then
        finding := 'renamed_index';
        detail := format('index %I is called %I now', known.index_name, known.index_now);
        return next;
    end if;
    select registry.*
    into main
    from mrl.registry as registry
    where registry.table_id = known.table_id::regclass
        and known.index_name = mrl._beside_name(registry.index_name);
    if found then
        -- else another session is at it
        if mrl._builder(known.table_id) is null then
            finding := 'leftover_beside';
            detail := format(
                'an interrupted keep-as left index %I, which is to take the place of %I or '
                'had it before',
                known.index_name, main.index_name
            );
            mends := known.usable is not true;
            remedy := case
                when mends then 'repair takes away what is left of it'
                else mrl._keep_again(
                    known.table_id, main.full_column, main.index_name,
                    array[known.kept_as, main.kept_as]
                )
            end;
            return next;
        end if;
        return;
    end if;
    if known.index_id is not null and not known.usable then
        finding := 'invalid_index';
        if mrl._builder(known.table_id) is not null then
            finding := 'being_built';
            detail := format(
                'server process %s builds index %I now',
                mrl._builder(known.table_id), known.index_name
            );
            remedy := 'wait until it is done';
            mends := false;
            return next;
        elsif exists (select from mrl._missing_parts(known.table_id, known.index_id)) then
            for part in
                select * from mrl._missing_parts(known.table_id, known.index_id)
            loop
                finding := 'partition_without_index';
                detail := format(
                    'partition %s has no part of index %I, so no search can use the index',
                    part.part::regclass, known.index_now
                );
                remedy := 'repair builds the part concurrently and attaches it';
                return next;
            end loop;
        elsif exists (select from pg_inherits as child where child.inhparent = known.index_id) then
            detail := format(
                'index %I is not valid, and each partition has its part', known.index_now
            );
            remedy := format(
                'reindex the parts that pg_index calls invalid, or drop index %I and run '
                'repair',
                known.index_now
            );
            mends := false;
            return next;
        else
            detail := format(
                'index %I is not valid, as an interrupted concurrent build leaves it',
                known.index_now
            );
            remedy := 'repair drops it and builds it again, both concurrently';
            return next;
        end if;
    elsif known.index_id is null then
        select made.* into short from mrl._column(known.table_id, known.short_column) as made;
        named := (
            select class.oid::regclass
            from pg_class as class
            join pg_class as home on home.relnamespace = class.relnamespace
            where home.oid = known.table_id
                and class.relname = known.index_name
        );
        if known.full_now is null and not exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = known.table_id
                and attribute.attname = known.full_column
                and attribute.attnum > 0
                and not attribute.attisdropped
        ) then
            finding := 'missing_full_column';
            detail := format('column %I does not exist any more', known.full_column);
            remedy := 'repair takes the short column out of the registry';
            -- without its trigger, nobody can tell whether the column was renamed
            if known.kept_as = 'trigger' and short.type is not null then
                remedy := format(
                    'if it was renamed, give it its old name, or drop column %I and create '
                    'the index again',
                    known.short_column
                );
                mends := false;
            end if;
        elsif named is not null then
            finding := 'other_index';
            detail := format(
                '%s is not the index that was registered: %s',
                named, coalesce(pg_get_indexdef(named), 'it is not an index')
            );
            remedy := 'drop or rename it, then run repair';
            mends := false;
        elsif known.kept_as <> 'expression' and short.type is null then
            finding := 'missing_short_column';
            detail := format('column %I does not exist any more', known.short_column);
            remedy := 'repair does what mrl.create_index does for a new index';
        elsif known.kept_as = 'generated' and not mrl._is_short_column(
            short.expression, short.type, null, known.dims, known.kind
        ) then
            finding := 'other_short_column';
            detail := format(
                'column %I is not the %s(%s) prefix of %I: it is %s',
                known.short_column, known.kind, known.dims, known.full_column,
                coalesce(short.expression, 'not generated')
            );
            remedy := 'drop or rename it, then run repair';
            mends := false;
        else
            finding := 'missing_index';
            detail := format('index %I does not exist any more', known.index_name);
            remedy := 'repair builds it again, concurrently';
        end if;
        return next;
    end if;
    if known.kept_as = 'trigger' and (known.index_id is not null or finding = 'missing_index') then
        select made.trigger_name, made.enabled, proc.prosrc as function
        into keeper
        from pg_attribute as own
        join mrl._keepers(known.table_id) as made on made.short_number = own.attnum
        join pg_proc as proc on proc.oid = made.function_id
        where own.attrelid = known.table_id
            and own.attname = known.short_now
        order by made.trigger_name
        limit 1;
        if keeper.enabled is null or keeper.enabled in ('D', 'R') then
            finding := case
                when keeper.enabled is null then 'missing_trigger'
                else 'disabled_trigger'
            end;
            detail := format(
                'trigger %I %s, so new rows get no short value',
                coalesce(keeper.trigger_name, mrl._trigger_name(known.short_now)),
                case when keeper.enabled is null then 'does not exist' else 'is disabled' end
            );
            remedy := case
                when keeper.enabled is null
                then 'repair makes it again, and computes values that are wrong'
                else 'repair enables it, and computes values that are wrong'
            end;
            mends := true;
            return next;
        elsif mrl._trigger_expression(known.table_id, known.short_now) is null then
            finding := 'misdirected_trigger';
            detail := format(
                'the function of trigger %I names columns by their old names, which other '
                'columns have now, so new rows get a wrong short value',
                keeper.trigger_name
            );
            remedy := 'repair makes it again, and computes values that are wrong';
            mends := true;
            return next;
        elsif strpos(keeper.function, format('(new.%I, 1, ', full_name)) = 0
            or strpos(keeper.function, format('new.%I := ', known.short_now)) = 0
        then
            finding := 'outdated_trigger';
            detail := format(
                'the function of trigger %I names columns by their old names, so each write '
                'takes longer',
                keeper.trigger_name
            );
            remedy := 'repair makes it again';
            mends := true;
            return next;
        end if;
        wrong := case when check_rows
            then mrl._wrong_rows(
                known.table_id, full_name, known.short_now, known.dims, known.kind
            )
        end;
        if wrong > 0 then
            finding := 'wrong_rows';
            detail := format(
                '%s rows of column %I have no short value or a wrong one',
                wrong, known.short_now
            );
            remedy := 'repair computes them again';
            mends := true;
            return next;
        end if;
    end if;
    if check_rows and not row_security_active(known.table_id) then
        replaced := mrl._replaced_column(known.table_id, known.index_name);
        wrong := case when replaced is not null
            then mrl._missing_vectors(known.table_id, replaced, known.full_now)
        end;
        if wrong > 0 then
            finding := 'missing_vectors';
            detail := format(
                '%s rows have a vector in column %I and none in %I, which searches use in its '
                'place',
                wrong, replaced, known.full_now
            );
            remedy := 'fill them with `mrl-pg load --update`, or switch back';
            mends := false;
            return next;
        end if;
    end if;
end
$body$;

-- Whether a schema is for the tests of `mrl_pg.tune`, which drops it at its end.
-- Called by: mrl._trials, mrl._findings
create or replace function mrl._is_trial(schema_name name)
returns boolean
language sql
immutable
parallel safe
return pg_catalog.starts_with(schema_name::pg_catalog.text, 'mrl_tune_')
    and pg_catalog.length(schema_name::pg_catalog.text) operator(pg_catalog.=) 25;

-- Schemas that a killed `tune` left, each by a table in it.
-- Called by: mrl._findings
create or replace function mrl._trials()
returns table (schema_name name, table_id oid, owned boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select space.nspname, min(class.oid), pg_has_role(space.nspowner, 'usage')
    from pg_namespace as space
    join pg_class as class
        on class.relnamespace = space.oid
        and class.relkind = 'r'
    where mrl._is_trial(space.nspname)
        -- as in client/tune.sql
        and not exists (
            select
            from pg_locks as lock
            where lock.locktype = 'advisory'
                and lock.objsubid = 1
                and concat(
                    'mrl_tune_',
                    lpad(to_hex(lock.classid::bigint), 8, '0'),
                    lpad(to_hex(lock.objid::bigint), 8, '0')
                ) = space.nspname
        )
    group by space.oid, space.nspname, space.nspowner;
end
$body$;

-- What is wrong with rotated columns.
-- Called by: mrl._findings
create or replace function mrl._rotation_findings(
    -- NULL means every table
    only_table oid
)
returns table (
    table_id oid,
    full_column name,
    dims int,
    finding text,
    detail text,
    remedy text,
    mends boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
begin
    -- most databases have no rotation, and then neither of these is planned
    if exists (select from mrl._rotations) then
        return query
        select
            known.table_id::oid,
            known.full_column,
            known.dims,
            'renamed_rotated_column',
            format('column %I is called %I now', known.known_as, known.full_column),
            'repair writes the new name into the registry, which a dump needs',
            true
        from mrl.column_rotations as known
        where (_rotation_findings.only_table is null or known.table_id = only_table)
            and known.full_column <> known.known_as;
        return query
        select
            live.table_id::oid,
            lost.known_as,
            lost.dims,
            'lost_rotation',
            format(
                'rotated column %I has another name since a dump, so that searches of columns of '
                '%s dimensions are refused',
                lost.known_as, lost.dims
            ),
            format(
                'say which column it is: select mrl.rename_rotation(%L, %L, COLUMN), or NULL if it '
                'was dropped',
                live.table_id, lost.known_as
            ),
            false
        from mrl._live_tables as live
        cross join lateral mrl._lost_rotations(live.table_id::oid) as lost
        where (_rotation_findings.only_table is null or live.table_id = only_table)
            and live.entry in (select turned.entry from mrl._rotations as turned);
    end if;
    if not exists (
        select from pg_trigger as trigger where trigger.tgfoid = 'mrl._turn_row'::regproc
    ) then
        return;
    end if;
    return query
    select
        linked.table_id,
        turner.to_column,
        null::int,
        'disabled_rotation',
        format(
            'a trigger that rotates what is written to %I into %I is missing or disabled',
            turner.from_column, turner.to_column
        ),
        format(
            'run mrl-pg rotate %s %I --to %I again, which also fills rows that were missed',
            linked.table_id::regclass, turner.from_column, turner.to_column
        ),
        false
    from (
        select distinct trigger.tgrelid as table_id
        from pg_trigger as trigger
        where trigger.tgfoid = 'mrl._turn_row'::regproc
            and trigger.tgparentid = 0
            and (
                _rotation_findings.only_table is null
                or trigger.tgrelid = _rotation_findings.only_table
            )
    ) as linked
    cross join lateral mrl._turners(linked.table_id) as turner
    group by linked.table_id, turner.from_column, turner.to_column
    having count(*) filter (where turner.enabled = 'A') <> 2;
end
$body$;

-- What is wrong, of registered short columns, then of objects that the registry does not know.
-- Called by: mrl.status, mrl._repair_steps
create or replace function mrl._findings(
    -- NULL means every table
    only_table oid,
    -- whether to read every row if a trigger keeps short values, or another column is in use
    check_rows boolean
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
    index_id oid,
    usable boolean,
    -- NULL if nothing is wrong
    finding text,
    detail text,
    remedy text,
    mends boolean,
    registered boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known_indexes oid[] := '{}';
    known_columns text[] := '{}';
begin
    -- registered short columns also where nothing is wrong
    for table_id, full_column, short_column, index_name, dims, kind, distance, kept_as,
        index_id, usable, finding, detail, remedy, mends, registered
    in
        select
            known.table_id,
            known.full_column,
            known.short_column,
            known.index_name,
            known.dims,
            known.kind,
            known.distance,
            known.kept_as,
            known.index_id,
            coalesce(known.usable, false),
            found.finding,
            found.detail,
            found.remedy,
            found.mends,
            true
        from mrl._registered(_findings.only_table) as known
        left join lateral mrl._findings_of(known, _findings.check_rows)
            with ordinality as found (finding, detail, remedy, mends, place) on true
        order by
            known.table_id::regclass::text, known.created_at, known.index_name, found.place
    loop
        if index_id is not null then
            known_indexes := known_indexes || index_id;
        end if;
        if kept_as <> 'expression' then
            known_columns := known_columns || format('%s %s', table_id, short_column);
        end if;
        return next;
    end loop;
    -- what follows is planned only where there may be such a thing, because to plan it takes
    -- longer than to look
    if exists (
        select
        from pg_index as state
        join pg_class as class on class.oid = state.indexrelid
        join pg_am as method on method.oid = class.relam
        where method.amname = 'hnsw'
            and not class.relispartition
            and (_findings.only_table is null or state.indrelid = _findings.only_table)
            and state.indexrelid <> all (known_indexes)
    ) then
        return query
        select
            index.table_id,
            index.full_column,
            coalesce(index.short_column, names.short_column),
            index.index_name,
            index.dims,
            index.kind,
            named.distance,
            index.kept_as,
            index.index_id,
            index.usable,
            case
                when not index.usable then 'leftover_index'
                when main.index_name is not null then 'leftover_beside'
                else 'not_registered'
            end,
            case
                when index.usable and main.index_name is not null
                then format(
                    'an interrupted keep-as left index %I, which is to take the place of %I',
                    index.index_name, main.index_name
                )
                when index.usable
                then format(
                    'index %I is like those of mrl_pg, but the registry does not know it, as '
                    'after a restore of the table alone',
                    index.index_name
                )
                else format(
                    'index %I is not valid, and the registry does not know it, as an '
                    'interrupted build leaves it',
                    index.index_name
                )
            end,
            case
                when index.usable and main.index_name is not null
                then mrl._keep_again(
                    index.table_id, main.full_column, main.index_name,
                    array[index.kept_as, main.kept_as]
                )
                when index.usable then 'repair registers it'
                when main.index_name is not null
                then 'repair drops it concurrently; to finish it instead, run keep-as again'
                when named.ours then 'repair drops it concurrently; to finish it instead, create '
                    'it again'
                else format(
                    'create it again, which goes on where the build stopped, or drop index %I',
                    index.index_name
                )
            end,
            named.ours or index.usable and main.index_name is null,
            false
        from mrl._short_indexes(_findings.only_table) as index
        join pg_class as class on class.oid = index.table_id
        cross join lateral (
            -- bits of every distance have the same operator class
            select
                coalesce(
                    substring(index.operator_class::text from '^[a-z]+_(cosine|l2|ip)_ops$'),
                    substring(index.index_name::text from '_(cosine|l2|ip)_hnsw$'),
                    'cosine'
                )
        ) as told (distance)
        cross join lateral mrl._names(
            class.relname, index.full_column, index.dims, index.kind, told.distance
        ) as names
        -- which it stands beside
        left join mrl.registry as main
            on main.table_id = index.table_id::regclass
            and mrl._beside_name(main.index_name) = index.index_name
        cross join lateral (
            select
                told.distance,
                not (index.usable and main.index_name is not null)
                and (index.index_name = names.index_name or main.index_name is not null)
                -- an index of a partitioned table cannot be dropped concurrently
                and class.relkind <> 'p'
        ) as named (distance, ours)
        where not index.attached
            -- parts of an index belong to the index of the partitioned table
            and not class.relispartition
            and class.relpersistence <> 't'
            and not exists (
                select
                from pg_namespace as space
                where space.oid = class.relnamespace
                    and mrl._is_trial(space.nspname)
            )
            and not exists (
                select
                from mrl._registered(index.table_id) as known
                where known.index_id = index.index_id
            )
            -- a build that is not done yet
            and (
                index.usable and main.index_name is null
                or mrl._builder(index.table_id) is null
            );
    end if;
    if exists (
        select
        from pg_attribute as short
        where short.attgenerated = 's'
            and (_findings.only_table is null or short.attrelid = _findings.only_table)
            and format('%s %s', short.attrelid, short.attname) <> all (known_columns)
    ) then
        return query
        select
            short.attrelid,
            whole.attname,
            short.attname,
            null::name,
            made.dims,
            made.kind,
            null::text,
            'generated',
            null::oid,
            false,
            'leftover_column',
            format('column %I has no index, as an interrupted build leaves it', short.attname),
            case
                when main.index_name is not null
                then mrl._keep_again(
                    short.attrelid, main.full_column, main.index_name,
                    array['generated', main.kept_as]
                )
                else format(
                    'create the index again, or alter table %s drop column %I',
                    short.attrelid::regclass, short.attname
                )
            end,
            false,
            false
        from pg_attribute as short
        join pg_class as class on class.oid = short.attrelid
        join pg_type as type on type.oid = short.atttypid
        join pg_attrdef as value
            on value.adrelid = short.attrelid
            and value.adnum = short.attnum
        cross join lateral (select short.atttypmod, type.typname::text) as made (dims, kind)
        join pg_depend as reads
            on reads.classid = 'pg_attrdef'::regclass
            and reads.objid = value.oid
            and reads.refobjid = short.attrelid
            and reads.refobjsubid <> 0
            and reads.refobjsubid <> short.attnum
        join pg_attribute as whole
            on whole.attrelid = short.attrelid
            and whole.attnum = reads.refobjsubid
        left join lateral (
            -- an index on an expression, which was to become one on this column
            select known.*
            from mrl.registry as known
            where known.table_id = short.attrelid
                and known.short_column = short.attname
            limit 1
        ) as main on true
        where short.attgenerated = 's'
            and type.typname in ('vector', 'halfvec', 'bit')
            and made.dims > 0
            and not class.relispartition
            and class.relpersistence <> 't'
            and not exists (
                select
                from pg_namespace as space
                where space.oid = class.relnamespace
                    and mrl._is_trial(space.nspname)
            )
            and (_findings.only_table is null or short.attrelid = _findings.only_table)
            and mrl._is_short_column(
                pg_get_expr(value.adbin, value.adrelid),
                format_type(short.atttypid, short.atttypmod),
                whole.attname,
                made.dims,
                made.kind
            )
            and short.attname = mrl._fit(whole.attname, format('_%s_%s', made.dims, made.kind))
            -- nothing but its own value depends on it
            and not exists (
                select
                from pg_depend as used
                where used.refclassid = 'pg_class'::regclass
                    and used.refobjid = short.attrelid
                    and used.refobjsubid = short.attnum
                    and used.classid <> 'pg_attrdef'::regclass
            )
            and not exists (
                select
                from mrl.registry as known
                where known.table_id = short.attrelid
                    and known.short_column = short.attname
                    -- without a column, the name that it would have
                    and known.kept_as <> 'expression'
            )
            and mrl._builder(short.attrelid) is null;
    end if;
    if exists (
        select
        from pg_trigger as trigger
        where trigger.tgname like 'zz\_mrl\_%'
            and (_findings.only_table is null or trigger.tgrelid = _findings.only_table)
    ) then
        return query
        select
            trigger.tgrelid,
            null::name,
            null::name,
            null::name,
            null::int,
            null::text,
            null::text,
            'trigger',
            null::oid,
            false,
            'leftover_trigger',
            format(
                'trigger %I is named like those of mrl_pg, but the registry does not know it',
                trigger.tgname
            ),
            case
                when main.index_name is not null
                then mrl._keep_again(
                    trigger.tgrelid, main.full_column, main.index_name,
                    array['trigger', main.kept_as]
                )
                else format(
                    'create the index again, or drop trigger %I on %s',
                    trigger.tgname, trigger.tgrelid::regclass
                )
            end,
            false,
            false
        from pg_trigger as trigger
        left join lateral (
            -- an index on an expression, which was to become one on its column
            select known.*
            from mrl.registry as known
            where known.table_id = trigger.tgrelid
                and mrl._trigger_name(known.short_column) = trigger.tgname
                and known.kept_as = 'expression'
            limit 1
        ) as main on true
        where trigger.tgname like 'zz\_mrl\_%'
            and trigger.tgparentid = 0
            and (_findings.only_table is null or trigger.tgrelid = _findings.only_table)
            and not exists (
                select
                from mrl._registered(trigger.tgrelid) as known
                where known.kept_as <> 'expression'
                    and (
                        trigger.tgname in (
                            mrl._trigger_name(known.short_column),
                            mrl._trigger_name(known.short_now)
                        )
                        -- or its column has another name by now
                        or exists (
                            select
                            from mrl._keepers(trigger.tgrelid) as keeper
                            join pg_attribute as short
                                on short.attrelid = trigger.tgrelid
                                and short.attnum = keeper.short_number
                            where keeper.trigger_id = trigger.oid
                                and short.attname = known.short_now
                        )
                    )
            )
            and mrl._builder(trigger.tgrelid) is null;
    end if;
    return query
    select
        about.table_id,
        about.full_column,
        null::name,
        null::name,
        about.dims,
        null::text,
        null::text,
        '',
        null::oid,
        false,
        about.finding,
        about.detail,
        about.remedy,
        about.mends,
        false
    from mrl._rotation_findings(_findings.only_table) as about;
    return query
    select
        about.table_id,
        about.full_column,
        null::name,
        null::name,
        null::int,
        null::text,
        null::text,
        '',
        null::oid,
        false,
        about.finding,
        about.detail,
        about.remedy,
        false,
        false
    from mrl._part_findings(_findings.only_table, _findings.check_rows) as about;
    return query
    select
        trial.table_id,
        null::name,
        null::name,
        null::name,
        null::int,
        null::text,
        null::text,
        '',
        null::oid,
        false,
        'leftover_schema',
        format('schema %I is left of a `tune` that was killed', trial.schema_name),
        case when trial.owned
            then 'repair drops it'
            else 'its owner can drop it with repair'
        end,
        trial.owned,
        false
    from mrl._trials() as trial
    where _findings.only_table is null
        or trial.table_id = _findings.only_table;
end
$body$;
