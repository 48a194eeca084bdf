"""Tables, files and figures, from the records of a run alone."""

from entbench.report._checks import CHECKS, Check
from entbench.report._experiment import experiment_printout
from entbench.report._export import (
    EXPORT_FORMATS,
    export_rows,
    export_text,
    interval_columns,
    write_export,
)
from entbench.report._files import check_folder, write_experiment_files, write_files
from entbench.report._render import FORMATS, Format, Printout, Screen, Table, render
from entbench.report._requests import FIGURE_NAMES, check_requests
from entbench.report._suite import Summary, suite_data, suite_printout, summarise
from entbench.report._tables import TABLES

__all__ = [
    "CHECKS",
    "EXPORT_FORMATS",
    "FIGURE_NAMES",
    "FORMATS",
    "TABLES",
    "Check",
    "Format",
    "Printout",
    "Screen",
    "Summary",
    "Table",
    "check_folder",
    "check_requests",
    "experiment_printout",
    "export_rows",
    "export_text",
    "interval_columns",
    "render",
    "suite_data",
    "suite_printout",
    "summarise",
    "write_experiment_files",
    "write_export",
    "write_files",
]
