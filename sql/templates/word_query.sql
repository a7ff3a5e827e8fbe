-- What a person typed, as two text search queries: rows must match `asked`, `ranked` orders them.
-- Slots: config, words, table (an OID), column (a text), any_word (a boolean); one row
-- Called by: mrl_pg.search.fuse, mrl._word_slots
create or replace function mrl._word_query()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_part (place, is_or, is_excluded, operand) as (
    select
        place,
        part[1] is not null,
        pg_catalog.mod(pg_catalog.length(part[2]), 2) operator(pg_catalog.=) 1,
        part[3]
    -- websearch_to_tsquery calls no input a syntax error, and answers with alternatives of words,
    -- phrases and groups that must all match
    from pg_catalog.regexp_matches(
        pg_catalog.websearch_to_tsquery({config}, {words}::pg_catalog.text)::pg_catalog.text,
        pg_catalog.replace(
            pg_catalog.replace(
                '( [|] )|(!*)((?:WORD|GROUP)(?: <(?:-|[0-9]+)> !*(?:WORD|GROUP))*)',
                'GROUP',
                -- dictionaries that split a word or know synonyms make groups of groups
                '[(](?:WORD|[(](?:WORD|[(](?:WORD|[^()''])*[)]|[^()''])*[)]|[^()''])*[)]'
            ),
            'WORD',
            '''(?:[^'']|'''')*'''
        ),
        'g'
    ) with ordinality as found (part, place)
),
-- how large a share of the rows has a word, as ANALYZE found; it keeps the commonest words only
mrl_known (word, share) as materialized (
    select
        '''' operator(pg_catalog.||) common.word operator(pg_catalog.||) '''',
        common.share
    from pg_catalog.pg_stats as known
    cross join lateral rows from (
        pg_catalog.unnest(known.most_common_elems::pg_catalog.text::pg_catalog.text[]),
        pg_catalog.unnest(known.most_common_elem_freqs)
    ) as common (word, share)
    where known.schemaname operator(pg_catalog.=) (
            select namespace.nspname
            from pg_catalog.pg_class as class
            join pg_catalog.pg_namespace as namespace
                on namespace.oid operator(pg_catalog.=) class.relnamespace
            where class.oid operator(pg_catalog.=) {table}
        )
        -- the column, or an expression over it that an index holds
        and pg_catalog.concat(known.tablename, '.', known.attname)
            operator(pg_catalog.=) any (
                array(
                    select pg_catalog.concat(class.relname, '.', attribute.attname)
                    from pg_catalog.pg_class as class
                    join pg_catalog.pg_attribute as attribute
                        on attribute.attrelid operator(pg_catalog.=) class.oid
                    where class.oid operator(pg_catalog.=) {table}
                            and attribute.attname operator(pg_catalog.=) {column}
                        or class.oid operator(pg_catalog.=) any (
                                array(
                                    select index.indexrelid
                                    from pg_catalog.pg_index as index
                                    where index.indrelid operator(pg_catalog.=) {table}
                                )
                            )
                            and pg_catalog.strpos(
                                pg_catalog.pg_get_indexdef(
                                    class.oid, attribute.attnum, false
                                ),
                                pg_catalog.quote_ident({column})
                            ) operator(pg_catalog.>) 0
                )
            )
        and common.word is not null
),
-- every word once in each branch between two `or`
mrl_term (branch, is_excluded, operand, place, share) as (
    select
        part.branch,
        part.is_excluded,
        part.operand,
        pg_catalog.min(part.place),
        coalesce(
            pg_catalog.max(known.share),
            -- it is rarer than all that are known
            (
                select pg_catalog.min(share) operator(pg_catalog./) 2::pg_catalog.float4
                from mrl_known
            ),
            1e-9
        )::pg_catalog.float8
    from (
        select
            *,
            pg_catalog.count(*) filter (where is_or) over (order by place) as branch
        from mrl_part
    ) as part
    left join mrl_known as known on known.word operator(pg_catalog.=) part.operand
    where part.operand is not null
    group by part.branch, part.is_excluded, part.operand
),
mrl_rarest as (
    select
        *,
        -- the 64 rarest, because each further word costs time for each row
        pg_catalog.dense_rank() over (
            partition by is_excluded
            order by share, operand
        ) operator(pg_catalog.<=) 64 as is_wanted,
        pg_catalog.first_value(share) over rarest as least,
        pg_catalog.sum(share) over rarest as together,
        -- the share that has all rarer words, if words came independently of each other
        pg_catalog.exp(
            -- not so small that it underflows
            greatest(
                coalesce(
                    pg_catalog.sum(pg_catalog.ln(share)) over (
                        rarest rows between unbounded preceding and 1 preceding
                    ),
                    0
                ),
                -99
            )
        ) as all_rarer
    from mrl_term
    window rarest as (partition by branch, is_excluded order by share, place)
),
mrl_chosen as (
    select
        *,
        {any_word} and least operator(pg_catalog.<=) most as is_any,
        is_wanted and not is_excluded and case
            when not {any_word} then true
            -- the rarest word, and others as long as they add few rows
            when least operator(pg_catalog.<=) most
                then together operator(pg_catalog.<=) most or share operator(pg_catalog.=) least
            -- common words alone: as many must match as it takes
            else all_rarer operator(pg_catalog.>) most
        end as must_match
    from mrl_rarest
    cross join (
        select 2000 operator(pg_catalog./) greatest(class.reltuples, 1)::pg_catalog.float8
        from pg_catalog.pg_class as class
        where class.oid operator(pg_catalog.=) {table}
    ) as limited (most)
),
mrl_branch (wanted, excluded) as (
    select
        '( ' operator(pg_catalog.||) pg_catalog.string_agg(
            operand, case when is_any then ' | ' else ' & ' end
            order by place
        ) filter (where must_match) operator(pg_catalog.||) ' )',
        '!( ' operator(pg_catalog.||) pg_catalog.string_agg(
            '( ' operator(pg_catalog.||) operand operator(pg_catalog.||) ' )', ' | '
            order by place
        ) filter (where is_excluded) operator(pg_catalog.||) ' )'
    from mrl_chosen
    group by branch
    -- not if all that it asks for is left out
    having pg_catalog.bool_or(must_match) or pg_catalog.bool_and(is_excluded)
)
select
    pg_catalog.string_agg(
        distinct pg_catalog.concat('( ', pg_catalog.concat_ws(' & ', wanted, excluded), ' )'),
        ' | '
    )::pg_catalog.tsquery as asked,
    -- without what is excluded, which no row has
    case
        when {any_word} then (
            select pg_catalog.string_agg(distinct operand, ' | ')
            from mrl_chosen
            where is_wanted and not is_excluded
        )
        else pg_catalog.string_agg(distinct wanted, ' | ')
    end::pg_catalog.tsquery as ranked
from mrl_branch
$template$::pg_catalog.text;
