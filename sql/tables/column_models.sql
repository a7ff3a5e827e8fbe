-- The embedding model that filled a full column, as the table's owner said.
-- mrl._column_models
-- Called by: mrl.column_models, mrl._own_models, mrl._claim
create table if not exists mrl._column_models (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- NULL if the owner took the name back
    model pg_catalog.text check (
        pg_catalog.char_length(model) operator(pg_catalog.>=) 1
            and pg_catalog.char_length(model) operator(pg_catalog.<=) 200
    ),
    set_at pg_catalog.timestamptz not null default pg_catalog.now(),
    primary key (entry, full_column)
);

comment on table mrl._column_models is
'Internal. Models of full columns. Read them through mrl.column_models.';
