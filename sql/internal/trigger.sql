-- Short columns that a trigger keeps right: made, filled in batches, and checked.

-- Whether a table can have a trigger of ours; triggers of a parent skip rows of its children.
-- Called by: mrl._choose_keep, mrl._check_keeper
create or replace function mrl._may_keep(table_id oid)
returns boolean
language sql
stable
parallel safe
return not exists (
    select
    from pg_catalog.pg_class as class
    join pg_catalog.pg_inherits as child
        on child.inhparent operator(pg_catalog.=) class.oid
    where class.oid operator(pg_catalog.=) _may_keep.table_id
        and class.relkind operator(pg_catalog.<>) 'p'
);

-- The names of the trigger and of its function; the function is in the table's schema.
-- Called by: mrl._check_keeper, mrl._make_keeper
create or replace function mrl._keeper_names(
    table_id oid,
    short_column name,
    out trigger_name name,
    out function_name name,
    out schema_id oid
)
language sql
stable
parallel safe
begin atomic
    select
        mrl._trigger_name(_keeper_names.short_column),
        mrl._fit(
            pg_catalog.concat(class.relname, '_', _keeper_names.short_column), '_keep'
        ),
        class.relnamespace
    from pg_catalog.pg_class as class
    where class.oid operator(pg_catalog.=) _keeper_names.table_id;
end;

-- Raises if a column of ours with its trigger cannot be added to a table.
-- Called by: mrl._create_steps, mrl._add_kept_column, mrl._make_keeper
create or replace function mrl._check_keeper(table_id oid, short_column name)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    names record := mrl._keeper_names(table_id, short_column);
begin
    if not mrl._may_keep(table_id) then
        raise exception 'table % has child tables, whose rows its trigger would not see',
            table_id::regclass
            using errcode = 'wrong_object_type',
                hint = 'use keep => ''generated''';
    elsif row_security_active(table_id) then
        raise exception 'row-level security hides rows of table % from role %',
            table_id::regclass, current_user
            using errcode = 'insufficient_privilege',
                hint = 'do this as a role that sees every row';
    elsif exists (
        select
        from pg_trigger as trigger
        where trigger.tgrelid = table_id
            and trigger.tgname = names.trigger_name
    ) then
        raise exception 'trigger % on % exists and is something else',
            quote_ident(names.trigger_name), table_id::regclass
            using errcode = 'duplicate_object',
                hint = 'drop the trigger, or choose another name with short_column';
    elsif exists (
        select
        from pg_proc as proc
        where proc.pronamespace = names.schema_id
            and proc.proname = names.function_name
            and proc.pronargs = 0
            -- not what is left of ours after its table was dropped
            and not (
                obj_description(proc.oid, 'pg_proc') like 'Keeps column %, for mrl\_pg.'
                and strpos(proc.prosrc, format('new.%I := ', short_column)) > 0
                and not exists (
                    select
                    from pg_trigger as trigger
                    where trigger.tgfoid = proc.oid
                )
            )
    ) then
        raise exception 'function %.%() exists',
            names.schema_id::regnamespace, quote_ident(names.function_name)
            using errcode = 'duplicate_function',
                hint = 'drop the function, or choose another name with short_column';
    end if;
end
$body$;

-- Makes the trigger of a short column and its function, in place of those of ours that are there.
-- Called by: mrl._add_kept_column, mrl._keeper_steps
create or replace function mrl._make_keeper(
    table_id regclass, full_column name, short_column name, dims int, kind text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column)
        || jsonb_build_object('dims', dims, 'kind', kind);
    names record := mrl._keeper_names(table_id, short_column);
    function_name text := format('%I.%I()', slots ->> 'schema_name', names.function_name);
    old record;
    owner text;
