# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo

.PHONY: demo test lint format images speed clean

demo: $(VENV)/.core
	rm -rf $(RUN)
	$(BIN)/dltrader train ppo_attention --out $(RUN)
	$(BIN)/dltrader backtest $(RUN)
	$(BIN)/dltrader plot $(RUN)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Every picture that the README shows.
images: $(VENV)/.core
	rm -rf runs/readme
	$(BIN)/dltrader train ppo_attention --out runs/readme
	$(BIN)/dltrader backtest runs/readme
	$(BIN)/dltrader plot runs/readme --out images

# The speeds that the README tells and shows; eight minutes.
speed: $(VENV)/.core
	$(BIN)/dltrader bench speed --out images/speed.png

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

# The stamps make a set-up run again when what it installs has changed.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.core
