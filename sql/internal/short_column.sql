-- What is a short column, or an index of short values; what keeps its values right.

-- Whether a generated column is a short column of a full column. NULL means any full column.
-- Called by: mrl._index_state, mrl.drop_index; mrl_pg.catalog.slots does so in Python
create or replace function mrl._is_short_column(
    expression text, type text, full_column name, dims int, kind text
)
returns boolean
language sql
stable
parallel safe
return coalesce(
    pg_catalog.concat('.', type) operator(pg_catalog.~~) pg_catalog.format(
        '%%.%s(%s)', kind, dims
    )
        -- used once, because inlining replaces it by a call that prints the expression
        and expression operator(pg_catalog.~~) pg_catalog.format(
            '%%%s(%%(%s, 1, %s)%%',
            pg_catalog.replace(mrl._kind(kind, 'function'), '_', '\_'),
            coalesce(
                pg_catalog.replace(
                    pg_catalog.replace(
                        pg_catalog.replace(pg_catalog.quote_ident(full_column), '\', '\\'),
                        '%',
                        '\%'
                    ),
                    '_',
                    '\_'
                ),
                '%'
            ),
            dims
        ),
    false
);

-- Whether an index is of the expression that computes the short value of a full column.
-- Called by: mrl._is_kept_prefix, mrl._kept_as, mrl._index_state, mrl._short_indexes
create or replace function mrl._is_short_index(
    -- as pg_get_indexdef says it of the first key
    key text, full_column name, dims int, kind text
)
returns boolean
language sql
stable
parallel safe
return mrl._is_short_column(
    key,
    -- the cast comes last, in parentheses or not
    substring(key from '::([^:()]*[(][0-9]+[)])[)]?$'),
    full_column,
    dims,
    kind
);

-- The name of the trigger that keeps a short column right; it fires after other triggers.
-- Called by: mrl._keeper_names, mrl._findings_of, mrl._short_indexes, mrl._check_short
create or replace function mrl._trigger_name(short_column name)
returns name
language sql
immutable
parallel safe
return mrl._fit(pg_catalog.concat('zz_mrl_', short_column), '');

-- The triggers of mrl_pg on a table, with the numbers of the columns that each reads and fills.
-- Called by: mrl._trigger_expression, mrl._make_keeper, mrl._short_indexes, mrl._findings_of
create or replace function mrl._keepers(table_id oid)
returns table (
    trigger_id oid,
    trigger_name name,
    enabled "char",
    function_id oid,
    -- by the trigger's condition, which follows every rename
    full_number int2,
    short_number int2
)
language sql
stable
parallel safe
begin atomic
    select
        keeper.oid,
        keeper.tgname,
        keeper.tgenabled,
        keeper.tgfoid,
        (columns.numbers)[1]::pg_catalog.int2,
        (columns.numbers)[2]::pg_catalog.int2
    from pg_catalog.pg_trigger as keeper
    cross join lateral pg_catalog.regexp_match(
        keeper.tgqual::pg_catalog.text, ':varattno ([0-9]+) .*:varattno ([0-9]+) '
    ) as columns (numbers)
    where keeper.tgrelid operator(pg_catalog.=) _keepers.table_id
        and keeper.tgname operator(pg_catalog.~~) 'zz\_mrl\_%'
        -- before each row that is inserted or updated
        and keeper.tgtype operator(pg_catalog.=) 23::pg_catalog.int2;
end;

-- How an enabled trigger of mrl_pg computes a column, as for a generated column; else NULL.
-- Called by: mrl._column, mrl._is_kept_prefix; client/catalog.sql does so for Python
create or replace function mrl._trigger_expression(table_id oid, column_name name)
returns text
language plpgsql
stable
parallel safe
as $body$
begin
    return (
        select case
            when pg_catalog.strpos(
                    proc.prosrc, pg_catalog.format('(new.%I, 1, ', whole.attname)
                ) operator(pg_catalog.>) 0
                and pg_catalog.strpos(
                    proc.prosrc, pg_catalog.format('new.%I := ', short.attname)
                ) operator(pg_catalog.>) 0
            then pg_catalog.replace(proc.prosrc, '(new.', '(')
            -- an old name in the function must not be another column's name by now
            when not exists (
                select
                from pg_catalog.pg_attribute as other
                where other.attrelid operator(pg_catalog.=) whole.attrelid
                    and other.attnum operator(pg_catalog.>) 0
                    and (
                        other.attnum operator(pg_catalog.<>) whole.attnum
                        and pg_catalog.strpos(
                            proc.prosrc, pg_catalog.format('(new.%I, 1, ', other.attname)
                        ) operator(pg_catalog.>) 0
                        or other.attnum operator(pg_catalog.<>) short.attnum
                        and pg_catalog.strpos(
                            proc.prosrc, pg_catalog.format('new.%I := ', other.attname)
                        ) operator(pg_catalog.>) 0
                    )
            )
            then pg_catalog.replace(
                proc.prosrc, '($1).%1$I', pg_catalog.quote_ident(whole.attname)
            )
        end
        from pg_catalog.pg_attribute as short
        join mrl._keepers(_trigger_expression.table_id) as keeper
            on keeper.short_number operator(pg_catalog.=) short.attnum
        join pg_catalog.pg_attribute as whole
            on whole.attrelid operator(pg_catalog.=) short.attrelid
            and whole.attnum operator(pg_catalog.=) keeper.full_number
        join pg_catalog.pg_proc as proc
            on proc.oid operator(pg_catalog.=) keeper.function_id
        where short.attrelid operator(pg_catalog.=) _trigger_expression.table_id
            and short.attname operator(pg_catalog.=) _trigger_expression.column_name
            and keeper.enabled operator(pg_catalog.=) any ('{O,A}'::pg_catalog."char"[])
        order by keeper.trigger_name
        limit 1
    );
end
$body$;

-- The type of a column, the expression that computes it, and how: generated or trigger.
-- Called by: mrl._check_short, mrl._index_state, mrl._choose_keep, mrl.drop_index, mrl._keeper
create or replace function mrl._column(table_id oid, column_name name)
-- expression and kept_as are NULL if nothing of PostgreSQL or mrl_pg computes the column
returns table (type text, expression text, kept_as text)
language sql
stable
parallel safe
-- no row if there is no such column
begin atomic
    select
        pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
        coalesce(
            pg_catalog.pg_get_expr(value.adbin, value.adrelid),
            by_trigger.expression
        ),
        case
            when value.adbin is not null then 'generated'
            when by_trigger.expression is not null then 'trigger'
        end
    from pg_catalog.pg_attribute as attribute
    cross join lateral mrl._trigger_expression(
        attribute.attrelid, attribute.attname
    ) as by_trigger (expression)
    left join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) attribute.attrelid
        and value.adnum operator(pg_catalog.=) attribute.attnum
        and attribute.attgenerated operator(pg_catalog.=) 's'
    where attribute.attrelid operator(pg_catalog.=) _column.table_id
        and attribute.attname operator(pg_catalog.=) _column.column_name
        and attribute.attnum operator(pg_catalog.>) 0;