begin
    perform mrl.check_owner(table_id);
    for old in
        -- of this column, under whatever name it was made
        select keeper.trigger_name, keeper.function_id::regprocedure as function
        from mrl._keepers(table_id) as keeper
        join pg_attribute as short
            on short.attrelid = table_id
            and short.attnum = keeper.short_number
            and short.attname = short_column
        where obj_description(keeper.function_id, 'pg_proc')
            like 'Keeps column %, for mrl\_pg.'
    loop
        execute format('drop trigger %I on %s', old.trigger_name, slots ->> 'table');
        execute format('drop function %s', old.function);
    end loop;
    -- of a trigger that was dropped by hand
    if obj_description(to_regprocedure(function_name), 'pg_proc')
            like 'Keeps column %, for mrl\_pg.'
        and not exists (
            select
            from pg_trigger as other
            where other.tgfoid = to_regprocedure(function_name)
        )
    then
        execute format('drop function %s', function_name);
    end if;
    perform mrl._check_keeper(table_id, short_column);
    execute format(
        'create function %s returns pg_catalog.trigger language plpgsql as %L',
        function_name,
        mrl._render(
            mrl._trigger_function(),
            jsonb_build_object(
                'short', quote_ident(short_column),
                'value', mrl._short_of('new.' || (slots ->> 'full'), slots),
                'renamed', quote_literal(
                    'select filled.* from pg_catalog.json_populate_record($1, '
                    'pg_catalog.json_build_object(%2$L, ('
                    || mrl._short_of(
                        '($1).%1$I',
                        slots || jsonb_build_object(
                            'extension', replace(slots ->> 'extension', '%', '%%')
                        )
                    )
                    || ')::pg_catalog.text)) as filled'
                )
            )
        )
    );
    execute format(
        'comment on function %s is %L',
        function_name,
        format('Keeps column %I of table %s, for mrl_pg.', short_column, slots ->> 'table')
    );
    select class.relowner::regrole::text
    into owner
    from pg_class as class
    where class.oid = table_id;
    if owner <> current_user::regrole::text then
        execute format('alter function %s owner to %s', function_name, owner);
    end if;
    execute format(
        -- the condition is always true; it says to the catalog which columns these are
        'create trigger %I before insert or update on %s for each row '
        'when (new.%I is null or new.%I is not null or true) execute function %s',
        names.trigger_name, slots ->> 'table', full_column, short_column, function_name
    );
    -- in replication and in restores, too
    execute format(
        'alter table %s enable always trigger %I', slots ->> 'table', names.trigger_name
    );
end
$body$;

-- Adds a short column and its trigger, under an ACCESS EXCLUSIVE lock; fills no row.
-- Called by: mrl._create_steps, client/build.sql
create or replace function mrl._add_kept_column(
    table_id regclass, full_column name, short_column name, dims int, kind text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column);
    existing record;
begin
    perform mrl.check_owner(table_id);
    slots := slots || jsonb_build_object('dims', dims, 'kind', kind);
    select * into existing from mrl._column(table_id, short_column);
    -- the text of `alembic upgrade --sql` runs again after an interruption
    if existing.kept_as = 'trigger'
        and mrl._is_short_column(existing.expression, existing.type, full_column, dims, kind)
    then
        return;
    end if;
    perform mrl._check_keeper(table_id, short_column);
    -- first a lock behind which nobody waits, and which an autovacuum gives way to
    execute mrl._render(mrl._lock_table(), slots);
    execute format(
        -- kept in the row, so that builds read it in one pass and in parallel
        'alter table %s add column %I %s, alter column %2$I set storage main',
        slots ->> 'table',
        short_column,
        mrl._short_type(kind, dims, slots ->> 'extension')
    );
    perform mrl._make_keeper(table_id, full_column, short_column, dims, kind);
end
$body$;

-- Slots of a column that a trigger of ours keeps; raises if none keeps it.
-- Called by: mrl._begin_fill, mrl._fill_statement, mrl._end_batch, mrl._check_values
create or replace function mrl._keeper(table_id oid, full_column name, short_column name)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column);
begin
    select
        slots || jsonb_build_object(
            'short', quote_ident(short_column),
            'dims', attribute.atttypmod,
            'kind', type.typname
        )
    into slots
    from pg_attribute as attribute
    join pg_type as type on type.oid = attribute.atttypid
    cross join lateral mrl._column(attribute.attrelid, attribute.attname) as existing
    where attribute.attrelid = table_id
        and attribute.attname = short_column
        and existing.kept_as = 'trigger'
        and mrl._is_short_column(
            existing.expression,
            existing.type,
            full_column,
            attribute.atttypmod,
            type.typname
        );
    if not found then
        raise exception 'no trigger of mrl_pg keeps column %.% right',
            table_id::regclass, quote_ident(short_column)
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'is the trigger disabled, or was a column renamed?';
    elsif row_security_active(table_id) then
        raise exception 'row-level security hides rows of table % from role %',
            table_id::regclass, current_user
            using errcode = 'insufficient_privilege',
                hint = 'do this as a role that sees every row';
    end if;
    return slots || jsonb_build_object('value', mrl._short_of(slots ->> 'full', slots));
end
$body$;

