-- Raises what the catalog says against a short column and its index.
-- mrl._check_short(table_id, full_column, short_column, index_name, dims, kind, distance) -> void
-- Called by: mrl.register, mrl._found
create or replace function mrl._check_short(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    facts record;
    slots jsonb;
begin
    select *
    into facts
    from mrl._facts(table_id, full_column, short_column, index_name, dims, kind, distance);
    if facts.usable and facts.fitting and facts.prefix then
        return;
    end if;
    -- raises what is wrong with the table and its full column
    slots := mrl._table(table_id, full_column);
    if facts.usable is not true then
        raise exception 'index % of % %',
            quote_ident(index_name),
            slots ->> 'table',
            case when facts.usable is null then 'does not exist' else 'is not valid' end
            using errcode = 'undefined_object',
                hint = 'run what mrl.create_index_sql(…) returns, or mrl.create_index(…)';
    elsif not facts.fitting then
        raise exception 'index % of % is not one of % for distance %',
            quote_ident(index_name), slots ->> 'table', quote_ident(short_column), distance
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'it is ' || pg_get_indexdef(facts.index_id),
                hint = 'name the kind and distance that it was made with';
    elsif not facts.prefix then
        raise exception 'column %.% is not the %(%) prefix of %',
            slots ->> 'table',
            quote_ident(short_column),
            kind,
            dims,
            quote_ident(full_column)
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'it is ' || coalesce(
                    (
                        select pg_get_expr(value.adbin, value.adrelid)
                        from pg_attribute as attribute
                        join pg_attrdef as value
                            on value.adrelid = attribute.attrelid
                            and value.adnum = attribute.attnum
                        where attribute.attrelid = _check_short.table_id
                            and attribute.attname = _check_short.short_column
                            and attribute.attgenerated = 's'
                    ),
                    'not generated'
                ),
                hint = 'was a column renamed? drop the index and create it again';
    end if;
end
$body$;

comment on function mrl._check_short(oid, name, name, name, int, text, text) is
'Internal. Raises what the catalog says against a short column and its index.';
