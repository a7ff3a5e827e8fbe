-- What a table and its full column must be for mrl_pg, or the error that says why not.
-- mrl._table(table_id oid, full_column name) -> jsonb
-- Called by: mrl._check_short, mrl._full, mrl._found, mrl.create_index, mrl.create_index_sql
create or replace function mrl._table(table_id oid, full_column name)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    found record;
    present text;
begin
    select
        class.oid,
        class.relkind,
        class.relname,
        class.relhassubclass or class.relkind = 'p' as parts,
        space.nspname,
        format('%I.%I', space.nspname, class.relname) as name,
        attribute.attnum,
        attribute.atttypmod,
        type.typname,
        format_type(attribute.atttypid, attribute.atttypmod) as declared,
        home.nspname as extension
    into found
    from pg_class as class
    join pg_namespace as space on space.oid = class.relnamespace
    left join pg_attribute as attribute
        on attribute.attrelid = class.oid
        and attribute.attname = _table.full_column
        and attribute.attnum > 0
        and not attribute.attisdropped
    left join pg_type as type on type.oid = attribute.atttypid
    left join pg_extension as extension
        on extension.extname = 'vector'
        and extension.extnamespace = type.typnamespace
    left join pg_namespace as home on home.oid = extension.extnamespace
    where class.oid = _table.table_id;
    if found is null or found.oid is null then
        raise exception 'there is no table of oid %', coalesce(table_id::text, 'NULL')
            using errcode = 'undefined_table',
                hint = 'name the table, as in mrl.search(null::docs, …)';
    elsif found.relkind not in ('r', 'p') then
        raise exception '% is a %', found.name, case found.relkind
                when 'v' then 'view'
                when 'm' then 'materialized view'
                when 'f' then 'foreign table'
                when 'c' then 'composite type'
                else format('relation of kind %s', found.relkind)
            end
            using errcode = 'wrong_object_type',
                hint = 'name the table that holds the vectors';
    elsif found.attnum is null then
        select string_agg(quote_ident(attribute.attname), ', ' order by attribute.attnum)
        into present
        from pg_attribute as attribute
        where attribute.attrelid = _table.table_id
            and attribute.attnum > 0
            and not attribute.attisdropped;
        raise exception 'column %.% does not exist', found.name, quote_ident(full_column)
            using errcode = 'undefined_column', hint = 'there are: ' || present;
    elsif found.extension is null or found.typname not in ('vector', 'halfvec') then
        raise exception 'column %.% is of type %',
            found.name, quote_ident(full_column), found.declared
            using errcode = 'datatype_mismatch',
                hint = 'the full column must be vector(n) or halfvec(n)';
    elsif found.atttypmod < 1 then
        raise exception 'column %.% declares no dimensions, so its rows may differ',
            found.name, quote_ident(full_column)
            using errcode = 'datatype_mismatch',
                hint = format(
                    'alter table %s alter column %I type %s(n)',
                    found.name, full_column, found.declared
                );
    end if;
    return jsonb_build_object(
        'table_name', found.relname,
        'schema_name', found.nspname,
        'table', found.name,
        'full', quote_ident(full_column),
        'full_dims', found.atttypmod,
        'type', format('%I.%I(%s)', found.extension, found.typname, found.atttypmod),
        'norm', case found.typname when 'vector' then 'vector_norm' else 'l2_norm' end,
        'extension', format('%I.', found.extension),
        'parts', found.parts
    ) || mrl._places(found.parts);
end
$body$;

comment on function mrl._table(oid, name) is
'Internal. Names and sizes of a table and its full column; raises what is wrong.';
