-- Sets what a search needs until it ends, and says what was there before.
-- mrl._enter(wanted text[]) -> text[]: ef_search, iterative_scan, max_scan_tuples, memory
-- Called by: mrl.search and its kin, mrl.recall, templates/search_function.sql
create or replace function mrl._enter(wanted text[])
returns text[]
language plpgsql
volatile
parallel unsafe
as $body$
-- names in full rather than a search_path: this runs twice a search
declare
    names pg_catalog.text[] := array[
        'hnsw.ef_search',
        'hnsw.iterative_scan',
        'hnsw.max_scan_tuples',
        'hnsw.scan_mem_multiplier'
    ];
    before pg_catalog.text[];
    done pg_catalog.text;
begin
    for place in 1 .. 4 loop
        -- all four, though a scan that stops by itself wants two: a second try may want more
        before[place] := pg_catalog.current_setting(names[place], true);
        if wanted[place] operator(pg_catalog.<>) before[place] then
            done := pg_catalog.set_config(names[place], wanted[place], true);
        end if;
    end loop;
    return before;
end
$body$;

comment on function mrl._enter(text[]) is
'Internal. Sets what a search needs, returns what was there; the same call puts it back.';
