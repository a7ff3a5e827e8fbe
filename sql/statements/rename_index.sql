-- Gives an index another name, in its own schema.
-- Slots: index, name
-- Called by: mrl_pg.build.definitions
alter index {index}
    rename to {name}
