"""Suites: one TOML file each. A suite is data; the runner and the report do the rest."""
