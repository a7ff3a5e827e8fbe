-- Creates pgvector where it is missing; by default an administrator's right.
-- No slots
-- Called by: mrl_pg.build.definitions
create extension if not exists vector
