PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

MINIO := .minio
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c

CONTROL_PLANE := $(BIN)/python -m infra.proof.control_plane
NAME ?= arena

.PHONY: setup lock demo test test-minio build-cluster cluster cluster-stop test-cluster test-cluster-long check format clean

setup: $(STAMP)

# constraints.txt pins every package; without it pip would fetch torch's CUDA build (gigabytes).
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# What machines on EC2 install, with hashes.
lock: setup
	$(BIN)/python tests/infra/ec2/lock.py

demo: setup
	$(BIN)/sim-arena demo

# Else each of hundreds of processes compiles all modules again, and pytest rewrites all tests.
unexport PYTHONDONTWRITEBYTECODE

# Three processes for two cores, as some tests wait. OpenMP's threads would only wait for one another, by spinning.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist worksteal

# The store's tests, the whole check of an endpoint and a short chaos on MinIO, which Go builds if it is not installed.
test-minio: setup
	command -v minio >/dev/null || test -x $(MINIO)/minio || \
		GOBIN=$(abspath $(MINIO)) nice go install github.com/minio/minio@$(MINIO_VERSION)
	PATH="$(abspath $(MINIO)):$$PATH" $(BIN)/pytest -k minio \
		tests/protocol/wire/test_store.py tests/infra/proof/test_conformance.py tests/infra/proof/test_chaos.py

# A real Kubernetes with SimKube and KWOK, without containers: needs root, Go and cargo. Built once, below ~/.cache.
build-cluster: setup
	$(CONTROL_PLANE) build

cluster: setup
	$(CONTROL_PLANE) start --name $(NAME)

cluster-stop: setup
	$(CONTROL_PLANE) stop --name $(NAME)

test-cluster: setup
	$(CONTROL_PLANE) run $(BIN)/pytest --durations=0 tests/plane

# Two hours: also the tests of the fake API server on the real one, and 200 scenarios recorded.
test-cluster-long: setup
	$(CONTROL_PLANE) run --bare env SIM_ARENA_REAL=1 $(BIN)/pytest tests/env/simkube
	$(CONTROL_PLANE) run --bare env SIM_ARENA_PLANE_LONG=1 $(BIN)/pytest --durations=0 tests/plane/test_plane_truth.py
	SIM_ARENA_PLANE_LONG=1 $(CONTROL_PLANE) run $(BIN)/pytest --durations=0 tests/plane

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info $(MINIO)