-- The state of a fill before its first batch.
-- Called by: mrl.fill_short_column, client/build.sql
create or replace function mrl._begin_fill(
    table_id regclass,
    full_column name,
    short_column name,
    -- also of rows whose short value is wrong, for which all full vectors are read
    wrong boolean
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    todo jsonb;
    total bigint;
begin
    perform mrl.check_owner(table_id);
    perform mrl._keeper(table_id, full_column, short_column);
    -- Rows of later pages were written after the trigger was there.
    select
        coalesce(jsonb_agg(jsonb_build_array(part.oid, 0, part.pages)), '[]'),
        coalesce(sum(part.pages), 0)
    into todo, total
    from (
        select
            class.oid::bigint,
            pg_relation_size(class.oid::regclass) / current_setting('block_size')::int as pages
        from pg_class as class
        where class.relkind = 'r'
            and (
                class.oid = table_id
                or class.oid in (select tree.relid from pg_partition_tree(table_id) as tree)
            )
    ) as part
    where part.pages > 0;
    return jsonb_build_object(
        'table_id', table_id::oid::bigint,
        'full_column', full_column,
        'short_column', short_column,
        -- partition, first page, end page
        'todo', todo,
        -- where others held rows
        'again', '[]'::jsonb,
        'rows_per_batch', 16,
        -- pages are read again for each batch; wrong values are looked for in full vectors
        'pages_per_batch', case when wrong then 16 else 256 end,
        'done', 0,
        'total', total,
        'rows', 0,
        'wrong', wrong,
        'waits_for', null,
        'finished', total = 0
    );
end
$body$;

-- The condition that a fill has yet to compute the short value of a row.
-- Called by: mrl._fill_statement, mrl._end_batch
create or replace function mrl._fill_todo(state jsonb, slots jsonb)
returns text
language sql
stable
parallel safe
return case
    when pg_catalog.jsonb_extract_path_text(state, 'wrong')::boolean
    -- by their bytes, which also tells a missing value
    then pg_catalog.format(
        'row(%s)::pg_catalog.record operator(pg_catalog.*<>) row(%s)::pg_catalog.record',
        pg_catalog.jsonb_extract_path_text(slots, 'short'),
        pg_catalog.jsonb_extract_path_text(slots, 'value')
    )
    else pg_catalog.format(
        '%s is null and %s is not null',
        pg_catalog.jsonb_extract_path_text(slots, 'short'),
        pg_catalog.jsonb_extract_path_text(slots, 'full')
    )
end;

-- How long a batch may take, because it holds its rows meanwhile; mrl_pg.load.update has it, too.
-- Called by: mrl._fill_statement, mrl._end_batch
create or replace function mrl._batch_time()
returns interval
language sql
immutable
parallel safe
return '50 ms'::pg_catalog.interval;

-- Where the pages of a batch end.
-- Called by: mrl._fill_statement, mrl._end_batch
create or replace function mrl._end_page(state jsonb)
returns bigint
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    return least(
        (state #>> '{todo,0,1}')::bigint + (state ->> 'pages_per_batch')::bigint,
        (state #>> '{todo,0,2}')::bigint
    );
end
$body$;

-- The statement that fills the next rows.
-- Called by: mrl._fill_next
create or replace function mrl._fill_statement(state jsonb, began timestamptz)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    place jsonb := state #> '{todo,0}';
    slots jsonb := mrl._keeper(
        (state ->> 'table_id')::oid, state ->> 'full_column', state ->> 'short_column'
    );
begin
    return mrl._render(
        mrl._fill_pages(),
        slots || jsonb_build_object(
            'todo', mrl._fill_todo(state, slots),
            'part', (
                select format('%s.%I', class.relnamespace::regnamespace, class.relname)
                from pg_class as class
                where class.oid = (place ->> 0)::oid
            ),
            'first_page', place -> 1,
            'end_page', mrl._end_page(state),
            'most', state -> 'rows_per_batch',
            'until', quote_literal(
                case
                    -- a row alone may take as long as it takes, so that the fill goes on
                    when state -> 'rows_per_batch' = '1' then 'infinity'
                    else began + mrl._batch_time()
                end
            )
        )
    );
end
$body$;

-- The state after a batch: where the next begins, and how large it is to be.
-- Called by: mrl._fill_next
create or replace function mrl._end_batch(
    state jsonb, locked bigint, written bigint, began timestamptz
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    place jsonb := state #> '{todo,0}';
    first_page bigint := place ->> 1;
    end_page bigint := mrl._end_page(state);
    slots jsonb;
    wanted int := state ->> 'rows_per_batch';
    pages int := state ->> 'pages_per_batch';
    share float8 := extract(epoch from mrl._batch_time())
        / greatest(extract(epoch from clock_timestamp() - began), 0.0001);
    remaining boolean;
begin
    state := state || jsonb_build_object(
        'rows', (state ->> 'rows')::bigint + written,
        'waits_for', null,
        'rows_per_batch', case
            when locked = 0 then wanted
            when share <= 1 then greatest(1, floor(written * share))::int
            when locked = wanted then least(wanted * least(2, share), 50000)::int
            else wanted
        end,
        'pages_per_batch', case
            when locked = wanted then pages
            -- they took the time to read
            when share <= 1 then greatest(1, floor(pages * share))::int
            else least(pages * least(2, share), 256)::int
        end
    );
    if written = wanted or (share <= 1 and written < locked and wanted > 1) then
        -- there may be more in these pages, or the time was too short for all of them
        return state;
    end if;
    slots := mrl._keeper(
        (state ->> 'table_id')::oid, state ->> 'full_column', state ->> 'short_column'
    );
    execute format(
        'select exists (select from only %s where ctid >= %L and ctid < %L and %s)',
        (place ->> 0)::oid::regclass,
        format('(%s,0)', first_page),
        format('(%s,0)', end_page),
        mrl._fill_todo(state, slots)
    )
    into remaining;
    state := jsonb_set(state, '{todo,0,1}', to_jsonb(end_page));
    if end_page >= (place ->> 2)::bigint then
        state := state #- '{todo,0}';
    end if;
    if remaining then
        state := jsonb_set(
            state,
            '{again}',
            state -> 'again' || jsonb_build_array(
                jsonb_build_array(place -> 0, first_page, end_page)
            )
        );
    end if;
    if (state ->> 'done')::bigint < (state ->> 'total')::bigint then
        state := jsonb_set(
            state, '{done}', to_jsonb((state ->> 'done')::bigint + end_page - first_page)
        );
    end if;
    if state -> 'todo' = '[]' and state -> 'again' = '[]' then
        return state || '{"finished": true}';
    elsif state -> 'todo' = '[]' then
        return state || jsonb_build_object(
            'todo', state -> 'again',
            'again', '[]'::jsonb,
            'waits_for', 'rows that other transactions changed'
        );
    end if;
    return state;
end
$body$;

-- How many bytes of the log the slowest standby has not replayed; 0 if this role can't see it.
-- Called by: mrl._fill_next
create or replace function mrl._standby_lag()
returns bigint
language sql
volatile
parallel safe
begin atomic
    select coalesce(
        pg_catalog.max(
            pg_catalog.pg_wal_lsn_diff(
                pg_catalog.pg_current_wal_lsn(), standby.replay_lsn
            )
        ),
        0
    )::bigint
    from pg_catalog.pg_stat_replication as standby
    where standby.state operator(pg_catalog.=) 'streaming';
end;

-- Fills some rows, and returns the state for the next call, which is another transaction.
-- Called by: mrl.fill_short_column, client/build.sql
create or replace function mrl._fill_next(state jsonb)
returns jsonb
language plpgsql
volatile
-- under the caller's search path, because the update runs the triggers of the table
as $body$
declare
    began pg_catalog.timestamptz;
    locked bigint;
    written bigint;
begin
    -- 64 MB
    if mrl._standby_lag() operator(pg_catalog.>) 67108864::pg_catalog.int8 then
        perform pg_catalog.pg_sleep(0.5);
        return pg_catalog.jsonb_set(state, '{waits_for}', '"a standby that lags"');
    elsif pg_catalog.jsonb_extract_path_text(state, 'waits_for') is not null then
        perform pg_catalog.pg_sleep(0.1);
    end if;
    began := pg_catalog.clock_timestamp();
    execute mrl._fill_statement(state, began) into locked, written;
    return mrl._end_batch(state, locked, written, began);
end
$body$;

-- Raises if the short value of any row is not the short value of its full vector.
-- Called by: mrl._create_steps in a statement, client/build.sql
create or replace function mrl._check_values(
    table_id regclass, full_column name, short_column name
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._keeper(table_id, full_column, short_column);
    key text := (
        select string_agg(format('%L, %I', key, key), ', ')
        from unnest(mrl._keys_of(table_id)) as key
    );
    wrong bigint;
    example text;
begin
    execute format(
        'select count(*), min(jsonb_build_object(%s)::text collate "C") '
        -- by their bytes, which also tells a missing value
        'from %s where row(%s)::record *<> row(%s)::record',
        key,
        slots ->> 'table',
        slots ->> 'short',
        slots ->> 'value'
    )
    into wrong, example;
    if wrong > 0 then
        raise exception 'column %.% has a wrong value in % rows',
            slots ->> 'table', slots ->> 'short', wrong
            using errcode = 'check_violation',
                detail = format('The key of the first such row is %s.', example),
                hint = format(
                    'update %s set %s = null where …, which computes the values again',
                    slots ->> 'table', slots ->> 'short'
                );
    end if;
end
$body$;
