-- The default k of a made search function; binds that function to mrl_pg.
-- mrl._k(k int) -> int
-- Called by: mrl._parameter_list
create or replace function mrl._k(k int)
returns int
language sql
immutable
parallel safe
return k;

comment on function mrl._k(int) is
'Internal. Default k of a made search function: through it mrl_pg is not dropped under one.';
