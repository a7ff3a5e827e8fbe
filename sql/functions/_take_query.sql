-- Takes a query of a role that may read the column, when the lot falls on it.
-- mrl._take_query() -> trigger
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
    -- not random(), which whoever calls may have seeded
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
                hint = 'only who can search a column may leave a query of it';
    end if;
    -- always, not only when it is drawn: one in a hundred is hard to find
    if new.query is null
        or mrl._dims(new.query) <> sampled.full_dims
        or mrl._is_zero(new.query)
    then
        perform mrl._refuse_query(new.query, mrl._full(new.table_id, new.full_column));
    end if;
    if lots[1] >= sampled.share
        -- above it a slot that was just taken would be an error
        or current_setting('transaction_isolation') <> 'read committed'
    then
        return null;
    end if;
    room := format('mrl.%I', '_queries_' || sampled.room);
    -- a random slot needs no counter that all would wait for; one that somebody else
    -- is about to fill is passed by
    begin
        execute format('lock table %s in row exclusive mode nowait', room);
        execute format(
            'update %s set kept_on = $1, query = $2'
            ' where slot = (select slot from %1$s where slot = $3 for update skip locked)',
            room
        )
        using
            -- not the transaction's, which may be an old one
            (clock_timestamp() at time zone 'UTC')::date,
            new.query,
            1 + floor(lots[2] * sampled.most)::int;
        get diagnostics taken = row_count;
    exception
        -- turned off this moment, or restored without it
        when lock_not_available or undefined_table then
            taken := 0;
    end;
    return case when taken > 0 then new end;
end
$body$;

comment on function mrl._take_query() is
'Internal. Takes a query of a role that may read the column, when the lot falls on it.';
