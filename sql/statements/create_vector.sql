-- Creates pgvector where it is missing; by default an administrator's right.
-- No slots
-- Called by: mrl_pg.render.definitions
create extension if not exists vector
