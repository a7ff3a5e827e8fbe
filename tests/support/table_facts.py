"""Tables as `tune` reads them, without a server."""

from mrl_pg.tune.rows.table import TableFacts

TABLE = TableFacts(
    name="public.docs",
    full_type="vector",
    full_dims=1536,
    rows=1_000_000,
    heap_bytes=80_000_000,
    toast_bytes=8_000_000_000,
    row_width=60,
    storage="external",
    cache_bytes=4_000_000_000,
    build_bytes=64_000_000,
    may_create=True,
)
