-- Full columns that hold rotated vectors, and by which orthogonal matrix each was rotated.
-- mrl._rotations, mrl._rotation_rows
-- Called by: mrl.column_rotations, mrl._own_rotations, mrl._own_rotation_rows, mrl._rotated, …
create table if not exists mrl._rotations (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- the number of the column, which a rename does not change, and the table of that number
    full_number smallint not null,
    born pg_catalog.text not null,
    -- a digest of the matrix
    version pg_catalog.text not null check (
        pg_catalog.char_length(version) operator(pg_catalog.>=) 1
            and pg_catalog.char_length(version) operator(pg_catalog.<=) 100
    ),
    dims int not null check (dims operator(pg_catalog.>) 0),
    -- how the matrix was fitted
    provenance pg_catalog.jsonb not null,
    set_at pg_catalog.timestamptz not null default pg_catalog.now(),
    primary key (entry, full_column)
);

-- "drop extension vector cascade" drops its column of vectors, as all others
do $weights$
begin
    if pg_catalog.to_regclass('mrl._rotation_rows') is not null
        and not exists (
            select
            from pg_catalog.pg_attribute as attribute
            where attribute.attrelid
                    operator(pg_catalog.=) pg_catalog.to_regclass('mrl._rotation_rows')
                and attribute.attname operator(pg_catalog.=) 'weights'
                and not attribute.attisdropped
        )
    then
        drop table mrl._rotation_rows cascade;
        delete from mrl._rotations;
    end if;
end
$weights$;

create table if not exists mrl._rotation_rows (
    entry int not null,
    full_column pg_catalog.name not null,
    -- false: rows of the matrix; true: its columns, which rotate back
    back boolean not null,
    -- from 1
    place int not null,
    weights vector not null,
    primary key (entry, full_column, back, place),
    foreign key (entry, full_column) references mrl._rotations
        on update cascade on delete cascade
)
-- each query reads all rows, so they stay out of TOAST as long as they fit into a page
with (toast_tuple_target = 8160);

alter table mrl._rotation_rows alter column weights set storage external;

comment on table mrl._rotations is
'Internal. Full columns that hold rotated vectors. Read them through mrl.column_rotations.';
comment on table mrl._rotation_rows is
'Internal. The rows of the matrices of mrl._rotations; mrl.rotate multiplies by them.';
