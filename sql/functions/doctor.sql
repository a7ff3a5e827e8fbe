-- What makes searches of a database slow, wrong or expensive, why, and what mends it.
-- mrl.doctor(only_table, sample) -> one row for each finding
-- Called by: people, client/catalog.sql
create or replace function mrl.doctor(
    -- NULL means every table
    only_table regclass default null,
    -- vectors of each column that are looked at; 0 reads no row of a table
    sample int default 200
)
returns table (
    finding text,
    table_name regclass,
    index_name name,
    -- what was seen, why it matters, and the command that mends it
    detail text,
    why text,
    remedy text
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    known record;
    -- below so many rows a scan of the table is right
    enough constant int := 10000;
begin
    if coalesce(doctor.sample, -1) not between 0 and 10000 then
        raise exception 'sample is %', coalesce(doctor.sample::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'give a number from 0 to 10000, such as 200';
    end if;
    return query
    select said.finding, null::regclass, null::name, said.detail, said.why, said.remedy
    from mrl._ails_server() as said;
    return query
    select
        wrong.finding, wrong.table_name, wrong.index_name, wrong.detail,
        'searches may not use the index, or not find all rows',
        case
            when wrong.mends then format('mrl-pg repair %s', wrong.table_name)
            else wrong.remedy
        end
    from mrl.status(doctor.only_table) as wrong
    where wrong.finding is not null;
    for known in
        select listed.*
        from mrl.indexes as listed
        where (doctor.only_table is null or listed.table_name = doctor.only_table)
            and listed.usable
            and not mrl._is_spread(listed.table_name::oid)
        order by listed.table_name::text, listed.full_column, not listed.in_use
    loop
        if known.in_use then
            return query
            select
                said.finding, known.table_name, null::name, said.detail, said.why, said.remedy
            from mrl._ails_table(known.table_name::oid, known.full_column) as said;
        end if;
        return query
        select
            said.finding, known.table_name, known.index_name, said.detail, said.why, said.remedy
        from mrl._ails_index(known) as said;
        -- what follows reads rows
        continue when doctor.sample = 0
            or not has_column_privilege(known.table_name, known.full_column, 'select');
        return query
        select
            said.finding, known.table_name, known.index_name, said.detail, said.why, said.remedy
        from mrl._ails_vectors(known, doctor.sample) as said;
        continue when coalesce(known.estimated_rows, 0) < enough;
        return query
        select
            said.finding, known.table_name, known.index_name, said.detail, said.why, said.remedy
        from mrl._ails_plan(known) as said;
    end loop;
    return query
    select
        said.finding, said.table_name, null::name, said.detail, said.why, said.remedy
    from pg_extension as extension
    join pg_namespace as space on space.oid = extension.extnamespace
    cross join lateral mrl._ails_statements(doctor.only_table, space.nspname) as said
    where extension.extname = 'pg_stat_statements';
end
$body$;

comment on function mrl.doctor(regclass, int) is
'What makes searches slow, wrong or expensive: versions, settings, memory, dead rows, vectors, '
'calibrations, plans, and the application''s own searches as pg_stat_statements counted them. '
'One row for each finding: what was seen, why it matters, and the command that mends it. It '
'changes nothing. sample is the number of vectors of each column that are looked at.';
