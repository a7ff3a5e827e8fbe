# Each target makes .venv first if it is missing; Python 3.10 or later and make are all
# it takes. README gives the same in plain pip commands.
PYTHON ?= python3
BIN := .venv/bin
# Compiled modules are kept, or each worker compiles all test files in each run.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test test-train check format bench soak docs extension dist deb clean

demo: .venv/demo  ## search a dictionary by meaning, on an embedded PostgreSQL
	$(BIN)/mrl-pg demo --directory .mrl_pg/pg18

# make test DSN=postgresql://postgres@localhost/  on a server of your own
# make test PG_BIN=/usr/lib/postgresql/15/bin  on servers started with your own programs
# make test SELECT='tests/build -m "not every_version"'  only some of the tests
# make test SELECT=--every-version  on PostgreSQL 16, too, where the server matters
SERVERS := $(if $(DSN),--dsn='$(DSN)') $(if $(PG_BIN),--pg-bin='$(PG_BIN)')
# One more than there are cores, because a test waits while its server works. In the
# files' own order: by number of tests, files of few long ones would come last.
COUNT = $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() + 1))')
WORKERS := -n $(COUNT) --dist loadfile --no-loadscope-reorder

test: .venv/installed  ## all tests, a few files at a time
	$(BIN)/pytest $(if $(DSN),-n 0,$(WORKERS)) $(SERVERS) $(SELECT)

# in an environment of its own, because torch is 200 MB to 3 GB; CI does not
test-train:  ## the tests that train models, with torch
	.ci/train $(PYTHON) .venv-train

check: .venv/installed  ## lint, format and types, as CI runs them
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed  ## put the code in house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# make bench VECTORS=yours.npy  on your own vectors; also .parquet and .hdf5
bench: .venv/installed  ## mrl_pg beside other ways to search, begins nothing new after 8 minutes
	$(BIN)/mrl-pg bench $(VECTORS) --seconds 0.3 --minutes 8 --out .mrl_pg/bench

soak: .venv/installed  ## hit all commands that change a table in use; HITS=100
	$(BIN)/python benchmarks/soak.py --hits $(or $(HITS),100)

docs: .venv/installed  ## the documentation as a site, build/site
	$(BIN)/python tools/docs_site.py

extension: .venv/installed  ## dist/extension, for create extension mrl_pg
	$(BIN)/mrl-pg extension dist/extension

dist: .venv/installed  ## dist/: for pip, and the extension for PGXN
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/python tools/dist.py

deb: .venv/installed  ## Debian packages of the extension, into dist/
	$(BIN)/python tools/dist.py --deb

$(BIN)/python:
	$(PYTHON) -m venv .venv

# only what the demo needs, so that it starts soon
.venv/demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cli,embedded]'
	touch $@

# all that the demo needs, too; the few modules that are imported are compiled then
.venv/installed: pyproject.toml | $(BIN)/python
	$(PIP) --no-compile --editable '.[dev]'
	touch $@ .venv/demo

clean:  ## remove the virtual environment and build leftovers; .mrl_pg/ stays
	rm -rf .venv .venv-train build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
