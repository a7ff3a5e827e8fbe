-- Tables of documents, as frameworks use them: made, read, and conditions on their metadata.

-- name: create_documents
-- Makes a table of documents.
-- Slots: table; key, text, metadata, embedding (names); extension (a schema and a dot), dims
-- Called by: mrl_pg.adapters.documents.state
create table {table} (
    {key} pg_catalog.text primary key,
    {text} pg_catalog.text,
    {metadata} pg_catalog.jsonb not null default pg_catalog.jsonb_build_object(),
    {embedding} {extension}vector({dims})
)

-- name: documents_where
-- Documents that a condition lets through, in the order of their keys.
-- Slots: columns (names), table, condition, key, most
-- Called by: mrl_pg.adapters.documents.verbs
select {columns}
from {table}
where {condition}
order by {key}
limit {most}

-- name: vector_as_text
-- The vectors of documents, in a list of columns.
-- Slots: column
-- Called by: mrl_pg.adapters.documents.verbs, within documents_where
{column}::pg_catalog.text as {column}

-- name: count_documents
-- How many documents a condition lets through.
-- Slots: table, condition
-- Called by: mrl_pg.adapters.documents.verbs
select pg_catalog.count(*) as documents
from {table}
where {condition}

-- name: every_document
-- The condition that lets every document through.
-- No slots
-- Called by: mrl_pg.adapters.conditions
true

-- name: no_document
-- The condition that lets none through.
-- No slots
-- Called by: mrl_pg.adapters.conditions
false

