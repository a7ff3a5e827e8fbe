-- The statements that drop a short column and its index, each with a name for reports.
-- Slots: table, index, short, drop_index, drop_column, unregister (literals), ours, installed
-- Called by: mrl_pg.build.drop, mrl.drop_index
create or replace function mrl._drop_steps()
returns text
language sql
immutable
parallel safe
return $template$
select
    -- NULL if reports leave the step out
    planned.step,
    planned.statement
from (
    select
        1 as place,
        pg_catalog.concat('dropped index ', {index}) as step,
        {drop_index} as statement
    from pg_catalog.pg_index as state
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
    where state.indrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
        and class.relname operator(pg_catalog.=) {index}
    union all
    select
        2,
        pg_catalog.concat('dropped column ', {short}),
        {drop_column}
    from pg_catalog.pg_attribute as attribute
    where attribute.attrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
        and attribute.attname operator(pg_catalog.=) {short}
        and attribute.attnum operator(pg_catalog.>) 0
        -- not a column of your own that has this name by now
        and {ours}
        -- not while another index uses the column as a key, in an expression or in a condition
        and not exists (
            select
            from pg_catalog.pg_index as other
            join pg_catalog.pg_class as class
                on class.oid operator(pg_catalog.=) other.indexrelid
            join pg_catalog.pg_depend as reads
                on reads.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                and reads.objid operator(pg_catalog.=) other.indexrelid
                and reads.refobjid operator(pg_catalog.=) attribute.attrelid
                and reads.refobjsubid operator(pg_catalog.=) attribute.attnum
            where other.indrelid operator(pg_catalog.=) attribute.attrelid
                and class.relname operator(pg_catalog.<>) {index}
        )
    union all
    select
        3,
        null,
        {unregister}
    where {installed}
) as planned
order by planned.place
$template$::pg_catalog.text;
