-- The short value of a full vector, kinds vector and halfvec: renormalised prefix.
-- Slots: extension, full (an expression), dims, kind
-- Called by: mrl_pg.render.short_value, for the column and for the query alike
{extension}.l2_normalize({extension}.subvector({full}, 1, {dims}))::{extension}.{kind}({dims})
