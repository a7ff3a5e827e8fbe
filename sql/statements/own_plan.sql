-- Condition of a first pass that has a prepared statement planned for its values each time.
-- Slots: query, decides (whether values decide the plan: known when it is planned)
-- Called by: mrl_pg.search.render
case
    when {query} is not null
    then true
    -- A plan for the values at hand leaves this out. A plan for any values cannot, and the
    -- planner takes it for too expensive to be kept. It reads nothing when it runs.
    else (
        select pg_catalog.count(*) operator(pg_catalog.>) 0
        from pg_catalog.generate_series(
            1::pg_catalog.int8,
            case
                when {decides}
                    -- a session that wants such plans gets them, without a JIT for the cost
                    and pg_catalog.current_setting('plan_cache_mode')
                        operator(pg_catalog.<>) 'force_generic_plan'
                then 1000000000000000::pg_catalog.int8
                else 1::pg_catalog.int8
            end
        )
        where (select mrl_query."full" from mrl_query) is not null
    )
end
