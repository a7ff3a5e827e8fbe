-- Triggers that rotate what is written to one column into another, and what they missed.

-- A vector as text, multiplied by the matrix of a rotation, or by its transpose.
-- Called by: mrl._turn_between
create or replace function mrl._turn_text(entry int, known_as name, back boolean, given text)
returns text
language sql
stable
parallel safe
begin atomic
    select mrl._turn(
        _turn_text.entry, _turn_text.known_as, _turn_text.back, _turn_text.given::vector
    )::pg_catalog.text;
end;

-- A vector of one column, as text, as another column of the table has it.
-- Called by: mrl._turn_row, mrl._apart
create or replace function mrl._turn_between(
    -- or a partition of it
    table_id oid,
    -- NULL if the vector is the model's
    from_column name,
    to_column name,
    given text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
declare
    turns record;
begin
    for turns in
        select
            known.entry,
            known.known_as,
            coalesce(known.full_column = from_column, false) as back
        from mrl.column_rotations as known
        where (
                known.table_id = _turn_between.table_id
                or known.table_id in (
                    select parent.relid from pg_partition_ancestors(table_id) as parent
                )
            )
            and known.full_column in (from_column, to_column)
        -- back to the vector of the model first
        order by back desc
    loop
        given := mrl._turn_text(turns.entry, turns.known_as, turns.back, given);
    end loop;
    return given;
end
$body$;

-- Fills the column of a row that another column of it is rotated into, as it is written.
-- Called by: triggers that mrl._link_rotated makes
create or replace function mrl._turn_row()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    linked record;
    given text;
begin
    select turner.from_column, turner.to_column
    into linked
    from mrl._turners(tg_relid) as turner
    where turner.trigger_name = tg_name;
    execute format('select ($1).%I::pg_catalog.text', linked.from_column)
    into given
    using new;
    if given is not null then
        given := mrl._turn_between(tg_relid, linked.from_column, linked.to_column, given);
    end if;
    execute format(
        'select filled.* from pg_catalog.json_populate_record('
        '$1, pg_catalog.json_build_object(%L, $2)) as filled',
        linked.to_column
    )
    into new
    using new, given;
    return new;
end
$body$;

-- The triggers on a table that rotate one column into another, with the columns' present names.
-- Called by: mrl._turn_row, mrl._linked, mrl._link_rotated, mrl._unlink_rotated, …
create or replace function mrl._turners(table_id oid)
returns table (
    trigger_name name,
    enabled "char",
    from_column name,
    to_column name,
    -- which says when it fires, and is in its name
    place int
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
begin
    return query
    select
        trigger.tgname,
        trigger.tgenabled,
        read.attname,
        filled.attname,
        substring(trigger.tgname from '^zy_mrl_(\d+)_')::int
    from pg_trigger as trigger
    cross join lateral (
        -- the condition names both columns, that which is read first; it follows every rename
        select array_agg(named.number order by named.place) as numbers
        from (
            select part.found[1]::int2 as number, min(part.place) as place
            from regexp_matches(
                trigger.tgqual::text, ':varattno ([0-9]+)', 'g'
            ) with ordinality as part (found, place)
            group by part.found[1]
        ) as named
    ) as condition
    join pg_attribute as read
        on read.attrelid = trigger.tgrelid
        and read.attnum = condition.numbers[1]
    join pg_attribute as filled
        on filled.attrelid = trigger.tgrelid
        and filled.attnum = condition.numbers[2]
    where trigger.tgrelid = _turners.table_id
        and trigger.tgfoid = 'mrl._turn_row'::regproc;
end
$body$;

-- Whether triggers rotate each row of one column into another as it is written.
-- Called by: mrl.switch_column, mrl._link_rotated, client/rotation.sql
create or replace function mrl._linked(table_id oid, from_column name, to_column name)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
begin
    return (
        select count(*) = 2
        from mrl._turners(table_id) as turner
        where turner.from_column = _linked.from_column
            and turner.to_column = _linked.to_column
            and turner.enabled = 'A'
    );
end
$body$;

-- Has the server rotate what is written to one column into another; true if it does from now on.
-- Called by: client/rotation.sql
create or replace function mrl._link_rotated(
    table_id regclass, from_column name, to_column name
)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
declare
    slots jsonb := mrl._table(table_id, to_column);
    made record;
    -- of columns that are rotated one from another, the first is filled first
    place int := (
        select
            coalesce(
                max(turner.place) filter (where turner.to_column = from_column) + 1,
                min(turner.place) filter (where turner.from_column = to_column) - 1,
                50
            )
        from mrl._turners(table_id) as turner
    );
begin
    perform mrl.check_owner(table_id);
    if mrl._linked(table_id, from_column, to_column) then
        return true;
    -- a trigger would not see the rows of child tables
    elsif not mrl._may_keep(table_id) then
        return false;
    end if;
    -- first a lock behind which nobody waits, and which an autovacuum gives way to
    execute mrl._render(mrl._lock_table(), slots);
    perform mrl._unlink_rotated(table_id, to_column);
    for made in
        select
            -- after the triggers of others, and before those that fill short columns
            mrl._fit(format('zy_mrl_%s_%s', place, to_column), '_' || event.name) as trigger_name,
            event.name as event,
            event.condition
        from (
            values
                ('insert', 'new.%1$I is not null and new.%2$I is null'),
                -- by their bytes; what the application writes itself stays
                (
                    'update',
                    'row(new.%1$I)::pg_catalog.record operator(pg_catalog.*<>) '
                    'row(old.%1$I)::pg_catalog.record '
                    'and row(new.%2$I)::pg_catalog.record operator(pg_catalog.*=) '
                    'row(old.%2$I)::pg_catalog.record'
                )
        ) as event (name, condition)
    loop
        execute format(
            'create trigger %I before %s on %s for each row when (%s) '
            'execute function mrl._turn_row()',
            made.trigger_name,
            made.event,
            slots ->> 'table',
            format(made.condition, from_column, to_column)
        );
        -- in replication, too
        execute format(
            'alter table %s enable always trigger %I', slots ->> 'table', made.trigger_name
        );
    end loop;
    return true;
end
$body$;

-- Drops the triggers that rotate a column into another, or all of a column, whichever it is.
-- Called by: mrl._link_rotated, mrl.stop_rotating, mrl.set_rotation
create or replace function mrl._unlink_rotated(table_id regclass, column_name name)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    old name;
    dropped boolean := false;
begin
    for old in
        select turner.trigger_name
        from mrl._turners(table_id) as turner
        where column_name in (turner.from_column, turner.to_column)
    loop
        execute format(
            'drop trigger %I on %s',
            old,
            mrl._table(table_id, column_name) ->> 'table'
        );
        dropped := true;
    end loop;
    return dropped;
end
$body$;

-- The condition that two columns of a row have vectors of different texts: by three projections.
-- Called by: mrl.switch_column, client/rotation.sql
create or replace function mrl._apart(table_id regclass, from_column name, to_column name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, to_column);
    full_dims int := (slots ->> 'full_dims')::int;
    probe text;
    condition text;
begin
    -- a rotation does not change the inner product with a vector that is rotated as well
    for round in 1 .. 3 loop
        probe := (
            select format(
                '[%s]',
                string_agg(
                    (sin(round * place * place) / sqrt(full_dims / 2.0))::real::text,
                    ','
                    order by place
                )
            )
            from generate_series(1, full_dims) as place
        );
        condition := concat_ws(
            ' or ',
            condition,
            format(
                'pg_catalog.abs('
                '%1$sinner_product(%2$I::%1$svector, %4$L::%1$svector) '
                'operator(pg_catalog.-) '
                '%1$sinner_product(%3$I::%1$svector, %5$L::%1$svector)'
                ') operator(pg_catalog.>) ('
                '%6$s::pg_catalog.float8 operator(pg_catalog.*) '
                '%1$svector_norm(%2$I::%1$svector))',
                slots ->> 'extension',
                from_column,
                to_column,
                mrl._turn_between(table_id, null, from_column, probe),
                mrl._turn_between(table_id, null, to_column, probe),
                -- how far rounding alone may take them from each other
                case
                    when slots ->> 'norm' = 'l2_norm' then 0.003 / sqrt(full_dims)
                    else 0.00001
                end
            )
        );
    end loop;
    return format(
        '(%I is not null and %I is not null and (%s))', from_column, to_column, condition
    );
end
$body$;
