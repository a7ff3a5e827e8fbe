-- A search by one query and one short column, as a pattern for format().
-- mrl._pattern(kind text, parts boolean) -> text; vector stands for halfvec, too
-- Called by: mrl._statement, which says what its 16 places hold
create or replace function mrl._pattern(kind text, parts boolean)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._places(parts) || jsonb_build_object(
        'gate', 'true',
        'answer', '%1$s',
        'table', '%2$s',
        'where', '%3$s',
        'candidates', '%4$s',
        'least', '%5$s',
        'extra', '%6$s',
        'k', '%7$s',
        'query', '%8$s::%9$s',
        'extension', '%10$s',
        'full', '%11$s',
        'value', '%11$s',
        'operator', '%12$s',
        'short', '%13$s',
        'short_operator', '%14$s',
        'dims', '%15$s'
    );
begin
    slots := slots || jsonb_build_object(
        'short_query', mrl._short_of(
            slots ->> 'query',
            slots || jsonb_build_object(
                'kind', case kind when 'bit' then kind else '%16$s' end
            )
        )
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

comment on function mrl._pattern(text, boolean) is
'Internal. A search by one query and one short column, as a pattern for format().';
