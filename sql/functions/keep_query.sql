-- Keeps a query now and then, where its owner turned that on, for calibrations to come.
-- mrl.keep_query('docs', 'embedding', query) -> boolean, whether it was kept
-- Called by: people, statements/keep_query.sql
create or replace function mrl.keep_query(
    table_name regclass,
    full_column name,
    query vector,
    drawn boolean default false
)
returns boolean
language plpgsql
volatile
parallel unsafe
as $body$
-- names in full, for it is called beside each search: a search_path of its own costs
#variable_conflict use_variable
declare
    sampled pg_catalog.record;
begin
    select
        sampling.share,
        sampling.most,
        attribute.atttypmod as full_dims,
        pg_catalog.has_column_privilege(
            table_name::pg_catalog.oid, attribute.attnum, 'select'
        ) as readable
    into sampled
    from mrl.query_sampling as sampling
    join pg_catalog.pg_attribute as attribute
        on attribute.attrelid operator(pg_catalog.=) sampling.table_id
        and attribute.attname operator(pg_catalog.=) sampling.full_column
    where sampling.table_id operator(pg_catalog.=) table_name
        and sampling.full_column operator(pg_catalog.=) full_column
        and sampling.share operator(pg_catalog.>) 0;
    if not found then
        return false;
    end if;
    -- always, not only when it is drawn: one in a hundred is hard to find
    if query is null
        or mrl._dims(query) operator(pg_catalog.<>) sampled.full_dims
        or mrl._is_zero(query)
    then
        perform mrl._refuse_query(query, mrl._full(table_name, full_column));
    end if;
    if not sampled.readable then
        raise exception 'role % may not read %.%', current_user, table_name, full_column
            using errcode = 'insufficient_privilege',
                hint = 'only who can search a column may leave a query of it';
    end if;
    if not (drawn or pg_catalog.random() operator(pg_catalog.<) sampled.share)
        -- on a replica too
        or pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool
        -- above it a slot that was just taken would be an error
        or pg_catalog.current_setting('transaction_isolation')
            operator(pg_catalog.<>) 'read committed'
    then
        return false;
    end if;
    -- a random slot needs no counter that all would wait for; one that somebody else
    -- is about to fill is passed by
    begin
        update mrl.query_inbox as slot
        set kept_on = (pg_catalog.now() at time zone 'UTC')::pg_catalog.date,
            query = query
        where slot.table_id operator(pg_catalog.=) table_name
            and slot.full_column operator(pg_catalog.=) full_column
            and slot.slot operator(pg_catalog.=) (
                select free.slot
                from mrl.query_inbox as free
                where free.table_id operator(pg_catalog.=) table_name
                    and free.full_column operator(pg_catalog.=) full_column
                    and free.slot operator(pg_catalog.=) (
                        select 1 operator(pg_catalog.+) pg_catalog.floor(
                            pg_catalog.random() operator(pg_catalog.*) sampled.most
                        )::int
                    )
                for update skip locked
            );
        return found;
    exception
        -- turned off this moment, or restored without it
        when undefined_table then
            return false;
    end;
end
$body$;

comment on function mrl.keep_query(regclass, name, vector, boolean) is
'Keeps a query of a column that you may read, if its owner turned that on with '
'mrl.sample_queries and the lot falls on it; a random older one goes. Does nothing in a '
'read-only transaction, on a replica, and above read committed. drawn: the lot was drawn '
'already. Call it beside a search, which itself writes nothing.';
