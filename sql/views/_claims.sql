-- Gives the owner of a table the number that its rows in mrl_pg's tables have.
-- mrl._claims
-- Called by: mrl.register
create or replace view mrl._claims as
select
    null::pg_catalog.regclass as table_id,
    null::int as entry,
    null::pg_catalog.name as asked_by
where false;

-- a function that runs with its owner's rights cannot know who calls: this says so, and
-- nobody may say another
alter view mrl._claims alter column asked_by set default current_user;

create or replace trigger claim
instead of insert on mrl._claims
for each row execute function mrl._claim();

comment on view mrl._claims is
'Internal. Answers the number that rows about a table of yours bear.';
