-- The real queries of a column, for mrl.calibrate and mrl.recall.
-- mrl.kept_queries('docs', 'embedding', sample => 500) -> vector[]
-- Called by: people, client/calibration.sql
create or replace function mrl.kept_queries(
    table_name regclass,
    full_column name,
    sample int default null,
    out queries vector[]
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- queries of other dimensions were stored before the column changed
    full_dims int := (mrl._table(table_name, full_column) ->> 'full_dims')::int;
begin
    perform mrl.check_owner(table_name);
    if sample < 1 then
        raise exception 'sample % is below 1', sample
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    queries := array(
        select kept.query
        from mrl.kept_queries as kept
        where kept.table_name = kept_queries.table_name
            and kept.full_column = kept_queries.full_column
            and mrl._dims(kept.query) = full_dims
        order by random()
        limit sample
    );
    if cardinality(queries) = 0 then
        raise exception 'no query of %.% is stored', table_name, quote_ident(full_column)
            using errcode = 'no_data_found',
                hint = format(
                    'select mrl.sample_queries(%L, %L); then call mrl.keep_query beside each '
                    'search',
                    table_name, full_column
                );
    end if;
end
$body$;

comment on function mrl.kept_queries(regclass, name, int) is
'The real queries of a column of a table you own, or a random sample of them. Pass them as '
'queries to mrl.calibrate and mrl.recall.';
