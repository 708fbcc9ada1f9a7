PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo up test test-slow load check lock messages screenshots doctor bench fuzz

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: ## the living demonstration of a province; ctrl-C ends it (options: make demo ARGS="--full")
	@$(PYTHON) dev.py demo $(ARGS)

up: ## an installation with the settings of the environment (docs/operations.md)
	@$(PYTHON) dev.py khien up $(ARGS)

test: ## the tests that must pass everywhere (options: make test ARGS="-k audit")
	@$(PYTHON) dev.py test -m "not slow" $(ARGS)

test-slow: ## the tests that take longer: set-up, kill -9, load
	@$(PYTHON) dev.py test -m slow $(ARGS)

load: ## a province's peak on loopback: scans and look-ups, figures printed
	@$(PYTHON) dev.py test -m slow -s tests/load $(ARGS)

check: ## style, types, layers, links
	@$(PYTHON) dev.py check

fuzz: ## fuzz the readers of codes and certificates (options: make fuzz ARGS="--target hc1 --runs 1000000")
	@$(PYTHON) dev.py fuzz $(ARGS)

doctor: ## what is missing on this machine, and how to get it
	@$(PYTHON) dev.py khien doctor

bench: ## one benchmark, or all: make bench ARGS=search
	@$(PYTHON) dev.py khien bench $(ARGS)

screenshots: ## write the pictures of the README anew, by driving the main job in a browser
	@$(PYTHON) dev.py screenshots

messages: ## bring the English catalogues up to date and compile them
	@$(PYTHON) dev.py messages $(ARGS)

lock: ## write the locks anew from pyproject.toml (newest versions: make lock ARGS=--upgrade)
	@$(PYTHON) dev.py lock $(ARGS)
