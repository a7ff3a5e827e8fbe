-- Indexes of partitioned tables: the statements for their parts, and the parts that are missing.

-- The statements that index a partitioned table part by part, one per row.
-- Called by: mrl._create_steps
create or replace function mrl._partition_steps(
    table_id oid, index_name name, slots jsonb, out step text, out statement text, out how text
)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    part record;
    online text;
    -- the index and its parts, under whatever names they were attached
    attached oid[] := array(
        select tree.relid
        from pg_class as class
        join pg_index as state on state.indexrelid = class.oid
        cross join pg_partition_tree(class.oid::regclass) as tree
        where state.indrelid = _partition_steps.table_id
            and class.relname = _partition_steps.index_name
    );
begin
    -- parents first; a parent's index becomes valid when all its parts are attached
    for part in
        select
            tree.relid::oid as id,
            tree.isleaf,
            space.nspname as schema_name,
            format('%I.%I', space.nspname, class.relname) as table_name,
            own.name as index_name,
            state.indexrelid is not null as present,
            -- an attached part cannot be dropped by itself
            state.indisvalid or state.indexrelid = any (attached) as usable
        from pg_partition_tree(table_id::regclass) as tree
        join pg_class as class on class.oid = tree.relid
        join pg_namespace as space on space.oid = class.relnamespace
        cross join lateral (
            select case tree.level
                when 0 then _partition_steps.index_name
                else mrl._fit(format('%s_%s', class.relname, _partition_steps.index_name), '')
            end
        ) as own (name)
        left join lateral (
            select index.*
            from pg_index as index
            join pg_class as index_class on index_class.oid = index.indexrelid
            where index.indrelid = tree.relid
                and (index_class.relname = own.name or index.indexrelid = any (attached))
            order by index.indexrelid = any (attached) desc
            limit 1
        ) as state on true
        order by tree.level, class.relname
    loop
        online := case when part.isleaf then slots ->> 'concurrently' else '' end;
        how := case online when '' then 'ddl' else 'concurrently' end;
        if part.isleaf and part.usable is false then
            step := 'dropped the invalid index of ' || part.table_name;
            statement := mrl._render(
                mrl._drop_index(),
                jsonb_build_object(
                    'concurrently', online,
                    'index', format('%I.%I', part.schema_name, part.index_name)
                )
            );
            return next;
        end if;
        if not part.present or part.isleaf and part.usable is false then
            step := 'built index ' || part.index_name;
            statement := mrl._render(
                mrl._create_index(),
                slots || jsonb_build_object(
                    'concurrently', online,
                    'index', quote_ident(part.index_name),
                    'table', case when part.isleaf then '' else 'only ' end || part.table_name
                )
            );
            return next;
        end if;
    end loop;
    how := 'ddl';
    -- parts of parts first
    for part in
        select
            space.nspname as schema_name,
            mrl._fit(format('%s_%s', class.relname, index_name), '') as index_name,
            parent_space.nspname as parent_schema,
            coalesce(
                (
                    select above_class.relname
                    from pg_index as above
                    join pg_class as above_class on above_class.oid = above.indexrelid
                    where above.indrelid = tree.parentrelid
                        and above.indexrelid = any (attached)
                ),
                case tree.level
                    when 1 then index_name
                    else mrl._fit(format('%s_%s', parent.relname, index_name), '')
                end
            ) as parent_index,
            tree.relid::oid as id
        from pg_partition_tree(table_id::regclass) as tree
        join pg_class as class on class.oid = tree.relid
        join pg_namespace as space on space.oid = class.relnamespace
        join pg_class as parent on parent.oid = tree.parentrelid
        join pg_namespace as parent_space on parent_space.oid = parent.relnamespace
        where tree.level > 0
        order by tree.level desc, class.relname
    loop
        continue when exists (
            select
            from pg_inherits as child
            join pg_index as state on state.indexrelid = child.inhrelid
            where state.indrelid = part.id
                and (
                    state.indexrelid = any (attached)
                    or state.indexrelid = to_regclass(
                        format('%I.%I', part.schema_name, part.index_name)
                    )
                )
        );
        step := 'attached index ' || part.index_name;
        statement := format(
            'alter index %I.%I attach partition %I.%I',
            part.parent_schema, part.parent_index, part.schema_name, part.index_name
        );
        return next;
    end loop;
