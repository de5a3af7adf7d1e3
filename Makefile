# AI 101. `make` alone lists the targets. Without make, see docs/running.md.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 1
# Trust what the system trusts, as pip does: a company's own certificate authority, say.
export UV_SYSTEM_CERTS ?= 1
IMAGE_LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
  --no-header --python-version 3.11 --constraint requirements.lock
# Folders of their own: what someone tuned or saved by hand does not belong in a lab's outputs.
HEADLESS := LABKIT_HEADLESS=1 LABKIT_STUDIES="$(CURDIR)/build/studies" \
  LABKIT_STORE="$(CURDIR)/build/models"
SAMPLE := LABKIT_DATA=sample $(HEADLESS)
# Two processes of one thread each get more done than two of two.
ONE_THREAD := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup lab run test test-upkeep test-browser test-services test-image test-cluster test-real notebooks pictures docs handouts bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make the environment in .venv; the others call it when needed

# uv installs the lock in a fraction of pip's time. Compiling bytecode now makes the first
# `import tensorflow` take a third of the time it takes otherwise.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "This is Python %d.%d; AI 101 needs 3.11, 3.12 or 3.13. Choose one with: make PYTHON=python3.12" % v)'
	@echo "Setting up .venv, once: 1 to 4 minutes, about 3.4 GB."
	@$(PYTHON) -m venv --clear .venv || { echo "Python could not make .venv. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@UV=$$(command -v uv || echo $(BIN)/uv); export VIRTUAL_ENV="$(CURDIR)/.venv"; \
	  $$UV pip sync --quiet --require-hashes --compile-bytecode requirements.lock && \
	  $$UV pip install --quiet --no-deps --editable .
	@touch $(READY)

lab: $(READY) ## open JupyterLab on notebooks/00-start-here.ipynb
	@$(BIN)/labkit lab

run: $(READY) ## run every lab headless, JOBS=1 at a time; ends in a table and build/gallery/index.html
	@$(BIN)/labkit run --jobs $(JOBS)

test: $(READY) ## unit tests, the manifests, then every lab against its committed outputs and solutions
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.k8s.rendering
	@$(SAMPLE) $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal \
	  -m "not slow" tests/notebooks tests/unit tests/k8s tests/docs
	@$(BIN)/python -m tests.notebooks.judged build/judged
	@$(SAMPLE) LABKIT_PROGRESS=build/judged/progress.json $(ONE_THREAD) \
	  $(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax -p tests.nbval_guard \
	  -p no:cacheprovider build/judged

test-upkeep: $(READY) ## the pictures against what draws them; nbval against what it must notice
	@$(SAMPLE) $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal tests/upkeep

test-browser: $(READY) ## JupyterLab in a real browser; needs Chromium (apt install chromium)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[browser]'
	@LABKIT_DATA=$${LABKIT_DATA:-sample} $(HEADLESS) $(BIN)/python -m pytest tests/browser

test-services: $(READY) ## kills, outages, load, other clients, slow tests; needs PostgreSQL, Ceph, Java, Maven and curl
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[services]'
	@$(SAMPLE) $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile -m slow \
	  tests/unit tests/notebooks tests/docs
	@$(SAMPLE) $(BIN)/python -m pytest tests/services

test-image: $(READY) ## the image, built and run as a strict cluster does; root on Linux, buildah, debootstrap, runc, curl
	@$(BIN)/python -m pytest -p no:cacheprovider tests/image

test-cluster: $(READY) ## Kubernetes of one node: manifests, JupyterLab, sweep, training; needs root, Go, containerd and test-image
	@$(BIN)/python -m tests.k8s.rendering
	@$(SAMPLE) $(BIN)/python -m pytest tests/cluster

test-real: $(READY) ## accuracies on the real data; needs LABKIT_DATA
	@LABKIT_HEADLESS=1 $(BIN)/python -m pytest tests/real

notebooks: $(READY) ## run every lab on the sample and save the outputs into it
	@$(SAMPLE) $(BIN)/labkit notebooks

pictures: $(READY) ## draw Pictures/ anew, and a sheet of all, light and dark: build/pictures/contact-sheet.html
	@$(BIN)/python Pictures/make_pictures.py
	@$(BIN)/python Pictures/make_pictures.py --sheet build/pictures

docs: $(READY) ## the site, build/site/index.html: open it from the folder, no server needed
	@rm -rf build/site
	@$(BIN)/python -m sphinx --jobs auto --quiet --fresh-env --fail-on-warning --conf-dir docs \
	  --doctree-dir build/doctrees . build/site
	@echo "The site: build/site/index.html"

handouts: $(READY) ## every lab with its outputs as HTML and, with Chromium, PDF, in build/handouts
	@$(BIN)/labkit handouts

bench: $(READY) ## measure recipes, pipelines, sweeps, servers, streams and workers on the real data: both sides, the ratio
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --editable '.[bench]'
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/recipes.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/pipeline.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/passes.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/sweeps.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/serving.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/streaming.py
	@LABKIT_HEADLESS=1 $(BIN)/python benchmarks/scaling.py

lock: $(READY) ## bring requirements.lock, and the image's, up to date with pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
	  --python-version 3.11 --extra dev --output-file requirements.lock pyproject.toml
	@printf 'cyclonedx-bom\nhatchling\nuv\n' | \
	  $(IMAGE_LOCK) --output-file docker/jupyterlab/locks/tools.lock - >/dev/null
	@sed -n 's/^tensorflow==\([^ ]*\).*/tensorflow-cpu==\1 ; platform_machine == "x86_64"/p' \
	  requirements.lock | $(IMAGE_LOCK) --no-deps --output-file docker/jupyterlab/locks/cpu.lock - >/dev/null
	@$(IMAGE_LOCK) --extra gpu pyproject.toml | \
	  awk '/^[^ ]/ {ours = /^nvidia/} ours' > docker/jupyterlab/locks/gpu.lock

clean: ## delete the environment and everything that was built
	rm -rf .venv build dist .pytest_cache .ruff_cache *.egg-info
