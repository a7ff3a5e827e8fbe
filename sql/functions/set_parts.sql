-- Says by which centres a table is partitioned, or takes that back.

-- Keeps the centres of the parts of a table that is partitioned by list; NULL forgets them.
-- mrl.set_parts('docs', 'embedding', centres, part_column => 'part', …) -> void
-- Called by: people, mrl.parts_sql, client/parts.sql
create or replace function mrl.set_parts(
    table_name regclass,
    full_column name,
    -- of parts 1, 2 and so on, as the rows are; NULL means that parts are not by likeness
    centres vector[],
    part_column name default 'part',
    -- that of the index in use, else cosine
    distance text default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    slots jsonb;
    claimed int;
    wanted text;
    parts int := cardinality(set_parts.centres);
    missing text;
    wrong text;
begin
    perform mrl.check_owner(table_name);
    slots := mrl._table(table_name, full_column);
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    if set_parts.centres is null then
        insert into mrl._removals (entry, parts_of) values (claimed, set_parts.full_column);
        return;
    end if;
    wanted := coalesce(
        set_parts.distance,
        (
            select registry.distance
            from mrl.registry as registry
            where registry.table_id = table_name
                and registry.full_column = set_parts.full_column
            order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
            limit 1
        ),
        'cosine'
    );
    wrong := case
        when mrl._operator(wanted) is null
        then format('distance %s is not cosine, l2 or ip', wanted)
        when parts = 0 then 'there are no centres'
        when exists (
            select
            from unnest(set_parts.centres) as centre
            where mrl._dims(centre) is distinct from (slots ->> 'full_dims')::int
        )
        then format(
            'a centre has not the %s dimensions of %s.%s',
            slots ->> 'full_dims', slots ->> 'table', slots ->> 'full'
        )
        when wanted <> 'l2' and exists (
            select from unnest(set_parts.centres) as centre where mrl._is_zero(centre)
        )
        then format('a centre is all zeros, which has no direction for distance %s', wanted)
    end;
    if wrong is not null then
        raise exception '%', wrong
            using errcode = 'invalid_parameter_value',
                hint = 'pass the centres that k-means found on vectors of this column';
    end if;
    if not exists (
        select
        from pg_partitioned_table as parted
        join pg_attribute as attribute
            on attribute.attrelid = parted.partrelid
            and attribute.attnum = parted.partattrs[0]
        where parted.partrelid = table_name
            and parted.partstrat = 'l'
            and parted.partnatts = 1
            and attribute.attname = set_parts.part_column
            and attribute.atttypid = 'int4'::regtype
    ) then
        raise exception '% is not partitioned by list (%), an integer',
            slots ->> 'table', quote_ident(set_parts.part_column)
            using errcode = 'wrong_object_type',
                hint = 'mrl.parts_sql prints the statements that make a copy of a table that is';
    end if;
    missing := (
        select string_agg(missing.part::text, ', ' order by missing.part)
        from generate_series(0, parts) as missing (part)
        where not exists (
            select
            from mrl._part_partitions(table_name, null) as own
            where own.part = missing.part
        )
    );
    if missing is not null then
        raise exception '% has no partition for part %', slots ->> 'table', missing
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'Part 0 holds rows whose part nobody computed; each search reads it.',
                hint = format(
                    'create table … partition of %s for values in (%s)',
                    slots ->> 'table', split_part(missing, ',', 1)
                );
    end if;
    -- also those of another column, or of this one by an older name
    insert into mrl._removals (entry, parts_of)
    select claimed, known.full_column
    from mrl._own_parts as known
    where known.entry = claimed;
    insert into mrl._own_parts (entry, full_column, part_column, distance, set_at)
    values (claimed, set_parts.full_column, set_parts.part_column, wanted, now());
    insert into mrl._own_part_centres (entry, full_column, part, centre)
    select claimed, set_parts.full_column, given.part, given.centre
    from unnest(set_parts.centres) with ordinality as given (centre, part);
end
$body$;

comment on function mrl.set_parts(regclass, name, vector[], name, text) is
'Says that a table you own is partitioned by the likeness of a full column: partition n, by list '
'(part_column), holds the rows nearest to the n-th centre, and partition 0 those whose part '
'nobody computed. Searches with probes then read the partitions nearest to the query. Moves no '
'row: see mrl.part_of. NULL in place of the centres takes it back.';
