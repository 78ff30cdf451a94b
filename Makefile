# Every job of the book. Each target makes the environment it needs; `make` alone lists them.
#
# Variables: PYTHON (which Python makes the environment), DATASET (for run), CHAPTER (for run, evidence,
# evidence-check, test-colab), JOBS (for run, evidence: processes at a time), for evidence DATASETS, SEEDS, BACKEND, and for
# evidence-check BEFORE (a checkout to compare with, number by number), and for release VERSION. Lists are separated by
# spaces.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help book test run unit test-datasets lint browser evidence search evidence-check networks bench colab test-colab \
	release clean constraints outdated
.DELETE_ON_ERROR:

NAMED := $(PYTHON) # empty unless the caller names one
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
VERSION := -c 'import sys; print(*sys.version_info[:2])'
# An environment of another version than the Python that the caller names is made anew; none is named, it stays.
OTHER := $(if $(and $(strip $(NAMED)),$(wildcard $(PY))),$(filter-out same,$(shell \
	test "$$("$(PYTHON)" $(VERSION) 2>&1)" = "$$($(PY) $(VERSION) 2>&1)" && echo same || echo other)))
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile # two processes of one thread each
COMPILE := uv pip compile --universal --python-version 3.11 --no-header --no-annotate requirements.txt

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 22

outdated: # removes the environment, if the caller's Python is a good one
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || exit 0; \
		echo "$(VENV) has $$($(PY) --version), not $$("$(PYTHON)" --version): it is made anew."; rm -rf $(VENV)

$(INSTALLED): requirements.txt constraints.txt $(if $(OTHER),outdated)
	@test -w . || { echo "$(CURDIR) may not be written: copy the book's folder to a place of your own" >&2; exit 1; }
	@command -v "$(PYTHON)" > /dev/null || { echo "There is no $(PYTHON); install Python 3.11 or later, or give one: make PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1); the book needs Python 3.11 or later: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(PY) || { echo "Making the environment $(VENV)."; "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing the requirements into $(VENV); the first time this takes some minutes."
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

book: run ## build the book: _build/html/index.html
	@echo "Rendering the pages."
	@$(PY) -m runner.commands stage $(if $(DATASET),--dataset "$(DATASET)")
	@rm -rf _build/html # or pages that no longer exist would stay
	@$(VENV)/bin/jupyter-book build _build/book --path-output . --quiet -W -n --keep-going --all
	@$(PY) book/check_pages.py _toc.yml _build/html
	@echo "The book is built: open $(CURDIR)/_build/html/index.html"

run: $(INSTALLED) ## execute the chapters that have changed (DATASET=glyphs, CHAPTER=01_background, JOBS=2)
	@echo "Running the chapters that have changed."
	@$(PY) -m runner.commands run $(if $(DATASET),--dataset "$(DATASET)") $(if $(JOBS),--jobs $(JOBS)) $(CHAPTER)

test: run ## execute the chapters that have changed, then all unit tests
	@echo "Running the unit tests."
	@$(PYTEST)

unit: $(INSTALLED) ## the unit tests alone
	@$(PYTEST)

test-datasets: $(INSTALLED) ## execute every chapter on every dataset
	@$(PY) -m runner.commands test-datasets

lint: $(INSTALLED) ## check style, format, and that notebooks are stored without outputs
	@echo "Checking style and format."
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(if $(wildcard notebooks/*.ipynb),$(VENV)/bin/nbstripout --verify $(wildcard notebooks/*.ipynb))

evidence: $(INSTALLED) ## repeat a chapter over seeds and datasets (CHAPTER=01_background)
	@test -n "$(CHAPTER)" || { echo "Say which chapter: make evidence CHAPTER=01_background" >&2; exit 1; }
	@$(PY) -m runner.repeat $(CHAPTER) $(if $(DATASETS),--datasets $(DATASETS)) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(BACKEND),--backend $(BACKEND))
	@echo "Storing the verdicts on the claims, and drawing the README's picture."
	@$(PY) -m runner.verdicts --update
	@$(PY) -m runner.picture

search: $(INSTALLED) ## search for the book's recipe again, and write every trial to book/search.csv
	@$(PY) -m runner.search

networks: $(INSTALLED) ## train again the networks that ship with the book, where their recipe or code has changed
	@$(PY) -m runner.shipped

bench: $(INSTALLED) ## speeds of this machine
	@$(PY) -m runner.bench

evidence-check: $(INSTALLED) ## rerun seed 0 where the code behind stored evidence has changed (BEFORE=checkout)
	@$(PY) -m $(if $(BEFORE),runner.unmoved $(BEFORE),runner.recheck) $(CHAPTER)

browser: ## install Chromium, with which the tests look at the pages (Debian or Ubuntu, as root)
	@command -v chromium > /dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }

colab: $(INSTALLED) ## write the edition for Colab: _build/colab, with outputs where `make run` has made them
	@$(PY) -m runner.colab

test-colab: colab ## run the last commit's chapters as Colab does (CHAPTER=01_background, or drawn; COLAB_PYTHON=python3.13)
	@$(PY) -m runner.colab_run $(if $(filter drawn,$(CHAPTER)),--drawn,$(CHAPTER))

release: $(INSTALLED) ## set the release's tag wherever it stands (VERSION=0.2.0)
	@test -n "$(VERSION)" || { echo "Say which version: make release VERSION=0.2.0" >&2; exit 1; }
	@$(PY) -m runner.release $(VERSION)

clean: ## remove _build and all caches, trained networks too; .venv and downloaded data stay
	rm -rf _build .cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

constraints: $(INSTALLED) ## pin every indirect dependency again, in constraints.txt
	@test -x $(VENV)/bin/uv || { echo "Installing uv."; $(PY) -m pip install -q --disable-pip-version-check uv; }
	@echo "Resolving the requirements."
	@pins=$$($(VENV)/bin/$(COMPILE) --quiet) && printf '%s\n' "# Every dependency, pinned; do not edit by hand. Written by \`make constraints\`:" \
		"# $(COMPILE)" "$$pins" > constraints.txt
	@touch $(INSTALLED)
