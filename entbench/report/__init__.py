"""Tables, files and figures, from the records of a run alone."""

from entbench.report._files import check_folder, write_files
from entbench.report._render import FORMATS, Format, Printout, Screen, Table, render
from entbench.report._suite import Summary, suite_data, suite_printout, summarise
from entbench.report._theory import CHECKS, Check, check_names

FIGURE_NAMES = ("error-vs-n", "estimate-vs-parameter")

__all__ = [
    "CHECKS",
    "FIGURE_NAMES",
    "FORMATS",
    "Check",
    "Format",
    "Printout",
    "Screen",
    "Summary",
    "Table",
    "check_folder",
    "check_names",
    "render",
    "suite_data",
    "suite_printout",
    "summarise",
    "write_files",
]
