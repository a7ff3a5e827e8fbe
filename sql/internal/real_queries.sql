-- Real queries and distances: the tables that hold them, who adds them, and who may read them.

-- Creates, resizes or drops the table for real queries of a column after its settings change.
-- Called by: mrl._query_sampling
create or replace function mrl._keep_room()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    room text;
    own text;
begin
    if tg_op = 'DELETE' then
        perform mrl._drop_room(old.room, false);
        return null;
    end if;
    room := format('mrl.%I', '_queries_' || new.room);
    own := format('mrl.%I', '_own_queries_' || new.room);
    if to_regclass(own) is null and greatest(new.share, new.distance_share) > 0 then
        perform mrl._make_room(new.room);
    elsif to_regclass(own) is null then
        -- in case the table exists without its column of vectors
        perform mrl._drop_room(new.room, false);
        return null;
    end if;
    -- queries and distances are in random slots, so random ones are deleted
    execute format(
        'update %s set kept_on = null, query = null where slot > $1 and query is not null', room
    )
    using new.most;
    execute format(
        'update %s set measured_on = null, k = null, distance = null, calibrated_at = null'
        ' where slot > $1 and distance is not null',
        room
    )
    using new.most_distances;
    execute format('delete from %s where slot > $1 and distance is null', room)
    using greatest(new.most, case when new.distance_share > 0 then new.most_distances end);
    if greatest(new.share, new.distance_share) > 0 then
        execute format(
            'insert into %s (slot) select generate_series(1, $1) on conflict do nothing',
            room
        )
        using greatest(
            case when new.share > 0 then new.most end,
            case when new.distance_share > 0 then new.most_distances end
        );
    else
        perform mrl._drop_room(new.room, true);
    end if;
    return null;
end
$body$;

