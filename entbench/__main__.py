"""``python -m entbench`` is ``entbench``."""

from entbench.cli import main

main(prog_name="entbench")
