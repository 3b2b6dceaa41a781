# `make book` builds the book, `make test` proves it. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS := $(sort $(wildcard book/*.ipynb))
# NumPy's BLAS threads wait for each other on busy cores; the same products then take up to a hundred times longer.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: help book serve pdf zip wheel test test-stand-in lab run chapter repository formulas claims count planted mutants bench audit lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.venv/ready: requirements.txt constraints.txt pyproject.toml scripts/environment.py
	@$(PYTHON) scripts/environment.py

book: .venv/ready ## build the book and say where it is
	@$(BIN)/python scripts/build_book.py

serve: book ## build the book and serve it at http://localhost:8000
	@$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

pdf: .venv/ready ## print the whole book to one PDF (needs Chromium)
	@$(BIN)/python scripts/make_pdf.py

zip: .venv/ready ## pack the built book as one archive that needs no network
	@$(BIN)/python scripts/make_zip.py

wheel: .venv/ready ## pack mlmath alone, to be installed with pip
	@$(BIN)/python -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation -w _build .
	@ls _build/mlmath-*.whl

test: .venv/ready ## prove it: style, unit, property and documentation tests, every notebook's every number
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-kernel-name python3 tests mlmath $(NOTEBOOKS)

test-stand-in: .venv/ready ## run the notebooks on the embedded data instead of MNIST: their assertions decide
	@MLMATH_MNIST=stand-in $(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-kernel-name python3 \
		$$(grep -l load_mnist $(NOTEBOOKS))

lab: .venv/ready ## open the notebooks in JupyterLab, trusted, so that their figures move at once
	@$(BIN)/jupyter trust $(NOTEBOOKS) > /dev/null
	@$(BIN)/jupyter lab --notebook-dir book --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

run: .venv/ready ## execute the notebooks anew, those named in NB="book/… book/…" or all, and store their outputs
	@$(BIN)/python scripts/run_notebooks.py $(or $(NB),$(NOTEBOOKS))

chapter: .venv/ready ## begin a chapter, NAME=3_8_batch_normalization: a skeleton that passes the structure tests
	@$(BIN)/python scripts/new_chapter.py $(NAME)

repository: .venv/ready ## name the repository, URL=https://…: links, Binder and Colab, and what a notebook alone installs
	@$(BIN)/python scripts/name_repository.py $(URL)

formulas: .venv/ready ## collect the labelled equations and their checks from the notebooks into book/formulas.md
	@$(BIN)/python scripts/collect_formulas.py

claims: .venv/ready ## collect the empirical claims and their evidence from the notebooks into book/claims.md
	@$(BIN)/python scripts/collect_claims.py

count: .venv/ready ## count what the book has, and write it into the README
	@$(BIN)/python scripts/count_book.py --readme

planted: .venv/ready ## plant errors in every checked equation of the notebooks: each check must catch them
	@$(BIN)/python scripts/plant_errors.py $(NB)

mutants: .venv/ready ## put small errors into the mathematics, all modules or MODULES="losses tape": a test must fail for each
	@$(BIN)/python scripts/mutants.py $(MODULES)

bench: book ## measure: training beside Keras, live figures, what the pages weigh; nothing is tested
	@missed=0; for part in benchmark benchmark_figures benchmark_pages; do \
		$(BIN)/python scripts/$$part.py || missed=1; done; exit $$missed

audit: book ## list all licences and what the pages ship in docs/dependencies.md; look known vulnerabilities up
	@$(BIN)/python scripts/audit.py

lock: .venv/ready ## renew constraints.txt from requirements.txt (needs uv)
	@sed '/^-c/d' requirements.txt | uv pip compile - --universal --python-version 3.11 --fork-strategy fewest --no-annotate --no-header -q -o _build/constraints.txt
	@{ head -n 1 constraints.txt; cat _build/constraints.txt; } > _build/locked.txt && mv _build/locked.txt constraints.txt

clean: ## remove what was built; notebooks, data and .venv stay
	@rm -rf _build .pytest_cache .hypothesis .ruff_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
