-- The statements that drop a short column and its index, each with a name for reports.
-- Slots: table, index, short, drop_index, drop_column, unregister (literals), ours, …
-- Called by: mrl_pg.build.drop, mrl.drop_index
create or replace function mrl._drop_steps()
returns text
language sql
immutable
parallel safe
return $template$
with short_column as (
    select
        attribute.attrelid,
        attribute.attnum,
        {ours}
            -- not while another index uses the column as a key, in an expression or in a condition
            and not exists (
                select
                from pg_catalog.pg_index as other
                join pg_catalog.pg_class as class
                    on class.oid operator(pg_catalog.=) other.indexrelid
                join pg_catalog.pg_depend as reads
                    on reads.classid
                        operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                    and reads.objid operator(pg_catalog.=) other.indexrelid
                    and reads.refobjid operator(pg_catalog.=) attribute.attrelid
                    and reads.refobjsubid operator(pg_catalog.=) attribute.attnum
                where other.indrelid operator(pg_catalog.=) attribute.attrelid
                    and class.relname operator(pg_catalog.<>) {index}
            ) as droppable
    from pg_catalog.pg_attribute as attribute
    where attribute.attrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
        and attribute.attname operator(pg_catalog.=) {short}
        and attribute.attnum operator(pg_catalog.>) 0
),
keeper as (
    select
        trigger.tgname,
        pg_catalog.concat(
            proc.pronamespace::pg_catalog.regnamespace,
            '.',
            pg_catalog.quote_ident(proc.proname)
        ) as function_name
    from pg_catalog.pg_trigger as trigger
    join pg_catalog.pg_proc as proc on proc.oid operator(pg_catalog.=) trigger.tgfoid
    -- the column stays without its trigger only if it stays for another index
    join short_column on short_column.droppable
    where trigger.tgrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
        and trigger.tgname operator(pg_catalog.~~) 'zz\_mrl\_%'
        -- as in mrl._keepers
        and (
            pg_catalog.regexp_match(
                trigger.tgqual::pg_catalog.text, ':varattno ([0-9]+) .*:varattno ([0-9]+) '
            )
        )[2]::pg_catalog.int2 operator(pg_catalog.=) short_column.attnum
)
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
        pg_catalog.concat('dropped trigger ', keeper.tgname),
        pg_catalog.concat(
            'drop trigger ', pg_catalog.quote_ident(keeper.tgname), ' on ', {table}
        )
    from keeper
    union all
    select 3, null, pg_catalog.concat('drop function ', keeper.function_name, '()')
    from keeper
    union all
    select
        4,
        pg_catalog.concat('dropped column ', {short}),
        {drop_column}
    from short_column
    where short_column.droppable
    union all
    select
        5,
        null,
        {unregister}
    where {installed}
) as planned
order by planned.place
$template$::pg_catalog.text;