-- Creates the table for real queries of a column, and the view that lets its owner read them.
-- Called by: mrl._keep_room, refresh.sql
create or replace function mrl._make_room(room int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    made name := '_queries_' || room;
    own name := '_own_queries_' || room;
    home name := (
        select space.nspname
        from pg_extension as extension
        join pg_namespace as space on space.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
begin
    -- "drop extension vector cascade" drops the column of vectors
    if (
        select count(*)
        from pg_attribute as attribute
        where attribute.attrelid = to_regclass(format('mrl.%I', made))
            and attribute.attname in ('query', 'calibrated_at')
            and not attribute.attisdropped
    ) < 2 then
        if to_regclass(format('mrl.%I', made)) is not null then
            execute format('drop table mrl.%I cascade', made);
        end if;
        -- not at installation, and not one table for all columns: other roles may not read
        -- this table, so they cannot dump the whole database while it exists
        execute format(
            'create table mrl.%I ('
                'slot int primary key check (slot > 0),'
                -- a day, because an exact time could lead to a request and to a person
                ' kept_on date,'
                ' query %I.vector,'
                -- of an answer: how many rows were asked for, and the distance of the last
                ' measured_on date,'
                ' k int,'
                ' distance float8,'
                -- of the newest calibration at that time
                ' calibrated_at timestamptz)'
            -- half of each page stays free, so that the page can hold the new query of a slot
            ' with (fillfactor = 50)',
            made, home
        );
        execute format(
            'comment on table mrl.%I is %L',
            made,
            'Real queries, each a vector and a day, and distances of answers. Read them '
            'through mrl.kept_queries and mrl.kept_distances.'
        );
    end if;
    execute format(
        'create or replace view mrl.%I with (security_barrier) as'
            ' select kept.slot, kept.kept_on, kept.query, kept.measured_on, kept.k,'
            ' kept.distance, kept.calibrated_at from mrl.%I as kept'
            ' where exists (select from mrl._query_sampling as sampling'
            ' join mrl._live_tables as live'
            ' on live.entry operator(pg_catalog.=) sampling.entry'
            ' where sampling.room operator(pg_catalog.=) %s'
            -- the calling role; within a security definer function, that function's owner
            ' and pg_catalog.pg_has_role(current_user, live.owner, %L))',
        own, made, room, 'usage'
    );
    execute format(
        'comment on view mrl.%I is %L',
        own,
        'Internal. Real queries and distances of a column of a table that you own.'
    );
    perform mrl._grant(array[format('mrl.%I', made), format('mrl.%I', own)]);
end
$body$;

-- Drops the table for real queries of a column, unless it is in use or still needed.
-- Called by: mrl._keep_room, mrl._sweep
create or replace function mrl._drop_room(
    room int,
    -- true: drop only if no query is stored; false: the searched column is gone
    if_empty boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    made name := '_queries_' || room;
    own name := '_own_queries_' || room;
    waits text := current_setting('lock_timeout');
    holds constant text := 'select exists ('
        'select from mrl.%I where query is not null or distance is not null)';
    filled boolean := false;
begin
    if to_regclass(format('mrl.%I', made)) is null
        -- above read committed, queries that others stored may be invisible
        or if_empty and current_setting('transaction_isolation') <> 'read committed'
    then
        return;
    elsif if_empty then
        execute format(holds, made) into filled;
    end if;
    if filled then
        return;
    end if;
    begin
        perform set_config('lock_timeout', '100ms', true);
        execute format('lock table mrl.%I in access exclusive mode', made);
        if if_empty then
            -- again, because a query may have been stored before the lock
            execute format(holds, made) into filled;
        end if;
        if not filled then
            -- cascade, so that an object of another role cannot prevent the drop
            if to_regclass(format('mrl.%I', own)) is not null then
                execute format('drop view mrl.%I cascade', own);
            end if;
            execute format('drop table mrl.%I cascade', made);
        end if;
        perform set_config('lock_timeout', waits, true);
    exception
        -- the table is in use, for example by a dump, and a later call will drop it
        when lock_not_available
            or deadlock_detected
            or object_in_use
            or insufficient_privilege
        then
            if if_empty then
                raise notice 'mrl.% is empty and stays for now: %', made, sqlerrm
                    using hint = 'call mrl.forget_queries again, because while this table '
                        'exists, not every role can dump the whole database';
            end if;
    end;
end
$body$;

-- The settings of a column's queries and distances, with the column's dimensions and number.
-- Called by: mrl._take_query, mrl._take_distance
create or replace function mrl._sampled(table_id regclass, full_column name)
returns table (
    entry int,
    room int,
    share float8,
    most int,
    distance_share float8,
    most_distances int,
    full_dims int,
    attnum smallint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select
        sampling.entry,
        sampling.room,
        sampling.share,
        sampling.most,
        sampling.distance_share,
        sampling.most_distances,
        attribute.atttypmod,
        attribute.attnum
    from mrl._query_sampling as sampling
    join mrl._live_tables as live on live.entry = sampling.entry
    join pg_attribute as attribute
        on attribute.attrelid = live.table_id
        and attribute.attname = sampling.full_column
        and not attribute.attisdropped
    where live.table_id = _sampled.table_id
        and sampling.full_column = _sampled.full_column;
end
$body$;

-- Stores a random share of the queries that are offered by roles that may read the column.
-- Called by: mrl.query_inbox
create or replace function mrl._take_query()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    sampled record;
begin
    select *
    into sampled
    from mrl._sampled(new.table_id, new.full_column)
    where share > 0;
    if not found then
        return null;
    end if;
    perform mrl._check_reader(new.asked_by, new.table_id, sampled.attnum, new.full_column);
    -- for each query, not only for stored queries, because rare errors are hard to find
    if new.query is null
        or mrl._dims(new.query) <> sampled.full_dims
        or mrl._is_zero(new.query)
    then
        perform mrl._refuse_query(new.query, mrl._full(new.table_id, new.full_column));
    end if;
    return case
        when mrl._put_in_slot(
            sampled.room,
            sampled.share,
            sampled.most,
            'kept_on = $1, query = $2',
            new.query,
            null,
            null,
            null
        )
        then new
    end;
end
$body$;

-- Raises unless a role may read a column, because only readers add queries and distances.
-- Called by: mrl._take_query, mrl._take_distance
create or replace function mrl._check_reader(
    role_name name, table_id regclass, attnum smallint, full_column name
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if not has_column_privilege(role_name, table_id::oid, attnum, 'select') then
        raise exception 'role % may not read %.%',
            role_name, table_id, quote_ident(full_column)
            using errcode = 'insufficient_privilege',
                hint = 'only a role that may read a column can store a query of the column';
    end if;
end
$body$;

-- Puts a value into a random slot of a column's table, if it is drawn; whether it did.
-- Called by: mrl._take_query, mrl._take_distance
create or replace function mrl._put_in_slot(
    room int,
    share float8,
    most int,
    -- what is set: $1 is the day, $2 to $5 are the values
    settings text,
    query vector,
    k int,
    distance float8,
    calibrated_at timestamptz
)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    made text := format('mrl.%I', '_queries_' || room);
    -- not random(), because the caller may have set its seed
    lots double precision[] := array(
        select ('x' || translate(left(lot::text, 13), '-', ''))::bit(48)::bigint / 2.0 ^ 48
        from unnest(array[gen_random_uuid(), gen_random_uuid()]) as lot
    );
    taken int;
begin
    if lots[1] >= share
        -- above read committed, a slot that another session just filled would be an error
        or current_setting('transaction_isolation') <> 'read committed'
    then
        return false;
    end if;
    -- a random slot needs no counter, for which sessions would wait; a slot that another
    -- session is filling is skipped
    begin
        execute format('lock table %s in row exclusive mode nowait', made);
        execute format(
            'update %s set %s'
            ' where slot = (select slot from %1$s where slot = $6 for update skip locked)',
            made, settings
        )
        using
            -- not the start of the transaction, which may be long ago
            (clock_timestamp() at time zone 'UTC')::date,
            query,
            k,
            distance,
            calibrated_at,
            1 + floor(lots[2] * most)::int;
        get diagnostics taken = row_count;
    exception
        -- sampling is just being turned off, or a restore left the table out
        when lock_not_available or undefined_table then
            taken := 0;
    end;
    return taken > 0;
end
$body$;

-- Stores a random share of the distances that are offered by roles that may read the column.
-- Called by: mrl.distance_inbox
create or replace function mrl._take_distance()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    sampled record;
begin
    select *
    into sampled
    from mrl._sampled(new.table_id, new.full_column)
    where distance_share > 0;
    if not found then
        return null;
    end if;
    perform mrl._check_reader(new.asked_by, new.table_id, sampled.attnum, new.full_column);
    -- for each distance, not only for stored ones, because rare errors are hard to find
    if new.k is null or new.k < 1 then
        raise exception 'k % is below 1', coalesce(new.k::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif new.distance is null
        or new.distance in ('NaN', 'infinity', '-infinity')
    then
        raise exception 'distance % is not a number', coalesce(new.distance::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'give the distance of the k-th answer';
    end if;
    return case
        when mrl._put_in_slot(
            sampled.room,
            sampled.distance_share,
            sampled.most_distances,
            'measured_on = $1, k = $3, distance = $4, calibrated_at = $5',
            null,
            new.k,
            new.distance,
            (
                select max(point.measured_at)
                from mrl._calibrations as point
                where point.entry = sampled.entry
            )
        )
        then new
    end;
end
$body$;

-- The real queries of one column, if the caller may read them.
-- Called by: mrl.kept_queries
create or replace function mrl._kept_in(room int)
returns table (kept_on date, query vector)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    own text := format('mrl.%I', '_own_queries_' || room);
begin
    if to_regclass(own) is not null then
        return query execute format(
            'select kept_on, query from %s where query is not null', own
        );
    end if;
end
$body$;

-- The distances of answers from one column, if the caller may read them.
-- Called by: mrl.kept_distances
create or replace function mrl._distances_in(room int)
returns table (kept_on date, k int, distance float8)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    own text := format('mrl.%I', '_own_queries_' || room);
begin
    if to_regclass(own) is not null then
        return query execute format(
            'select measured_on, k, distance from %s where distance is not null', own
        );
    end if;
end
$body$;

-- Checks the settings of a sampling, and finds or writes its row with nothing turned on.
-- Called by: mrl.sample_queries, mrl.sample_distances
create or replace function mrl._claim_sampling(
    table_name regclass, full_column name, share float8, most int
)
-- the number of the table
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    claimed int;
begin
    perform mrl.check_owner(table_name);
    perform mrl._table(table_name, full_column);
    if share is null or not share between 0 and 1 then
        raise exception 'share % is not from 0 to 1', coalesce(share::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'for example 0.01, one query in a hundred; 0 turns sampling off';
    elsif not most between 1 and 10000 then
        raise exception 'most % is outside 1 to 10000', most
            using errcode = 'invalid_parameter_value',
                hint = 'a calibration needs about 700 queries';
    end if;
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    insert into mrl._own_sampling (entry, full_column, share, most)
    values (claimed, _claim_sampling.full_column, 0, 1000)
    on conflict (entry, full_column) do nothing;
    return claimed;
end
$body$;

-- How many real queries and distances of a column are stored, for the owner of its table.
-- Called by: mrl.sample_queries, mrl.sample_distances, client/calibration.sql
create or replace function mrl._kept(
    table_name regclass,
    full_column name,
    out kept bigint,
    -- the day of the oldest query
    out oldest date,
    out distances bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    select count(*), min(known.kept_on)
    into kept, oldest
    from mrl.kept_queries as known
    where known.table_name = _kept.table_name
        and known.full_column = _kept.full_column;
    select count(*)
    into distances
    from mrl.kept_distances as known
    where known.table_name = _kept.table_name
        and known.full_column = _kept.full_column;
end
$body$;

-- The queries of a calibration: as given, else real queries if enough are stored; NULL for rows.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._queries_or_kept(
    table_name regclass,
    full_column name,
    sample int,
    queries vector[],
    -- the caller wants rows, whatever is stored
    rows boolean
)
returns vector[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- fewer leave open by more than a hundredth what the recall is
    enough constant int := 100;
    kept bigint;
begin
    if queries is not null and rows then
        raise exception 'queries and rows => true were both given'
            using errcode = 'invalid_parameter_value', hint = 'leave one of them out';
    elsif queries is not null or rows then
        return mrl._all_rotated(queries, table_name, full_column);
    end if;
    perform mrl.check_owner(table_name);
    select count(*)
    into kept
    from mrl.kept_queries as known
    where known.table_name = _queries_or_kept.table_name
        and known.full_column = _queries_or_kept.full_column
        -- queries of other dimensions were stored before the column changed
        and mrl._dims(known.query)
            = (
                mrl._table(_queries_or_kept.table_name, _queries_or_kept.full_column)
                ->> 'full_dims'
            )::int;
    if kept < enough then
        return null;
    end if;
    raise notice 'measuring with stored real queries';
    return mrl._all_rotated(
        mrl.kept_queries(table_name, full_column, sample), table_name, full_column
    );
end
$body$;
