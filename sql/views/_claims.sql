-- Gives the owner of a table the number by which rows in mrl_pg's tables refer to it.
-- mrl._claims
-- Called by: mrl.register
create or replace view mrl._claims as
select
    null::pg_catalog.regclass as table_id,
    null::int as entry,
    null::pg_catalog.name as asked_by
where false;

-- the trigger's function runs with its owner's rights and cannot see the caller, so this
-- default names the caller; nobody has the right to set another value
alter view mrl._claims alter column asked_by set default current_user;

create or replace trigger claim
instead of insert on mrl._claims
for each row execute function mrl._claim();

comment on view mrl._claims is
'Internal. Returns the number by which rows refer to a table of yours.';
