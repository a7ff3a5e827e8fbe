-- Real queries: the tables that hold them, who adds them, and who may read them.

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
    if to_regclass(own) is null and new.share > 0 then
        perform mrl._make_room(new.room);
    elsif to_regclass(own) is null then
        -- in case the table exists without its column of vectors
        perform mrl._drop_room(new.room, false);
        return null;
    end if;
    -- queries are in random slots, so random queries are deleted
    execute format('delete from %s where slot > $1', room) using new.most;
    if new.share > 0 then
        execute format(
            'insert into %s (slot) select generate_series(1, $1) on conflict do nothing',
            room
        )
        using new.most;
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
    if not exists (
        select
        from pg_attribute as attribute
        where attribute.attrelid = to_regclass(format('mrl.%I', made))
            and attribute.attname = 'query'
            and not attribute.attisdropped
    ) then
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
                ' query %I.vector)'
            -- half of each page stays free, so that the page can hold the new query of a slot
            ' with (fillfactor = 50)',
            made, home
        );
        execute format(
            'comment on table mrl.%I is %L',
            made,
            'Real queries, each a vector and a day. Read them through mrl.kept_queries.'
        );
    end if;
    execute format(
        'create or replace view mrl.%I with (security_barrier) as'
            ' select kept.slot, kept.kept_on, kept.query from mrl.%I as kept'
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
        'Internal. Real queries of a column of a table that you own.'
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
    filled boolean := false;
begin
    if to_regclass(format('mrl.%I', made)) is null
        -- above read committed, queries that others stored may be invisible
        or if_empty and current_setting('transaction_isolation') <> 'read committed'
    then
        return;
    elsif if_empty then
        execute format('select exists (select from mrl.%I where query is not null)', made)
        into filled;
    end if;
    if filled then
        return;
    end if;
    begin
        perform set_config('lock_timeout', '100ms', true);
        execute format('lock table mrl.%I in access exclusive mode', made);
        if if_empty then
            -- again, because a query may have been stored before the lock
            execute format('select exists (select from mrl.%I where query is not null)', made)
            into filled;
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
    room text;
    -- not random(), because the caller may have set its seed
    lots double precision[] := array(
        select ('x' || translate(left(lot::text, 13), '-', ''))::bit(48)::bigint / 2.0 ^ 48
        from unnest(array[gen_random_uuid(), gen_random_uuid()]) as lot
    );
    taken int;
begin
    select
        sampling.share,
        sampling.most,
        sampling.room,
        attribute.atttypmod as full_dims,
        attribute.attnum
    into sampled
    from mrl._query_sampling as sampling
    join mrl._live_tables as live on live.entry = sampling.entry
    join pg_attribute as attribute
        on attribute.attrelid = live.table_id
        and attribute.attname = sampling.full_column
        and not attribute.attisdropped
    where live.table_id = new.table_id
        and sampling.full_column = new.full_column
        and sampling.share > 0;
    if not found then
        return null;
    elsif not has_column_privilege(
        new.asked_by, new.table_id::oid, sampled.attnum, 'select'
    ) then
        raise exception 'role % may not read %.%',
            new.asked_by, new.table_id, quote_ident(new.full_column)
            using errcode = 'insufficient_privilege',
                hint = 'only a role that may read a column can store a query of the column';
    end if;
    -- for each query, not only for stored queries, because rare errors are hard to find
    if new.query is null
        or mrl._dims(new.query) <> sampled.full_dims
        or mrl._is_zero(new.query)
    then
        perform mrl._refuse_query(new.query, mrl._full(new.table_id, new.full_column));
    end if;
    if lots[1] >= sampled.share
        -- above read committed, a slot that another session just filled would be an error
        or current_setting('transaction_isolation') <> 'read committed'
    then
        return null;
    end if;
    room := format('mrl.%I', '_queries_' || sampled.room);
    -- a random slot needs no counter, for which sessions would wait; a slot that another
    -- session is filling is skipped
    begin
        execute format('lock table %s in row exclusive mode nowait', room);
        execute format(
            'update %s set kept_on = $1, query = $2'
            ' where slot = (select slot from %1$s where slot = $3 for update skip locked)',
            room
        )
        using
            -- not the start of the transaction, which may be long ago
            (clock_timestamp() at time zone 'UTC')::date,
            new.query,
            1 + floor(lots[2] * sampled.most)::int;
        get diagnostics taken = row_count;
    exception
        -- sampling is just being turned off, or a restore left the table out
        when lock_not_available or undefined_table then
            taken := 0;
    end;
    return case when taken > 0 then new end;
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

-- The number of real queries of a column and the day of the oldest, for the owner of its table.
-- Called by: mrl.sample_queries, client/calibration.sql
create or replace function mrl._kept(
    table_name regclass,
    full_column name,
    out kept bigint,
    out oldest date
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
        return queries;
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
    return mrl.kept_queries(table_name, full_column, sample);
end
$body$;
