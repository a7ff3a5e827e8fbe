-- A first pass that hands over as many candidates as a calibration says.
-- Slots: passes (its own limit, a literal, is what keeps it on the index)
-- Called by: mrl_pg.search.render
select *
from (
{passes}
) as mrl_pass
limit (select mrl_candidates from mrl_before)
