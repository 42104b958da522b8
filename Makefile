# Two commands do everything on a fresh machine: `make eval` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
AGENTS := constant_velocity ego_mlp pdm_closed human
# Runs go on only with the code that began them, so other code gets folders of its own
RUNS := runs/first-$(shell (git rev-parse HEAD; git diff HEAD) 2>/dev/null | sha1sum | cut -c1-8)
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: eval test lint format bench rl clean

eval: $(VENV)/.nn  ## diffusiondrive from camera and lidar: a first table, the embedded split, reports beside others
	$(BIN)/drivelab eval agent=diffusiondrive bench=navsim data=embedded limit=40 workers=2 run.dir=$(RUNS)-40-scenes
	$(BIN)/drivelab eval agent=diffusiondrive bench=navsim data=embedded workers=2 run.dir=$(RUNS)-diffusiondrive
	@for agent in $(AGENTS); do \
	  $(BIN)/drivelab eval agent=$$agent bench=navsim data=embedded run.dir=$(RUNS)-$$agent || exit $$?; \
	done
	@$(BIN)/drivelab report $(RUNS)-diffusiondrive $(AGENTS:%=$(RUNS)-%)

# Files in their own order: by the number of their tests the few long ones would come last, one core idle.
test: $(VENV)/.dev  ## the whole default suite
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not gpu and not carla and not slow"

lint: $(VENV)/.dev  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy drivelab
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## every figure of the speed table
	$(BIN)/python benchmarks/navsim_scorer.py
	$(BIN)/python benchmarks/eval_throughput.py
	$(BIN)/python benchmarks/native_world.py
	$(BIN)/python benchmarks/closed_loop_scores.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml setup.py constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.nn: $(VENV)/.core  ## torch, for agents that are networks
	$(PIP) torch==2.13.0
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[dev]'
	@touch $@

rl: $(VENV)/.rl  ## what networks, learners and their tests need: torch, triton, stable-baselines3, pettingzoo

$(VENV)/.rl: $(VENV)/.dev $(VENV)/.nn
	$(PIP) --editable '.[dev,rl,gpu]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
