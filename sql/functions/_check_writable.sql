-- Refuses at once what would write only after long work, where nothing can be written.
-- mrl._check_writable() -> void
-- Called by: mrl._plan_calibration, mrl.recall
create or replace function mrl._check_writable()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if current_setting('transaction_read_only')::bool then
        raise exception 'cannot keep what is measured in a read-only transaction'
            using errcode = 'read_only_sql_transaction',
                hint = 'measure on the primary; a replica reads what is kept there';
    end if;
end
$body$;

comment on function mrl._check_writable() is
'Internal. Refuses a transaction that cannot write.';
