-- The statement of a search that mrl._pattern does not foresee: many queries or passes, exact.
-- mrl._compose(form text, slots jsonb, steps jsonb, exact boolean, counted boolean) -> text
-- Called by: mrl._plan
create or replace function mrl._compose(
    form text,
    slots jsonb,
    steps jsonb,
    exact boolean,
    -- a column more says how many candidates came
    counted boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- $1 to $16 are the caller's arguments
    query text := format(
        '%s::%s',
        case form when 'batch' then 'mrl_query.mrl_full' else '$17' end,
        slots ->> 'type'
    );
    nearest text;
begin
    slots := slots || jsonb_build_object(
        'key_names', slots ->> 'names',
        'gate', 'true',
        'query', query,
        'queries', '$17',
        'numbers', '$18::pg_catalog.int4[]',
        'extra', ''
    );
    steps := coalesce(
        steps, jsonb_build_array(slots || jsonb_build_object('count', slots -> 'candidates'))
    );
    if exact then
        nearest := mrl._render(mrl._exact(), slots);
    else
        nearest := mrl._render(
            mrl._nearest(),
            slots || jsonb_build_object(
                'passes', mrl._passes(steps, slots, query, false),
                'extra', case when counted then mrl._seen() else '' end
            )
        );
    end if;
    return mrl._render(
        case form when 'batch' then mrl._batch() else mrl._answers() end,
        slots || jsonb_build_object(
            'nearest', nearest,
            'extra', case when counted then e',\n    mrl_pass.seen' else '' end
        )
    );
end
$body$;

comment on function mrl._compose(text, jsonb, jsonb, boolean, boolean) is
'Internal. The statement of a search by many queries or passes, or of an exact one.';
