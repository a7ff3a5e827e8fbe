-- Tables that are partitioned by the likeness of their vectors, and the centre of each part.
-- mrl._parts, mrl._part_centres
-- Called by: mrl.column_parts, mrl._own_parts, mrl._remove
create table if not exists mrl._parts (
    entry int not null references mrl._tables on delete cascade,
    full_column pg_catalog.name not null,
    -- the partition key: the number of the part of a row, 0 if nobody computed it
    part_column pg_catalog.name not null,
    distance pg_catalog.text not null check (
        distance operator(pg_catalog.=) any ('{cosine,l2,ip}'::pg_catalog.text[])
    ),
    set_at pg_catalog.timestamptz not null default pg_catalog.now(),
    primary key (entry, full_column)
);

-- "drop extension vector cascade" drops its column of vectors, as all others
do $centres$
begin
    if pg_catalog.to_regclass('mrl._part_centres') is not null
        and not exists (
            select
            from pg_catalog.pg_attribute as attribute
            where attribute.attrelid
                    operator(pg_catalog.=) pg_catalog.to_regclass('mrl._part_centres')
                and attribute.attname operator(pg_catalog.=) 'centre'
                and not attribute.attisdropped
        )
    then
        drop table mrl._part_centres cascade;
        delete from mrl._parts;
    end if;
end
$centres$;

create table if not exists mrl._part_centres (
    entry int not null,
    full_column pg_catalog.name not null,
    -- from 1
    part int not null check (part operator(pg_catalog.>=) 1),
    centre vector not null,
    primary key (entry, full_column, part),
    foreign key (entry, full_column) references mrl._parts
        on update cascade on delete cascade
)
-- each query reads all rows, so they stay out of TOAST as long as they fit into a page
with (toast_tuple_target = 8160);

alter table mrl._part_centres alter column centre set storage external;

comment on table mrl._parts is
'Internal. Tables partitioned by likeness. Read them through mrl.column_parts.';
comment on table mrl._part_centres is
'Internal. The centres of the parts of mrl._parts; mrl.part_of and searches compare with them.';
