-- The words of a search: slots of its statement, and how many rows each half of two ranks.

-- Slots of a search by words; raises if they can't be used.
-- Called by: mrl._fusion_slots, mrl._words_statement; mrl_pg.search.words does so in Python
create or replace function mrl._word_slots(
    -- arguments by name, of which it reads table_id, text_column, config and match
    asked jsonb
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
    -- of any, or all
    match text := asked ->> 'match';
    document record;
    document_text text;
    keys text := (
        select string_agg(format(', mrl_key_%s', place), '' order by place)
        from generate_subscripts(mrl._keys_of(table_id), 1) as place
    );
begin
    if asked ->> 'words' is null then
        raise exception 'words is NULL'
            using errcode = 'null_value_not_allowed',
                hint = 'pass what the user typed, or search by vectors with mrl.search';
    elsif asked ->> 'config' is null then
        raise exception 'config is NULL'
            using errcode = 'null_value_not_allowed',
                hint = 'name a text search configuration, such as english or simple';
    elsif match is null or match not in ('any', 'all') then
        raise exception 'match is %', coalesce(quote_literal(match), 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'any finds rows that have any of the words, all those that have all';
    end if;
    select
        class.oid,
        format('%I.%I', space.nspname, class.relname) as table_name,
        quote_ident(attribute.attname) as name,
        format_type(attribute.atttypid, attribute.atttypmod) as declared,
        type.typcategory = 'S' as is_text,
        'tsvector'::regtype in (type.oid, type.typbasetype) as is_vector
    into document
    from pg_class as class
    join pg_namespace as space on space.oid = class.relnamespace
    left join pg_attribute as attribute
        on attribute.attrelid = class.oid
        and attribute.attname = text_column
        and attribute.attnum > 0
        and not attribute.attisdropped
    left join pg_type as type on type.oid = attribute.atttypid
    where class.oid = table_id;
    if document.name is null then
        raise exception 'column %.% does not exist',
            document.table_name, coalesce(quote_ident(text_column), 'NULL')
            using errcode = 'undefined_column',
                hint = 'text_column names the column whose words are searched';
    elsif not (document.is_text or document.is_vector) then
        raise exception 'column %.% is of type %',
            document.table_name, document.name, document.declared
            using errcode = 'datatype_mismatch',
                hint = 'text_column must be of type text, varchar or tsvector';
    end if;
    document_text := case when document.is_vector
        then document.name
        else mrl._render(
            mrl._document(), jsonb_build_object('config', config, 'text', document.name)
        )
    end;
    return jsonb_build_object(
        -- ties are ordered by key, if there is one
        'names', 'mrl_part, mrl_place' || coalesce(keys, ''),
        'columns', concat_ws(
            ', ',
            'tableoid, ctid',
            (select string_agg(quote_ident(key), ', ') from unnest(mrl._keys_of(table_id)) as key)
        ),
        'order_names', coalesce(substr(keys, 3), 'mrl_part, mrl_place'),
        'table', document.table_name,
        'row_table', document.table_name,
        'document', document_text,
        'relevance', mrl._render(
            case match when 'any' then mrl._relevance_of_any() else mrl._relevance_of_all() end,
            jsonb_build_object('document', document_text)
        ),
        'asked_words', mrl._render(
            mrl._word_query(),
            jsonb_build_object(
                'config', config,
                'words', '$18',
                'table', format('%s::pg_catalog.oid', table_id),
                'column', format('%L', text_column),
                'any_word', case match when 'any' then 'true' else 'false' end
            )
        )
    );
end
$body$;

-- Slots of the half by words, and of the fusion; raises if they can't be used.
-- Called by: mrl._plan; mrl_pg.search.words does so in Python
create or replace function mrl._fusion_slots(
    -- arguments of mrl.hybrid by name, of which it reads weights, rank_constant, and those of
    -- mrl._word_slots
    asked jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._word_slots(asked);
    weights float8[] := array(
        select weight::float8 from jsonb_array_elements_text(asked -> 'weights') as weight
    );
    rank_constant int := asked ->> 'rank_constant';
begin
    if cardinality(weights) <> 2
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
    return slots || jsonb_build_object(
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

-- The statement of a search by words alone, without a plan of vectors.
-- Called by: mrl.search_words
create or replace function mrl._words_statement(
    -- arguments of mrl.search_words by name, and the number of args as arguments
    asked jsonb
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._word_slots(asked);
    k int := asked ->> 'k';
begin
    if k is null or k < 1 then
        raise exception 'k % is below 1: ask for at least one row', coalesce(k::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    perform mrl._check_filter(asked ->> 'filter', (asked ->> 'arguments')::int);
    slots := slots || jsonb_build_object(
        'key_names', slots ->> 'order_names',
        'filter', mrl._condition(asked ->> 'filter'),
        'fetch', k,
        'extra', '',
        'answer', format('mrl_row.*::%s as hit', slots ->> 'table')
    );
    return mrl._render(
        mrl._by_words(),
        slots || jsonb_build_object('matching', mrl._render(mrl._matching(), slots))
    );
end
$body$;