-- name: field_value
-- The value at a path of the metadata, as jsonb; NULL if there is none.
-- Slots: metadata (a column), path (a parameter)
-- Called by: mrl_pg.adapters.conditions
({metadata} operator(pg_catalog.#>) {path}::pg_catalog.text[])

-- name: column_value
-- The value of a column, as jsonb.
-- Slots: column
-- Called by: mrl_pg.adapters.conditions
pg_catalog.to_jsonb({column})

-- name: field_text
-- The value at a path of the metadata, as text.
-- Slots: metadata (a column), path (a parameter)
-- Called by: mrl_pg.adapters.conditions
({metadata} operator(pg_catalog.#>>) {path}::pg_catalog.text[])

-- name: field_holds
-- The metadata hold a text, a number, true or false at a path; a GIN index may find it.
-- Slots: metadata (a column), document (a parameter: the value within objects)
-- Called by: mrl_pg.adapters.conditions
{metadata} operator(pg_catalog.@>) {document}::pg_catalog.jsonb

-- name: field_equals
-- A value of the metadata is this one.
-- Slots: value, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
{value} operator(pg_catalog.=) {given}::pg_catalog.jsonb

-- name: field_missing
-- A path of the metadata leads to nothing, or to null.
-- Slots: value
-- Called by: mrl_pg.adapters.conditions
coalesce({value} operator(pg_catalog.=) 'null'::pg_catalog.jsonb, true)

-- name: field_empty
-- A path of the metadata leads to nothing, null, or an empty text, list or object.
-- Slots: text (as text)
-- Called by: mrl_pg.adapters.conditions
coalesce({text}, '') operator(pg_catalog.=) any (array['', '[]', '{{}}'])

-- name: field_beside
-- A number of the metadata is above, below, at least or at most this one.
-- Slots: value, operator, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
pg_catalog.jsonb_typeof({value}) operator(pg_catalog.=) 'number'
and {value} operator(pg_catalog.{operator}) {given}::pg_catalog.jsonb

-- name: field_text_beside
-- A text of the metadata comes after or before this one, byte by byte.
-- Slots: value, text (the value as text), operator, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
pg_catalog.jsonb_typeof({value}) operator(pg_catalog.=) 'string'
and ({text} collate pg_catalog."C") operator(pg_catalog.{operator}) {given}::pg_catalog.text

-- name: field_one_of
-- A value of the metadata is one of these.
-- Slots: value, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
{value} operator(pg_catalog.=) any ({given}::pg_catalog.text[]::pg_catalog.jsonb[])

-- name: field_like
-- A text fits a pattern; the operator says whether upper and lower case are the same.
-- Slots: text, operator, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
{text} operator(pg_catalog.{operator}) {given}::pg_catalog.text

-- name: text_within
-- A text has another one in it.
-- Slots: text, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
pg_catalog.strpos({text}, {given}::pg_catalog.text) operator(pg_catalog.>) 0

-- name: text_within_any_case
-- The same, upper and lower case alike.
-- Slots: text, given (a parameter)
-- Called by: mrl_pg.adapters.conditions
pg_catalog.strpos(pg_catalog.lower({text}), pg_catalog.lower({given}::pg_catalog.text))
    operator(pg_catalog.>) 0

-- name: list_holds
-- A list of the metadata holds all of these.
-- Slots: value, given (a parameter: a list)
-- Called by: mrl_pg.adapters.conditions
pg_catalog.jsonb_typeof({value}) operator(pg_catalog.=) 'array'
and {value} operator(pg_catalog.@>) {given}::pg_catalog.jsonb

-- name: column_is
-- A column is this value, or stands beside it as the operator says.
-- Slots: column, operator, given (a parameter), type
-- Called by: mrl_pg.adapters.conditions
{column} operator(pg_catalog.{operator}) {given}::{type}

-- name: column_missing
-- A column is NULL.
-- Slots: column
-- Called by: mrl_pg.adapters.conditions
{column} is null

-- name: column_one_of
-- A column is one of these values.
-- Slots: column, given (a parameter), type
-- Called by: mrl_pg.adapters.conditions
{column} operator(pg_catalog.=) any ({given}::{type}[])

-- name: column_text
-- A column as text.
-- Slots: column
-- Called by: mrl_pg.adapters.conditions
({column}::pg_catalog.text)

-- name: not_so
-- The opposite of a condition, true if nothing is known.
-- Slots: condition
-- Called by: mrl_pg.adapters.conditions
not coalesce({condition}, false)

-- name: change_documents
-- Changes the metadata of documents that a condition lets through, and counts them.
-- Slots: table, changes, condition
-- Called by: mrl_pg.adapters.fields
with mrl_changed as (
    update {table}
    set {changes}
    where {condition}
    returning 1
)
select pg_catalog.count(*) as documents
from mrl_changed

-- name: change_metadata
-- Adds fields to the metadata, in place of those of the same name.
-- Slots: metadata (a column), given (a parameter: an object)
-- Called by: mrl_pg.adapters.fields, within change_documents
{metadata} = coalesce({metadata}, pg_catalog.jsonb_build_object())
    operator(pg_catalog.||) {given}::pg_catalog.jsonb

-- name: change_column
-- Gives a column another value.
-- Slots: column, given (a parameter), type
-- Called by: mrl_pg.adapters.fields, within change_documents
{column} = {given}::{type}

-- name: all_fields
-- The metadata of a document, columns that count as metadata among them.
-- Slots: metadata (a column), columns (names and values in turn)
-- Called by: mrl_pg.adapters.fields, within field_types
coalesce({metadata}, pg_catalog.jsonb_build_object())
    operator(pg_catalog.||) pg_catalog.jsonb_build_object({columns})

-- name: field_types
-- The fields that documents have, JSON's types of their values, and whether numbers are whole.
-- Slots: fields (an object), table
-- Called by: mrl_pg.adapters.fields
select
    field.name,
    pg_catalog.array_agg(distinct pg_catalog.jsonb_typeof(field.value)) as types,
    coalesce(
        pg_catalog.bool_and(pg_catalog.strpos(field.value::pg_catalog.text, '.') operator(pg_catalog.=) 0)
            filter (where pg_catalog.jsonb_typeof(field.value) operator(pg_catalog.=) 'number'),
        false
    ) as whole
from {table}
cross join lateral pg_catalog.jsonb_each({fields}) as field (name, value)
where pg_catalog.jsonb_typeof(field.value) operator(pg_catalog.<>) 'null'
group by field.name
order by field.name

-- name: field_extremes
-- The lowest and the highest number of a field, as text, and its first and last text.
-- Slots: value, table
-- Called by: mrl_pg.adapters.fields
with mrl_values as (
    select {value} as value
    from {table}
), mrl_typed as (
    select
        pg_catalog.jsonb_typeof(mrl_values.value) as type,
        mrl_values.value operator(pg_catalog.#>>) '{{}}'::pg_catalog.text[] as written
    from mrl_values
)
select
    pg_catalog.min(mrl_typed.written::pg_catalog.numeric) filter (where mrl_typed.type operator(pg_catalog.=) 'number')::pg_catalog.text as lowest,
    pg_catalog.max(mrl_typed.written::pg_catalog.numeric) filter (where mrl_typed.type operator(pg_catalog.=) 'number')::pg_catalog.text as highest,
    pg_catalog.min(mrl_typed.written collate pg_catalog."C") filter (where mrl_typed.type operator(pg_catalog.=) 'string') as first,
    pg_catalog.max(mrl_typed.written collate pg_catalog."C") filter (where mrl_typed.type operator(pg_catalog.=) 'string') as last
from mrl_typed

-- name: distinct_values_counted
-- How many distinct values documents have in each of some fields; null is none.
-- Slots: counts (a list), table, condition
-- Called by: mrl_pg.adapters.fields
select array[{counts}] as counts
from {table}
where {condition}

-- name: distinct_value_count
-- How many distinct values documents have in a field; 1, 1.0 and "1" are three.
-- Slots: value
-- Called by: mrl_pg.adapters.fields, within distinct_values_counted
pg_catalog.count(distinct {value}::pg_catalog.text)
    filter (where pg_catalog.jsonb_typeof({value}) operator(pg_catalog.<>) 'null')

-- name: distinct_values
-- Some of the distinct values of a field as JSON, in order, and how many there are in all.
-- Slots: value, table, condition, wanted (a condition), first, most (parameters)
-- Called by: mrl_pg.adapters.fields
with mrl_values as (
    select {value} as value
    from {table}
    where {condition}
), mrl_distinct as materialized (
    select distinct mrl_values.value, mrl_values.value::pg_catalog.text as written
    from mrl_values
    where pg_catalog.jsonb_typeof(mrl_values.value) operator(pg_catalog.<>) 'null'
        and {wanted}
)
select
    (select pg_catalog.count(*) from mrl_distinct) as total,
    array(
        select mrl_distinct.written
        from mrl_distinct
        order by mrl_distinct.value, mrl_distinct.written
        offset {first}::pg_catalog.int8
        limit {most}::pg_catalog.int8
    ) as page

-- name: distinct_text
-- A distinct value as text, without the quotes of JSON.
-- No parameters.
-- Called by: mrl_pg.adapters.fields, within distinct_values
(mrl_values.value operator(pg_catalog.#>>) '{{}}'::pg_catalog.text[])
