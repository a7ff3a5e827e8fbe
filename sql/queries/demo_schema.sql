-- Makes the demo's own schema; nothing outside it is touched.
-- No parameters
-- Called by: mrl_pg.demo.dictionary
create schema if not exists mrl_demo
