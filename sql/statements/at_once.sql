-- Several statements as one, for a driver that sends no more.
-- Slots: script, a literal
-- Called by: mrl_pg.sqlalchemy.create
do $mrl_script$
begin
    execute {script};
end
$mrl_script$
