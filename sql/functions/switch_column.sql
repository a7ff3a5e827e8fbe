-- Makes another full column the one in use in place of a column, when the model changes.
-- mrl.switch_column('docs', 'embedding', 'embedding_v2') -> name of the index that answers now
-- Called by: people, client/build.sql
create or replace function mrl.switch_column(
    table_name regclass,
    from_column name,
    to_column name,
    -- whether rows may lack a vector in the new column
    allow_missing boolean default false
)
returns name
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb;
    current name;
    missing bigint;
    -- whether the new column has the vectors of the old one, rotated
    linked boolean := mrl._linked(table_name, from_column, to_column);
    apart bigint;
    answers name;
    marked name[];
begin
    perform mrl.check_owner(table_name);
    perform mrl._table(table_name, from_column);
    slots := mrl._table(table_name, to_column);
    if from_column = to_column then
        raise exception 'column %.% is both the old and the new one',
            slots ->> 'table', quote_ident(to_column)
            using errcode = 'invalid_parameter_value',
                hint = 'name the column with the vectors of the other model';
    end if;
    current := mrl.in_use_column(table_name, from_column);
    if current not in (from_column, to_column) then
        raise exception 'column %.% is not in use, but % is',
            slots ->> 'table', quote_ident(from_column), quote_ident(current)
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('switch from %I instead', current);
    end if;
    -- raises if there is none, or if it cannot be used
    perform mrl._found(table_name, to_column, null, null, null);
    if allow_missing is not true then
        missing := mrl._missing_vectors(table_name, from_column, to_column);
        if missing > 0 then
            raise exception '% rows of % have a vector in % and none in %',
                missing, slots ->> 'table', quote_ident(from_column), slots ->> 'full'
                using errcode = 'object_not_in_prerequisite_state',
                    hint = format(
                        'fill them first (mrl-pg %s), or let searches miss them with '
                        'allow_missing',
                        case when linked then 'rotate' else 'load --update' end
                    );
        end if;
        if linked then
            execute format(
                'select count(*) from %s where %s',
                slots ->> 'table', mrl._apart(table_name, from_column, to_column)
            )
            into apart;
        end if;
        if apart > 0 then
            raise exception '% rows of % have another vector in % than in %',
                apart, slots ->> 'table', slots ->> 'full', quote_ident(from_column)
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'rotate them again first (mrl-pg rotate), or let searches take what '
                        'they have with allow_missing';
        end if;
    end if;
    select
        array_agg(registered.index_name order by registered.place),
        (array_agg(coalesce(registered.index_now, registered.index_name)
            order by registered.place))[1]
    into marked, answers
    from (
        select
            known.*,
            row_number() over (
                order by known.chosen_at desc nulls last, known.created_at, known.index_name
            ) as place
        from mrl._registered(table_name) as known
        where coalesce(known.full_now, known.full_column) = to_column
    ) as registered;
    update mrl._own_registry as own
    set in_place_of = case
            when own.index_name = any (marked) then from_column
            when own.in_place_of not in (from_column, to_column) then own.in_place_of
        end,
        -- so that sessions that know the old column notice; the order stays as it was
        chosen_at = case
            when own.index_name = marked[1] then mrl._choice_now(table_name)
            else own.chosen_at
        end
    where own.entry in (
        select live.entry
        from mrl._live_tables as live
        where live.table_id = table_name
    );
    return answers;
end
$body$;

comment on function mrl.switch_column(regclass, name, name, boolean) is
'Makes to_column the full column in use in place of from_column, for mrl.in_use_column and for '
'searches of MatryoshkaColumn that have a query for each. Refused while rows that have a vector '
'in from_column have none in to_column, or another than mrl-pg rotate fills it with '
'(allow_missing allows both), or if to_column has no usable short index. Rows that others write meanwhile are not counted; '
'mrl.status(table_name, check_rows => true) counts them afterwards. Locks and rebuilds nothing. '
'Only the owner of the table may. Back: call it with the columns exchanged. Returns the name of '
'the index that answers now.';
