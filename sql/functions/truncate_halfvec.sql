-- Matryoshka prefix of a halfvec: the first dims values, scaled to length 1.
-- mrl.truncate(v halfvec, dims int) -> halfvec
-- Called by: people; mrl_pg.vectors.truncate does so in NumPy
create or replace function mrl.truncate(v halfvec, dims int)
returns halfvec
language sql
immutable
strict
parallel safe
return case
    when dims operator(pg_catalog.>=) 1
        and dims operator(pg_catalog.<=) vector_dims(v)
    then l2_normalize(subvector(v, 1, dims))
    else array[mrl.refuse_dims(dims, vector_dims(v))]::halfvec
end;

comment on function mrl.truncate(halfvec, int) is
'First dims values of a halfvec, scaled to length 1; zeros stay zeros.';
