-- The primary key of a row as one expression of a given type.
-- mrl._key(table_id oid, type regtype) -> text
-- Called by: mrl._plan
create or replace function mrl._key(table_id oid, type regtype)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    keys name[] := mrl._keys_of(table_id);
begin
    if cardinality(keys) = 0 then
        raise exception 'table % has no primary key', table_id::regclass
            using errcode = 'undefined_object',
                hint = 'add one, or ask for whole rows with mrl.search';
    elsif cardinality(keys) = 1 then
        -- in full: it stands in a statement that runs under the caller's search path
        return format(
            'mrl_row.%I::%s',
            keys[1],
            (
                select format('%s.%I', kind.typnamespace::regnamespace, kind.typname)
                from pg_type as kind
                where kind.oid = type
            )
        );
    elsif type <> 'jsonb'::regtype then
        raise exception 'the key of table % is % columns long',
            table_id::regclass, cardinality(keys)
            using errcode = 'datatype_mismatch',
                hint = 'ask for it as JSON: mrl.search_keys(null::jsonb, …)';
    end if;
    return format(
        'pg_catalog.jsonb_build_object(%s)',
        (select string_agg(format('%L, mrl_row.%I', key, key), ', ') from unnest(keys) as key)
    );
end
$body$;

comment on function mrl._key(oid, regtype) is
'Internal. The primary key of a row as one expression.';
