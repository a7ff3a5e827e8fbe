-- Adds to the registry what spares a search the catalogs.
-- mrl.registry
-- Called by: mrl.register, mrl._found
alter table mrl.registry add column if not exists slots jsonb;
alter table mrl.registry add column if not exists pattern text;

comment on column mrl.registry.slots is
'Derived: what a search puts into its statement. Checked against the catalog each time.';
comment on column mrl.registry.pattern is
'Derived: the statement of a search, for format().';
