-- The short value of a full vector, kind bit: 1 where the prefix is above zero.
-- Slots: extension, full (an expression), dims
-- Called by: mrl_pg.kinds, mrl._short_of; for the column and for the query alike
create or replace function mrl._short_bits()
returns text
language sql
immutable
parallel safe
return $template$
{extension}binary_quantize({extension}subvector({full}, 1, {dims}))::bit({dims})
$template$::pg_catalog.text;
