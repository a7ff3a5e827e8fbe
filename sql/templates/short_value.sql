-- The short value of a full vector, kinds vector and halfvec: renormalised prefix.
-- Slots: extension, full (an expression), dims, kind
-- Called by: mrl_pg.kinds, mrl._short_of; for the column and for the query alike
create or replace function mrl._short_value()
returns text
language sql
immutable
parallel safe
return $template$
{extension}l2_normalize({extension}subvector({full}, 1, {dims}))::{extension}{kind}({dims})
$template$::pg_catalog.text;
