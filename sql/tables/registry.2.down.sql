-- Takes from the registry what registry.2.sql added; both columns are derived ones.
-- mrl.registry
-- Called by: mrl_0002_sql_door.py
alter table mrl.registry drop column slots;
alter table mrl.registry drop column pattern;
