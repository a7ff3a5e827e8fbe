-- Says by which orthogonal matrix the vectors of a full column are rotated, or takes that back.
-- mrl.set_rotation('docs', 'embedding', matrix, version, provenance) -> void
-- Called by: people, client/rotation.sql
create or replace function mrl.set_rotation(
    table_name regclass,
    full_column name,
    -- a row for each dimension; NULL means that the column is not rotated
    matrix vector[],
    version text default null,
    provenance jsonb default '{}',
    -- the vectors that are there are rotated already, or rotated back
    already boolean default false
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    slots jsonb;
    full_dims int;
    indexes text;
    filled boolean;
    claimed int;
    known name;
    probe text;
    -- the length of an error, on average in a number
    far float8 := 0;
begin
    perform mrl.check_owner(table_name);
    slots := mrl._table(table_name, full_column);
    full_dims := (slots ->> 'full_dims')::int;
    if set_rotation.matrix is not null then
        if cardinality(set_rotation.matrix) <> full_dims or exists (
            select
            from unnest(set_rotation.matrix) as line
            where mrl._dims(line) is distinct from full_dims
        ) then
            raise exception 'the matrix has % rows of % numbers, and %.% has % dimensions',
                cardinality(set_rotation.matrix), mrl._dims(set_rotation.matrix[1]),
                slots ->> 'table', slots ->> 'full', full_dims
                using errcode = 'invalid_parameter_value',
                    hint = 'fit the rotation on vectors of this column';
        elsif char_length(coalesce(set_rotation.version, '')) not between 1 and 100 then
            raise exception 'the version of a rotation has 1 to 100 characters, not %',
                char_length(coalesce(set_rotation.version, ''))
                using errcode = 'invalid_parameter_value',
                    hint = 'mrl_pg.rotation computes it from the matrix';
        end if;
    end if;
    -- no index is built meanwhile
    execute mrl._render(mrl._lock_table(), slots);
    indexes := (
        select string_agg(quote_ident(index.index_name), ', ' order by index.index_name)
        from mrl._short_indexes(table_name) as index
        where index.full_column = set_rotation.full_column
    );
    if indexes is not null then
        raise exception 'column %.% has short indexes, which sessions search already: %',
            slots ->> 'table', slots ->> 'full', indexes
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'drop them first (mrl.drop_index), and create them again afterwards';
    end if;
    if not coalesce(set_rotation.already, false) then
        execute format(
            'select exists (select from %s where %s is not null)',
            slots ->> 'table', slots ->> 'full'
        ) into filled;
        if filled then
            raise exception 'column %.% has vectors, which this call does not change',
                slots ->> 'table', slots ->> 'full'
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'mrl-pg rotate fills a second column with rotated vectors; if '
                        'these are as you say, pass already => true';
        end if;
    end if;
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    known := (
        select live.known_as
        from mrl.column_rotations as live
        where live.table_id = table_name
            and live.full_column = set_rotation.full_column
    );
    if known is not null then
        insert into mrl._removals (entry, rotated) values (claimed, known);
    end if;
    if set_rotation.matrix is null then
        perform mrl._unlink_rotated(table_name, set_rotation.full_column);
        return;
    end if;
    insert into mrl._own_rotations (
        entry, full_column, full_number, born, version, dims, provenance, set_at
    )
    select
        claimed,
        set_rotation.full_column,
        attribute.attnum,
        live.born,
        set_rotation.version,
        full_dims,
        coalesce(set_rotation.provenance, '{}'),
        now()
    from mrl._live_tables as live
    join pg_attribute as attribute
        on attribute.attrelid = live.table_id
        and attribute.attname = set_rotation.full_column
    where live.entry = claimed;
    insert into mrl._own_rotation_rows (entry, full_column, back, place, weights)
    select claimed, set_rotation.full_column, false, line.place, line.weights
    from unnest(set_rotation.matrix) with ordinality as line (weights, place)
    union all
    select claimed, set_rotation.full_column, true, line.place, line.weights
    from mrl._transposed(set_rotation.matrix) as line;
    -- a matrix is orthogonal if its transpose brings vectors back. A few will do, because a test
    -- of each pair of rows takes minutes
    for round in 1 .. 4 loop
        probe := (
            select format('[%s]', string_agg(sin(round * place * place)::real::text, ','))
            from generate_series(1, full_dims) as place
        );
        far := greatest(
            far,
            mrl._there_and_back(claimed, set_rotation.full_column, probe) / sqrt(full_dims)
        );
    end loop;
    if not far < 1e-4 then
        raise exception 'the matrix is not orthogonal'
            using errcode = 'invalid_parameter_value',
                hint = 'its rows must have length 1 and be at right angles, so that distances '
                    'stay as they are';
    end if;
end
$body$;

comment on function mrl.set_rotation(regclass, name, vector[], text, jsonb, boolean) is
'Says by which orthogonal matrix the vectors of a full column of a table you own are rotated, '
'for mrl_pg to rotate queries, and with mrl-pg load and upsert rows, in the same way. NULL says '
'that the column is not rotated. It changes no vector: mrl-pg rotate does that. Refused while '
'the column has vectors, unless already is true, and while it has short indexes, which sessions '
'would go on to search in the old way.';
