-- Version of the installed database side.
-- No parameters
-- Called by: mrl_pg.install
select mrl.version()
