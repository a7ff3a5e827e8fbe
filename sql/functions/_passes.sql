-- All passes of a search before the last, one inside the other, as SQL text.
-- mrl._passes(steps jsonb, slots jsonb, query text, wrapped boolean) -> text
-- Called by: mrl._compose, mrl.search_sql, mrl.create_search_function
create or replace function mrl._passes(
    steps jsonb, slots jsonb, query text, wrapped boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- in a statement of its own the query is a row of mrl_query, else an expression
    frame text := case when wrapped then '(select %s from mrl_query)' else '%s' end;
    step jsonb := steps -> 0;
    following jsonb;
    passes text;
begin
    for place in 0 .. jsonb_array_length(steps) - 1 loop
        step := steps -> place;
        following := coalesce(
            steps -> (place + 1) || jsonb_build_object(
                'value', steps -> (place + 1) ->> 'short',
                'operator', steps -> (place + 1) ->> 'short_operator',
                'query', format(frame, mrl._short_of(query, steps -> (place + 1)))
            ),
            jsonb_build_object(
                'value', slots ->> 'full',
                'operator', slots ->> 'operator',
                'query', format(frame, query)
            )
        );
        passes := mrl._render(
            case place when 0 then mrl._first_pass() else mrl._narrow() end,
            slots || jsonb_build_object(
                'short', step ->> 'short',
                'short_operator', step ->> 'short_operator',
                'short_query', format(frame, mrl._short_of(query, step)),
                'candidates', step ->> 'count',
                'count', step ->> 'count',
                'value', following ->> 'value',
                'operator', following ->> 'operator',
                'query', following ->> 'query',
                'passes', passes
            )
        );
    end loop;
    return passes;
end
$body$;

comment on function mrl._passes(jsonb, jsonb, text, boolean) is
'Internal. All passes of a search before the last.';
