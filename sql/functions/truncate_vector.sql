-- Matryoshka prefix of a vector: the first dims values, scaled to length 1.
-- mrl.truncate(v vector, dims int) -> vector
-- Called by: people; mrl_pg.vectors.truncate does so in NumPy
create or replace function mrl.truncate(v vector, dims int)
returns vector
language sql
immutable
strict
parallel safe
return case
    when dims operator(pg_catalog.>=) 1
        and dims operator(pg_catalog.<=) vector_dims(v)
    then l2_normalize(subvector(v, 1, dims))
    else array[mrl.refuse_dims(dims, vector_dims(v))]::vector
end;

comment on function mrl.truncate(vector, int) is
'First dims values of a vector, scaled to length 1; zeros stay zeros.';