end
$body$;

-- Partitions without their part of an index, and the index that it has to be attached to.
-- Called by: mrl._findings_of, mrl._part_steps
create or replace function mrl._missing_parts(table_id oid, index_id oid)
returns table (part oid, leaf boolean, parent_index oid)
language sql
stable
parallel safe
begin atomic
    select part.relid::pg_catalog.oid, part.isleaf, above.indexrelid
    from pg_catalog.pg_partition_tree(_missing_parts.table_id) as part
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) part.relid
        and class.relkind operator(pg_catalog.=) any ('{r,p}'::pg_catalog."char"[])
    join pg_catalog.pg_index as above
        on above.indrelid operator(pg_catalog.=) part.parentrelid
        and above.indexrelid operator(pg_catalog.=) any (
            select tree.relid
            from pg_catalog.pg_partition_tree(_missing_parts.index_id) as tree
        )
    where not exists (
        select
        from pg_catalog.pg_partition_tree(_missing_parts.index_id) as tree
        join pg_catalog.pg_index as own
            on own.indexrelid operator(pg_catalog.=) tree.relid
        where own.indrelid operator(pg_catalog.=) part.relid
    )
    order by part.level, class.relname;
end;

-- The statements that give partitions their parts of an index.
-- Called by: mrl._repair_steps
create or replace function mrl._part_steps(known record)
returns table (step text, statement text, how text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    part record;
    slots jsonb;
    built record;
    existing record;
    name name;
    space name;
begin
    select * into built from mrl._built(known.table_id, known.index_now);
    for part in
        select missing.*, class.relname, class.relnamespace
        from mrl._missing_parts(known.table_id, known.index_id) as missing
        join pg_class as class on class.oid = missing.part
    loop
        slots := mrl._table(part.part, known.full_now);
        -- as mrl._partition_steps names it
        name := mrl._fit(format('%s_%s', part.relname, known.index_now), '');
        space := (
            select home.nspname from pg_namespace as home where home.oid = part.relnamespace
        );
        slots := slots || jsonb_build_object(
            'dims', known.dims,
            'kind', known.kind,
            'table', concat(case when not part.leaf then 'only ' end, slots ->> 'table'),
            'short', mrl._short_name(
                known.short_now, known.full_now, known.dims, known.kind, known.kept_as,
                slots ->> 'extension'
            ),
            'operator_class', mrl._operator_class(known.kind, known.distance),
            'm', built.m,
            'ef_construction', built.ef_construction,
            'concurrently', case when part.leaf then ' concurrently' else '' end
        );
        select state.indrelid, state.indisvalid and state.indisready as usable
        into existing
        from pg_class as class
        left join pg_index as state on state.indexrelid = class.oid
        where class.relname = name
            and class.relnamespace = part.relnamespace;
        how := case when part.leaf then 'concurrently' else 'ddl' end;
        if existing.indrelid = part.part and part.leaf and not existing.usable then
            step := 'dropped the invalid index ' || name;
            statement := mrl._render(
                mrl._drop_index(),
                slots || jsonb_build_object('index', format('%I.%I', space, name))
            );
            return next;
            existing := null;
        end if;
        if existing is null then
            step := 'built index ' || name;
            statement := mrl._render(
                mrl._create_index(), slots || jsonb_build_object('index', quote_ident(name))
            );
            return next;
        end if;
        how := 'ddl';
        step := 'attached index ' || name;
        statement := format(
            'alter index %s attach partition %I.%I',
            (
                select format('%I.%I', home.nspname, class.relname)
                from pg_class as class
                join pg_namespace as home on home.oid = class.relnamespace
                where class.oid = part.parent_index
            ),
            space,
            name
        );
        return next;
    end loop;
end
$body$;
