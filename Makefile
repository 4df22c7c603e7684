# The same few commands for people and for CI.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --constraint constraints.txt --editable

BUILTIN := prompts_store/builtin
TASKS   := count digits letters orientation position textures

.PHONY: serve test fuzz check format builtin-tasks image-check proto clean

serve: $(VENV)/.serving
	$(BIN)/facet serve

test: $(VENV)/.development
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadscope

# Tens of thousands of mutated files and generated requests, and figures of each; `make test` runs a
# slice of them.
fuzz: $(VENV)/.development
	$(BIN)/pytest --long -m long -rP

check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What serving and training need; the first time, pip fetches PyTorch and shows how far it is.
$(VENV)/.serving: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) '.[train,data,heic]'
	touch $@

# The same and the tools of development. One has an environment of its own: it wants an older typer.
$(VENV)/.development: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) '.[train,data,heic,hf,report,tensorboard,otel,onnx,dev]'
	$(PYTHON) -m venv $(VENV)/generator
	$(VENV)/generator/bin/pip install --quiet openapi-python-client==0.29.1
	touch $@ $(VENV)/.serving

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Trains the builtin tasks anew. One core each: two at a time are faster than one on two cores, and the
# sums do not depend on how many cores there are.
builtin-tasks: $(VENV)/.serving
	$(MAKE) --jobs 2 --output-sync $(TASKS:%=builtin-task-%)

builtin-task-%:
	OMP_NUM_THREADS=1 $(BIN)/facet train --recipe training/recipes/$*.toml --device cpu \
		--out $(BUILTIN)/$*.safetensors --samples $(BUILTIN)/samples/$* --embed-samples 3

# Builds the Dockerfile without a Docker engine and tries the image; as root, on Debian, with 40 GB of disk.
image-check:
	deploy/image-check.sh

# Writes the messages of gRPC anew, from inference.proto.
proto: $(VENV)/.development
	$(BIN)/python -m grpc_tools.protoc -I service/grpc --descriptor_set_out=service/grpc/inference.binpb inference.proto

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
