create extension vector;
create extension mrl_pg;
