-- The body of a trigger's function, which computes the short value of a row that is written.
-- Slots: short, value (of new), renamed (a literal: as format() makes a statement of both names)
-- Called by: mrl._make_keeper
create or replace function mrl._trigger_function()
returns text
language sql
stable
parallel safe
return $template$
declare
    names pg_catalog.text[];
begin
    begin
        new.{short} := {value};
    exception when undefined_column then
        -- A column has another name by now. The condition of the trigger follows every rename.
        select pg_catalog.array_agg(attribute.attname order by reads.place)
        into names
        from pg_catalog.pg_trigger as keeper
        cross join pg_catalog.unnest(
            pg_catalog.regexp_match(
                keeper.tgqual::pg_catalog.text, ':varattno ([0-9]+) .*:varattno ([0-9]+) '
            )
        ) with ordinality as reads (number, place)
        join pg_catalog.pg_attribute as attribute
            on attribute.attrelid operator(pg_catalog.=) keeper.tgrelid
            and attribute.attnum operator(pg_catalog.=) reads.number::pg_catalog.int2
        where keeper.tgrelid operator(pg_catalog.=) tg_relid
            and keeper.tgname operator(pg_catalog.=) tg_name;
        execute pg_catalog.format({renamed}, names[1], names[2]) into new using new;
    end;
    return new;
end
$template$::pg_catalog.text;
