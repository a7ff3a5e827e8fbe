-- The statements that make a copy of a table, partitioned by the likeness of its vectors, in order.
-- mrl.parts_sql('docs', 'embedding', 'docs_parts', centres) -> setof text
-- Called by: people, client/parts.sql
create or replace function mrl.parts_sql(
    table_name regclass,
    full_column name,
    -- of the copy, in the schema of the table
    new_name name,
    -- of parts 1, 2 and so on, such as k-means finds; at least two
    centres vector[],
    part_column name default 'part',
    -- that of the index in use, else cosine
    distance text default null
)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column);
    keys name[] := mrl._keys_of(table_name);
    parts int := coalesce(cardinality(centres), 0);
    new_table text := format('%I.%I', slots ->> 'schema_name', new_name);
    -- the copy has no index yet that would say it
    wanted text := coalesce(
        distance,
        (
            select registry.distance
            from mrl.registry as registry
            where registry.table_id = table_name
                and registry.full_column = parts_sql.full_column
            order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
            limit 1
        ),
        'cosine'
    );
    -- short columns belong to their index, which the copy gets anew
    short name[] := array(
        select registry.short_column
        from mrl.registry as registry
        where registry.table_id = table_name
            and registry.kept_as <> 'expression'
    );
    copied text;
    options text;
    model text;
    counter record;
    sequence text;
    wrong text;
    -- before, partitioned tables have no identity columns
    has_identity boolean := current_setting('server_version_num')::int >= 170000;
begin
    wrong := case
        when parts < 2 then 'fewer than two centres make no parts'
        when new_name is null or new_name = '' then 'the copy has no name'
        when cardinality(keys) = 0 then format('%s has no primary key', slots ->> 'table')
        when exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = table_name
                and attribute.attname = part_column
                and not attribute.attisdropped
        )
        then format('%s has a column %I already', slots ->> 'table', part_column)
        when exists (
            select
            from mrl.column_rotations as known
            where known.table_id = table_name
        )
        then format('%s has a rotated column, whose rotation a copy would lack', slots ->> 'table')
    end;
    if wrong is not null then
        raise exception '%', wrong
            using errcode = 'invalid_parameter_value',
                hint = 'see docs/parts.md; part_column names another column';
    end if;
    select
        coalesce(' with (' || array_to_string(class.reloptions, ', ') || ')', '')
    into options
    from pg_class as class
    where class.oid = table_name;
    return next format(
        'create table %s (like %s including defaults including constraints including generated '
        '%sincluding storage including comments, %I pg_catalog.int4 not null default 0) '
        'partition by list (%I)',
        new_table,
        slots ->> 'table',
        case when has_identity then 'including identity ' else '' end,
        part_column,
        part_column
    );
    if cardinality(short) > 0 then
        return next format(
            'alter table %s %s',
            new_table,
            (
                select string_agg(format('drop column %I', made.name), ', ')
                from unnest(short) as made (name)
            )
        );
    end if;
    return next format(
        'alter table %s add primary key (%s, %I)',
        new_table,
        (
            select string_agg(quote_ident(key.name), ', ' order by key.place)
            from unnest(keys) with ordinality as key (name, place)
        ),
        part_column
    );
    for part in 0 .. parts loop
        return next format(
            'create table %I.%I partition of %s for values in (%s)%s',
            slots ->> 'schema_name', mrl._fit(new_name, '_' || part), new_table, part, options
        );
    end loop;
    return next format(
        'select mrl.set_parts(%L, %L, %L::%svector[], %L, %L)',
        new_table, full_column, centres, slots ->> 'extension', part_column, wanted
    );
    model := (
        select known.model
        from mrl.column_models as known
        where known.table_id = table_name
            and known.full_column = parts_sql.full_column
    );
    if model is not null then
        return next format('select mrl.set_model(%L, %L, %L)', new_table, full_column, model);
    end if;
    copied := (
        select string_agg(quote_ident(attribute.attname), ', ' order by attribute.attnum)
        from pg_attribute as attribute
        where attribute.attrelid = table_name
            and attribute.attnum > 0
            and not attribute.attisdropped
            and attribute.attgenerated = ''
            and not attribute.attname = any (short)
    );
    return next format(
        'insert into %1$s (%2$s, %3$I) overriding system value '
        'select %2$s, mrl.part_of(%1$L, %4$L, %4$I::%5$svector) from %6$s',
        new_table, copied, part_column, full_column, slots ->> 'extension', slots ->> 'table'
    );
    for counter in
        select attribute.attname as name
        from pg_attribute as attribute
        where attribute.attrelid = table_name
            and attribute.attidentity <> ''
            and not attribute.attisdropped
    loop
        if not has_identity then
            sequence := format(
                '%I.%I',
                slots ->> 'schema_name',
                mrl._fit(new_name, format('_%s_seq', counter.name))
            );
            return next format(
                'create sequence %s owned by %s.%I', sequence, new_table, counter.name
            );
            return next format(
                'alter table %s alter column %I set default pg_catalog.nextval(%L)',
                new_table, counter.name, sequence
            );
        end if;
        return next format(
            'select pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%L, %L), '
            'coalesce(pg_catalog.max(%I), 1)::pg_catalog.int8) from %s',
            new_table, counter.name, counter.name, new_table
        );
    end loop;
    return next format('analyze %s', new_table);
end
$body$;

comment on function mrl.parts_sql(regclass, name, name, vector[], name, text) is
'The statements that make a copy of a table which is partitioned by the likeness of its vectors, '
'in order, to be run in one transaction. The copy has the columns, defaults, checks and comments '
'of the table and its primary key with the number of the part; no other index, trigger, policy, '
'grant or foreign key. Rows that are written to the table meanwhile are not in the copy.';
