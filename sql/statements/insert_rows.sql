-- Takes rows as one array a column, where COPY cannot.
-- Slots: table, columns, values (of unnested)
-- Called by: mrl_pg.load.job
insert into {table} ({columns})
overriding system value
select {values}
