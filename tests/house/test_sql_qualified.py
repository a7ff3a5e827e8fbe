"""No statement of mrl_pg looks up a name where others may create objects."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installs import SQL
from support.qualified import unqualified

from mrl_pg import source

FILES = sorted(path for path in SQL.rglob("*.sql") if path.parent.name != "releases")
INSTALLED = ("functions", "internal", "views", "tables", "templates")
"""Run under the path of `schema.sql`: pg_catalog, pgvector's schema, pg_temp."""

SLOTS = {
    "table": "public.docs",
    "scratch": "public.docs",
    "origin": "public.docs",
    "extension": "public.",
    "operator": "<=>",
    "short_operator": "<~>",
    "type": "public.vector(8)",
    "kind": "halfvec",
    "dims": "4",
    "full_dims": "8",
    "m": "16",
    "ef_construction": "64",
    "operator_class": "bit_hamming_ops",
    "norm": "l2_norm",
    "index": "public.docs_index",
    "k": "10",
    "candidates": "100",
    "count": "100",
    "least": "9",
    "up_to": "0.5",
    "bits": "16",
    "seen": "100",
    "storage": "plain",
    "function": "public.nearest",
    "parameters": "query public.vector, k pg_catalog.int4",
    "query": "$1",
    "short_query": "$2",
    "filter": "\n    and (true)",
    "select": "select $1",
    "passes": "select 1, 2",
    "nearest": "select 1, 2",
    "ef_search": "100",
    "checks": "",
    "filtered": "true",
    "table_id": "1",
    "rows": "select 1, 2",
    "exact": "select 1, 2",
    "statement": "select 1",
    "statement_again": "select 1",
    "left_over": "select true",
    "key_names": "id",
    "sample": "tablesample pg_catalog.bernoulli (1)",
    "columns": "id",
    "part": "public.docs",
    "first_page": "0",
    "end_page": "9",
    "most": "9",
    "registry_stamp": "select 1",
    "settings": "array['a']",
    "settings_again": "array['a']",
}
"""Texts for slots where a plain name would not parse; none is looked up."""

OWN = {
    ("create_table", "columns"): "id pg_catalog.int4",
    ("add_vector_column", "table"): "public.docs",
    ("add_vector_column", "column"): "id pg_catalog.int4",
    ("update_rows", "table"): "public.docs",
    ("update_rows", "arrays"): "pg_catalog.unnest($1::pg_catalog.int4[])",
    ("update_rows", "casts"): "mrl_given.id::pg_catalog.int4 as id",
    ("update_rows", "same_key"): "mrl_row.id operator(pg_catalog.=) mrl_file.id",
    ("update_rows", "differs"): "mrl_row.id operator(pg_catalog.<>) mrl_file.id",
    ("add_column", "column"): "id pg_catalog.int4",
    ("change_documents", "changes"): "id = 1",
    ("row_facts", "stamp"): "select 1",
    ("row_stamp_and_rotations", "stamp"): "select 1::pg_catalog.int8 as stamp",
    ("row_stamp_and_rotations", "rotation_stamp"): "select 1::pg_catalog.int8",
    ("column_rotations", "rotation_stamp"): "select 1",
    ("count_apart", "apart"): "true",
    ("empty_apart", "apart"): "true",
    ("row_facts", "columns_of"): "select 1::pg_catalog.int8 as table_id",
    ("row_facts", "unique_keys"): "select '{a}'::pg_catalog.text[] as names",
    ("row_facts", "pgvector"): "select '1' as pgvector_version",
    ("row_facts", "vector_types"): "select '1' as name, 1 as id",
    **{
        (name, slot): text
        for name in (
            *("upsert_rows", "upsert_in_parts", "key_hashes", "delete_by_key"),
            "rows_by_key",
        )
        for slot, text in (
            ("arrays", "pg_catalog.unnest($1::pg_catalog.int4[])"),
            ("casts", "mrl_given.id::pg_catalog.int4 as id"),
            ("same_key", "mrl_row.id operator(pg_catalog.=) mrl_file.id"),
            ("wanted", "true"),
            ("order", "id"),
            ("on_conflict", "on conflict do nothing"),
        )
    },
    ("on_conflict_update", "changes"): "id = excluded.id",
    ("upsert_in_parts", "changed"): "select 1",
    ("upsert_in_parts", "part"): "0",
    ("upsert_in_parts", "part_column"): "part",
    ("change_in_parts", "changes"): "id = mrl_file.id",
    ("change_in_parts", "same_key"): "mrl_row.id operator(pg_catalog.=) mrl_file.id",
    ("nearest_parts", "table"): "'docs'",
    ("nearest_parts", "column"): "'embedding'",
    ("nearest_parts", "probes"): "8",
    ("part_of_row", "entry"): "1",
    ("part_of_row", "column"): "'embedding'",
    ("part_of_row", "distance"): "'l2'",
    ("nearest", "near"): " ",
    ("estimated_pass", "ordered"): "select 1 as id, $1 as mrl_full, 1 as mrl_order",
    ("near_orders", "ordered"): "select 1 as id, $1 as mrl_full, 1 as mrl_order",
    ("word_query", "config"): "$1::pg_catalog.regconfig",
    ("word_query", "words"): "$2",
    ("word_query", "table"): "1::pg_catalog.oid",
    ("word_query", "column"): "'title'",
    ("word_query", "any_word"): "true",
    ("matching", "asked_words"): "select 1 as asked, 2 as ranked",
    ("by_words", "matching"): "mrl_matching as (select 1)",
    ("by_words", "row_table"): "public.docs",
    ("hybrid", "matching"): "mrl_matching as (select 1)",
    ("hybrid", "row_table"): "public.docs",
    ("unnested", "carrier"): "pg_catalog.int4",
    ("create_index", "index"): "docs_index",
    ("single_pass_index", "index"): "docs_index",
    ("sample", "sample"): "10",
    ("sample_both", "sample"): "10",
    ("create_sample", "sample"): "pg_temp.sample",
    ("keep_rows", "sample"): "pg_temp.sample",
    ("kept_rows", "sample"): "pg_temp.sample",
    ("forget_rows", "sample"): "pg_temp.sample",
    ("drop_sample", "sample"): "pg_temp.sample",
    ("kept_rows", "after"): "9",
    ("forget_rows", "after"): "9",
    ("recommended", "name"): "public.docs",
    ("graph_found", "places"): "select null::pg_catalog.tid as place, $1 as short",
    ("graph_found", "answers"): "40",
    ("recommended", "queries"): ", queries => null",
    ("spread_rows", "sample"): "10",
}
"""The same, for slots of one file."""

