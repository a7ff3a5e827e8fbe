-- The short value of a full vector, kind bit: 1 where the prefix is above zero.
-- Slots: extension, full (an expression), dims
-- Called by: mrl_pg.render.short_value, for the column and for the query alike
{extension}.binary_quantize({extension}.subvector({full}, 1, {dims}))::bit({dims})
