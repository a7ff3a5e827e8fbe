-- Forgets queries, and what was said of them, whose table or column is gone.
-- mrl._sweep_queries() -> void
-- Called by: mrl.sample_queries, mrl.register
create or replace function mrl._sweep_queries()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
begin
    if not exists (
        select
        from mrl.query_sampling as sampling
        where not exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = sampling.table_id
                and attribute.attname = sampling.full_column
                and not attribute.attisdropped
        )
    ) then
        return;
    end if;
    lock table mrl.query_sampling in share update exclusive mode;
    delete from mrl.query_sampling as gone
    where not exists (
        select
        from pg_attribute as attribute
        where attribute.attrelid = gone.table_id
            and attribute.attname = gone.full_column
            and not attribute.attisdropped
    );
    if to_regclass('mrl.query_slots') is not null then
        delete from mrl.query_slots as slot
        where not exists (
            select
            from mrl.query_sampling as sampling
            where sampling.table_id = slot.table_id
                and sampling.full_column = slot.full_column
        );
    end if;
    perform mrl._drop_query_slots();
end
$body$;

comment on function mrl._sweep_queries() is
'Internal. Forgets the queries of tables and columns that were dropped.';
