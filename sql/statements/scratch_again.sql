-- Copies the full vectors of a copy, in the order of their keys.
-- Slots: scratch, origin
-- Called by: mrl_pg.tune.scratch
insert into {scratch} (embedding)
select copied.embedding
from {origin} as copied
order by copied.id
