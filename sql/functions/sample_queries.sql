-- Has a share of the queries of a column kept, or no more, and answers what is in force.
-- mrl.sample_queries('docs', 'embedding', share => 0.01, most => 1000) -> share, most, kept
-- Called by: people, queries/sample_queries.sql
create or replace function mrl.sample_queries(
    table_name regclass,
    full_column name,
    inout share float8 default 0.01,
    inout most int default null,
    out kept int
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
begin
    -- as mrl.check_owner did
    if not pg_has_role(
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        (select relowner from pg_class where oid = table_name),
        'usage'
    ) then
        raise exception 'role % does not own table %', session_user, table_name
            using errcode = 'insufficient_privilege';
    end if;
    perform mrl._table(table_name, full_column);
    if share is null or not share between 0 and 1 then
        raise exception 'share % is not from 0 to 1', coalesce(share::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'for example 0.01, one query in a hundred; 0 turns it off';
    elsif not most between 1 and 10000 then
        raise exception 'most % is outside 1 to 10000', most
            using errcode = 'invalid_parameter_value',
                hint = 'a calibration takes some 500';
    end if;
    -- one owner at a time makes the room, and drops it; who reads does not wait
    lock table mrl.query_sampling in share update exclusive mode;
    perform mrl._sweep_queries();
    insert into mrl.query_sampling as known (table_id, full_column, share, most)
    values (
        table_name,
        sample_queries.full_column,
        sample_queries.share,
        coalesce(sample_queries.most, 1000)
    )
    on conflict on constraint query_sampling_pkey do update
    set share = excluded.share,
        most = coalesce(sample_queries.most, known.most)
    returning known.most into most;
    if share > 0 and to_regclass('mrl.query_inbox') is null then
        perform mrl._make_query_slots();
    elsif to_regclass('mrl.query_slots') is null then
        kept := 0;
        return;
    end if;
    -- queries came to slots by chance: those that go are random ones
    delete from mrl.query_slots as slot
    where slot.table_id = table_name
        and slot.full_column = sample_queries.full_column
        and slot.slot > sample_queries.most;
    insert into mrl.query_slots (table_id, full_column, slot)
    select table_name, sample_queries.full_column, number
    from generate_series(1, sample_queries.most) as number
    where sample_queries.share > 0
    on conflict on constraint query_slots_pkey do nothing;
    select count(*)
    into kept
    from mrl.query_slots as slot
    where slot.table_id = table_name
        and slot.full_column = sample_queries.full_column
        and slot.kept_on is not null;
    perform mrl._drop_query_slots();
end
$body$;

comment on function mrl.sample_queries(regclass, name, float8, int) is
'Has mrl.keep_query keep a share of the queries of a column of a table you own, most of '
'them at most; 0 keeps no more, and leaves what was kept: see mrl.forget_queries. Answers '
'what is in force, and how many are kept. Embeddings can be turned back into text.';
