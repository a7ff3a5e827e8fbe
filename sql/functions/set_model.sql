-- Says which embedding model filled a full column, or takes that back.
-- mrl.set_model('docs', 'embedding', 'openai:text-embedding-3-small') -> void
-- Called by: people, client/embed.sql
create or replace function mrl.set_model(
    table_name regclass,
    full_column name,
    -- NULL means that the model is not known
    model text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    claimed int;
begin
    perform mrl.check_owner(table_name);
    perform mrl._table(table_name, full_column);
    if char_length(set_model.model) not between 1 and 200 then
        raise exception 'the name of a model has 1 to 200 characters, not %',
            char_length(set_model.model)
            using errcode = 'invalid_parameter_value',
                hint = 'for example openai:text-embedding-3-small';
    end if;
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    insert into mrl._own_models (entry, full_column, model, set_at)
    values (claimed, set_model.full_column, set_model.model, now())
    on conflict (entry, full_column) do update
    set model = excluded.model,
        set_at = excluded.set_at;
end
$body$;

comment on function mrl.set_model(regclass, name, text) is
'Says which embedding model filled a full column of a table you own, such as '
'openai:text-embedding-3-small; NULL takes that back. mrl-pg search and mrl_pg.embed refuse to '
'search the column by a text with another model. Read it in mrl.column_models.';
