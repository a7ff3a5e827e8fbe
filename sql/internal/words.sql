-- The words of a hybrid search: slots of its statement, and how many rows each half ranks.

-- Slots of the half by words, and of the fusion; raises if they can't be used.
-- Called by: mrl._plan; mrl_pg.search.words does so in Python
create or replace function mrl._word_slots(
    -- arguments of mrl.hybrid by name, of which it reads text_column, config, weights and
    -- rank_constant
    asked jsonb,
    -- of the table and its full column
    slots jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    table_id oid := asked ->> 'table_id';
    text_column name := asked ->> 'text_column';
    config text := format('%L::pg_catalog.regconfig', asked ->> 'config');
    weights float8[] := array(
        select weight::float8 from jsonb_array_elements_text(asked -> 'weights') as weight
    );
    rank_constant int := asked ->> 'rank_constant';
    document record;
    keys text := (
        select string_agg(format(', mrl_key_%s', place), '' order by place)
        from generate_subscripts(mrl._keys_of(table_id), 1) as place
    );
begin
    if asked ->> 'config' is null then
        raise exception 'config is NULL'
            using errcode = 'null_value_not_allowed',
                hint = 'name a text search configuration, such as english or simple';
    end if;
    select
        quote_ident(attribute.attname) as name,
        format_type(attribute.atttypid, attribute.atttypmod) as declared,
        type.typcategory = 'S' as is_text,
        'tsvector'::regtype in (type.oid, type.typbasetype) as is_vector
    into document
    from pg_attribute as attribute
    join pg_type as type on type.oid = attribute.atttypid
    where attribute.attrelid = table_id
        and attribute.attname = text_column
        and attribute.attnum > 0
        and not attribute.attisdropped;
    if document is null or document.name is null then
        raise exception 'column %.% does not exist',
            slots ->> 'table', coalesce(quote_ident(text_column), 'NULL')
            using errcode = 'undefined_column',
                hint = 'text_column names the column whose words are searched';
    elsif not (document.is_text or document.is_vector) then
        raise exception 'column %.% is of type %',
            slots ->> 'table', document.name, document.declared
            using errcode = 'datatype_mismatch',
                hint = 'text_column must be of type text, varchar or tsvector';
    elsif cardinality(weights) <> 2
        or exists (
            select
            from unnest(weights) as weight
            where weight is null
                or weight <> 0
                and not weight between 1e-9 and 1e9
        )
        or weights = array[0, 0]::float8[]
    then
        raise exception 'weights % are not two numbers of which one counts', weights
            using errcode = 'invalid_parameter_value',
                hint = 'give that of the vectors and that of the words, each 0 or from 1e-9 to 1e9: '
                    'array[1, 0.5]';
    elsif rank_constant is null or rank_constant not between 1 and 1000000000 then
        raise exception 'rank_constant % is outside 1 to 1000000000',
            coalesce(rank_constant::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    return jsonb_build_object(
        -- ties are ordered by key, if there is one
        'names', 'mrl_part, mrl_place' || coalesce(keys, ''),
        'columns', concat_ws(
            ', ',
            'tableoid, ctid',
            (select string_agg(quote_ident(key), ', ') from unnest(mrl._keys_of(table_id)) as key)
        ),
        'order_names', coalesce(substr(keys, 3), 'mrl_part, mrl_place'),
        'document', case when document.is_vector
            then document.name
            else mrl._render(
                mrl._document(), jsonb_build_object('config', config, 'text', document.name)
            )
        end,
        'words', mrl._render(
            mrl._word_query(), jsonb_build_object('config', config, 'words', '$18')
        ),
        'vector_weight', format('%L::pg_catalog.float8', weights[1]),
        'word_weight', format('%L::pg_catalog.float8', weights[2]),
        'rank_constant', rank_constant
    );
end
$body$;

-- How many rows each half of a hybrid search ranks; raises if so many can't be.
-- Called by: mrl._plan; mrl_pg.search.effort.rows_to_fetch does so in Python
create or replace function mrl._rows_to_fetch(
    -- arguments of mrl.hybrid by name, of which it reads k, fetch_rows, candidates and rerank
    asked jsonb
)
returns int
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    k int := asked ->> 'k';
    fetch_rows int := asked ->> 'fetch_rows';
    -- no more rows are read in full
    most int := least((asked ->> 'candidates')::int, (asked ->> 'rerank')::int);
begin
    if fetch_rows is null then
        -- docs/hybrid.md says what other engines take
        return greatest(k, least(greatest(50, 4 * k::bigint), most, 1000000000));
    elsif fetch_rows < k then
        raise exception 'fetch_rows % is below k %: the k answers are chosen from so many rows',
            fetch_rows, k
            using errcode = 'invalid_parameter_value', hint = 'raise fetch_rows or leave it out';
    elsif fetch_rows > most or fetch_rows > 1000000000 then
        raise exception 'fetch_rows % is above the % rows that this search reads in full',
            fetch_rows, coalesce(most, 1000000000)
            using errcode = 'invalid_parameter_value',
                hint = 'raise candidates or rerank, or lower fetch_rows';
    end if;
    return fetch_rows;
end
$body$;
