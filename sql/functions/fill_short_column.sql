-- Fills a short column that a trigger keeps, in batches of about 50 ms, each committed.
-- call mrl.fill_short_column('docs', 'embedding', 'embedding_256_halfvec')
-- Called by: people, mrl._create_steps and mrl._keeper_steps in a statement, client/build.sql
create or replace procedure mrl.fill_short_column(
    table_name regclass, full_column name, short_column name, check_rows boolean default false
)
language plpgsql
-- without a search path of its own, because a procedure that has one can't commit
as $body$
declare
    state pg_catalog.jsonb := mrl._begin_fill(
        table_name, full_column, short_column, check_rows
    );
begin
    for batch in 1 .. 2000000000 loop
        exit when pg_catalog.jsonb_extract_path_text(state, 'finished')::pg_catalog.bool;
        commit;
        state := mrl._fill_next(state);
    end loop;
end
$body$;

comment on procedure mrl.fill_short_column(regclass, name, name, boolean) is
'Fills the rows of a short column that a trigger keeps (keep => trigger) and that were there '
'before the trigger. Call it outside a transaction: it commits each batch of about 50 ms, '
'skips rows that others hold and comes back for them, and waits while a standby lags by more '
'than 64 MB. With check_rows it reads every row and computes wrong short values, too. If it is '
'interrupted, call it again. Only the owner of the table may. It updates rows, so triggers of '
'the table on updates fire.';