EMPTY = {
    *("checks", "extra", "promise", "concurrently", "options", "drawn"),
    *("if_not_exists", "only_read", "guard", "within"),
}
PARTS = {
    "check_in_function": "create function public.f() returns pg_catalog.bool"
    " language plpgsql as $$begin{}end$$",
    "trigger_function": "create function public.f() returns pg_catalog.trigger"
    " language plpgsql as $${}$$",
    "near_enough": "with mrl_candidates as (select 1 as distance)"
    " select 1 where true {}",
    "document": "select {}",
    "matching": "with {} select 1 from mrl_matching",
    "relevance_of_any": "with mrl_words as (select 1 as ranked) select {}",
    "relevance_of_all": "with mrl_words as (select 1 as ranked) select {}",
    "seen": "with mrl_candidates as (select 1 as distance) select 1{}",
    "only_read": "select 1 as distance from public.docs where true {}",
    **{
        name: "select {}"
        for name in source.statements("client/documents.sql")
        if not name.startswith(
            ("create_", "count_", "documents_", "change_", "distinct_values")
        )
        and name not in ("field_types", "field_extremes")
    },
    "change_metadata": "update public.docs set {}",
    "change_column": "update public.docs set {}",
    "short_value": "select {}",
    "bench_binary": "select {}",
    "bench_subvector": "select {}",
    "bench_sub_vector_value": "select {}",
    "short_bits": "select {}",
    "only_short": "select {}",
    "own_plan": "with mrl_query as (select 1) select {}",
    "translated_table": "select {}",
    "stamp": "select {}",
    "stamp_in_use": "select {}",
    "is_short_column": "select {}",
    "key_hash": "select {}",
    "key_seed": "select {}",
    "drawn_by_hash": "select true {}",
    "recommended_kept": "select mrl.calibrate('', ''{})",
    "recommended_selected": "select mrl.calibrate('', ''{})",
    "unnested": "select {}",
    "row_vector_differs": "select {} from public.a as mrl_row, public.b as mrl_file",
    "table_of_name": "select {}",
    "table_of_facts": "with mrl_columns as (select 1) select {}",
    "part_of_row": "select {}",
    "change_in_parts": "with mrl_file as (select 1 as id) {}",
    "if_none_exists": "with mrl_there as (select 1) select {}",
    "on_conflict_skip": "insert into public.docs (id) values (1) {}",
    "on_conflict_update": "insert into public.docs (id) values (1) {}",
    "row_vector_missing": "select {} from public.a as mrl_row",
    "at_least": "with mrl_before as (select '1' as before) select {}",
    "gate": "with mrl_before as (select 1) select {}",
    "promised_pass": "with mrl_before as (select 1) select * from ({}) as pass",
    "promise": "select 1 as one{}",
    "identity_column": "create table public.docs ({})",
}
"""Statements around texts that are no statements by themselves."""


def filled(text: str, name: str = "") -> str:
    """A text with slots and parameters, as it might reach the server."""

    def value(slot: re.Match[str]) -> str:
        there = OWN.get((name, slot[1])) or SLOTS.get(slot[1])
        if there is not None:
            return there
        return "" if slot[1] in EMPTY else f'"{slot[1]}"'

    text = re.sub(r"\{(\w+)\}", value, text)
    return re.sub(r"%\(\w+\)s", "$1", text).replace("%%", "%")


def texts(path: Path) -> Iterator[tuple[str, bool]]:
    """Texts of a file that reach the server, and whether under the installing path."""
    file, kind = path.relative_to(SQL).as_posix(), path.parent.name
    text = source.read(file)
    if kind == "client":
        for name, statement in source.statements(file).items():
            frame = PARTS.get(name, "{}")
            yield frame.replace("{}", filled(statement, name)), False
        return
    # without lines that only psql reads
    yield re.sub(r"^\\.*$", "", text, flags=re.MULTILINE), kind in INSTALLED
    if kind == "templates":
        frame = PARTS.get(path.stem, "{}")
        yield frame.replace("{}", filled(source.template(path.stem), path.stem)), False


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_name_is_qualified(path: Path) -> None:
    found = [
        name
        for text, installed in texts(path)
        for name in unqualified(text, installed=installed)
    ]
    assert found == []
