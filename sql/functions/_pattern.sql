-- What of a search by one short column is the same each time, as a pattern for format().
-- mrl._pattern(slots jsonb) -> text: answer, table, where, candidates, least, k, query
-- Called by: mrl.register, mrl._found, refresh.sql
create or replace function mrl._pattern(slots jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    value record;
    query text;
begin
    for value in select * from jsonb_each_text(slots) loop
        slots := slots || jsonb_build_object(value.key, replace(value.value, '%', '%%'));
    end loop;
    query := format('%%7$s::%s', slots ->> 'type');
    slots := slots || jsonb_build_object(
        'value', slots ->> 'full',
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'gate', 'true',
        'answer', '%1$s',
        'table', '%2$s',
        'where', '%3$s',
        'candidates', '%4$s',
        'least', '%5$s',
        'k', '%6$s'
    );
    return mrl._render(
        mrl._answers(),
        slots || jsonb_build_object(
            'nearest', mrl._render(
                mrl._nearest(),
                slots || jsonb_build_object('passes', mrl._render(mrl._first_pass(), slots))
            )
        )
    );
end
$body$;

comment on function mrl._pattern(jsonb) is
'Internal. What of a search by one short column is the same each time.';
