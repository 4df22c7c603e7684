# The same few commands for people and for CI.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

BUILTIN := prompts_store/builtin
TASKS   := count digits letters orientation position textures

.PHONY: install serve test check format clean builtin-tasks

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,data,hf,report,tensorboard,dev]'
	touch $@

serve: install
	$(BIN)/facet serve

test: install
	$(BIN)/pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Trains the builtin tasks anew. One core each: two at a time are faster than one on two cores, and the
# sums do not depend on how many cores there are.
builtin-tasks: install
	$(MAKE) --jobs 2 --output-sync $(TASKS:%=builtin-task-%)

builtin-task-%:
	OMP_NUM_THREADS=1 $(BIN)/facet train --recipe training/recipes/$*.toml --device cpu \
		--out $(BUILTIN)/$*.safetensors --samples $(BUILTIN)/samples/$*

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
