-- The recall of searches on your own rows, compared with exact search, and the causes of losses.
-- mrl.recall('docs', 'embedding', k => 10, sample => 50, …) -> one row
-- Called by: people
create or replace function mrl.recall(
    table_name regclass,
    full_column name,
    k int default 10,
    sample int default 50,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    queries vector[] default null,
    keep boolean default false,
    out recall double precision,
    out low double precision,
    out high double precision,
    out loss_graph double precision,
    out loss_shortlist double precision,
    out loss_prefix double precision,
    out measured int
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    plan pg_catalog.record;
    drawn pg_catalog.record;
    shares pg_catalog.record;
    recalls double precision[] := '{}';
    shortlists double precision[] := '{}';
    prefixes double precision[] := '{}';
    last_notice pg_catalog.timestamptz := pg_catalog.clock_timestamp();
begin
    if keep then
        perform mrl.check_owner(table_name);
        perform mrl._check_writable();
    end if;
    plan := mrl._plan_recall(
        table_name, full_column, k, sample, candidates, filter,
        pg_catalog.cardinality(args), dims, kind, index_name, ef_search,
        max_scan_tuples, queries
    );
    -- raises if the filter contains further statements
    perform mrl._share(table_name, filter, args);
    drawn := mrl._draw_queries(plan.sampling, args, queries);
    for place in 1 .. coalesce(pg_catalog.cardinality(drawn.fulls), 0) loop
        shares := mrl._query_shares(
            plan.statement, plan.settings, args, drawn.fulls[place], drawn.parts[place],
            drawn.spots[place]
        );
        if shares.graph is not null then
            recalls := pg_catalog.array_append(recalls, shares.graph);
            shortlists := pg_catalog.array_append(shortlists, shares.shortlist);
            prefixes := pg_catalog.array_append(prefixes, shares.prefix);
        end if;
        if pg_catalog.clock_timestamp()
            operator(pg_catalog.>) (last_notice operator(pg_catalog.+) interval '10 s')
        then
            -- mrl_pg.calibration.measuring reads the detail
            raise notice '% queries measured', pg_catalog.cardinality(recalls)
                using detail = pg_catalog.format(
                    '%s of %s',
                    pg_catalog.cardinality(recalls),
                    coalesce(pg_catalog.cardinality(queries), sample)
                );
            last_notice := pg_catalog.clock_timestamp();
        end if;
    end loop;
    select
        found.recall, found.low, found.high, found.loss_graph, found.loss_shortlist,
        found.loss_prefix, found.measured
    into recall, low, high, loss_graph, loss_shortlist, loss_prefix, measured
    from mrl._recall_and_losses(recalls, shortlists, prefixes) as found;
    if keep and measured operator(pg_catalog.>) 0 then
        perform mrl._keep_measurement(
            row(
                table_name, plan.index_name, pg_catalog.clock_timestamp(), k,
                pg_catalog.concat_ws(' ', filter, args::pg_catalog.text),
                plan.candidates, plan.ef_search, recall, low, high, loss_graph,
                loss_shortlist, loss_prefix, measured
            )::mrl.measurements
        );
    end if;
end
$body$;

comment on function mrl.recall(
    regclass, name, int, int, int, text, text[], int, text, name, int, int,
    vector[], boolean
) is
'Mean recall of a search compared with exact search, with a 95 % interval, over the queries '
'given or a random sample of the table''s rows (each query leaves out its own row). '
'1 - recall is loss_graph (rows that HNSW missed; raise ef_search, or m when building) plus '
'loss_shortlist (rows that more candidates would have found). loss_prefix is the loss of '
'short vectors alone, without re-ranking. Reads the whole table twice for each query, in one '
'transaction, which holds its lock on the table and its snapshot until the end; mrl-pg recall '
'lets go of both after each query. keep writes the result to mrl.measurements; only the owner '
'of the table may do this.';
