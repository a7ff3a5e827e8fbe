-- Raises, in a made function, if a short column was changed after the function was made.
-- Slots: short (the arguments of mrl._facts), made, again (further ones of mrl._check_made)
-- Called by: mrl.create_search_function
create or replace function mrl._check_in_function()
returns text
language sql
immutable
parallel safe
return $template$
    if not exists (
        select
        from mrl._facts({short}) as facts
        -- the same checks as in mrl._ordinary
        where facts.usable
            and facts.prefix
    ) then
        perform mrl._check_made({short}, {made}, {again});
    end if;
$template$::pg_catalog.text;