end;

-- How the short values of an index are kept, by what the index is on and what keeps that.
-- Called by: mrl.register
create or replace function mrl._kept_as(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text
)
returns text
language sql
stable
parallel safe
return case
    when exists (
        select
        from pg_catalog.pg_index as state
        join pg_catalog.pg_class as class
            on class.oid operator(pg_catalog.=) state.indexrelid
        where state.indrelid operator(pg_catalog.=) table_id
            and class.relname operator(pg_catalog.=) index_name
            and mrl._is_short_index(
                pg_catalog.pg_get_indexdef(state.indexrelid, 1, false),
                full_column,
                dims,
                kind
            )
    )
    then 'expression'
    else coalesce(
        (
            select existing.kept_as
            from mrl._column(table_id, short_column) as existing
        ),
        'generated'
    )
end;

-- Whether an index on an expression, or a column that a trigger keeps, is the prefix of a column.
-- Called by: mrl._facts
create or replace function mrl._is_kept_prefix(
    table_id oid,
    schema_id regnamespace,
    full_column name,
    short_column name,
    short_type text,
    index_name name,
    dims int,
    kind text,
    kept_as text
)
returns boolean
-- in plpgsql, so that the planner does not inline it into searches of a generated column
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if kept_as = 'expression' then
        return mrl._is_short_index(
            -- not from pg_index, which an ordinary search does without
            pg_get_indexdef(to_regclass(format('%s.%I', schema_id, index_name)), 1, false),
            full_column,
            dims,
            kind
        );
    end if;
    return mrl._is_short_column(
        mrl._trigger_expression(table_id, short_column), short_type, full_column, dims, kind
    );
end
$body$;
