"""Run the commands of the gallery's page and keep the figures that it shows, made small.

    python -m entbench.suites.timing.draw_gallery docs/gallery.md [FIGURE...]

All of them take about ten minutes on one core; with names, only the commands of those figures.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.distance import cdist

from entbench.report.figures._style import GREY, STYLES

COMMAND = re.compile(r"^```sh dry-run\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
WIDTH, MOST_BYTES = 1000, 60_000


def commands(page: Path) -> dict[str, list[str]]:
    """Return the names of the figures that each command of the page draws."""
    found: dict[str, list[str]] = {}
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        for command in COMMAND.findall(section):
            found.setdefault(command, []).append(section.partition("\n")[0])
    return found


def small(png: Path) -> bytes:
    """Return a picture no wider than a page, and narrower where it needs to be to fit the size."""
    image = Image.open(png).convert("RGB")
    for width in range(WIDTH, 400, -50):
        narrow = image.width > width
        size = (width, round(image.height * width / image.width)) if narrow else image.size
        picture = image.resize(size, Image.Resampling.LANCZOS)
        for count in (96, 48):
            file = io.BytesIO()
            few_colours(picture, count).save(file, "PNG", optimize=True)
            if len(file.getvalue()) <= MOST_BYTES:
                return file.getvalue()
    raise ValueError(f"{png.name} does not fit {MOST_BYTES} bytes.")


def few_colours(image: Image.Image, count: int) -> Image.Image:
    """Return a picture of so many colours, among them all those of lines, and their tints.

    A line covers so little that a palette by area would give it the colour of another.
    """
    lines = np.array([list(bytes.fromhex(color[1:])) for color, _ in STYLES])
    grey = np.array([list(bytes.fromhex(GREY[1:])), [255, 255, 255]])
    kept = np.concatenate([lines, (lines + 255) // 2, grey]).astype(np.uint8)
    common = image.quantize(count - len(kept), dither=Image.Dither.NONE).getpalette()
    table = np.frombuffer(kept.tobytes() + bytes(common or []), np.uint8)[: 3 * count].reshape(
        -1, 3
    )
    present, place = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = cdist(present, table).argmin(axis=1).astype(np.uint8)
    picture = Image.fromarray(nearest[place].reshape(image.height, image.width), "P")
    picture.putpalette(table.tobytes())
    return picture


def main(page: Path, wanted: list[str]) -> None:
    """Draw the figures of the page, all or those wanted, into the folder that has its name."""
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for command, names in commands(page).items():
        if wanted and not set(wanted) & set(names):
            continue
        print(command, flush=True)
        with tempfile.TemporaryDirectory() as place:
            entbench = f'entbench() {{ "{sys.executable}" -m entbench "$@"; }}'
            script = f"{entbench}\n{command} --store gallery.sqlite -q > /dev/null"
            done = subprocess.run(["bash", "-c", script], cwd=place)
            if done.returncode > 1:  # 1 where a check is violated, as by so few trials
                raise RuntimeError(f"`{command}` ended with code {done.returncode}.")
            for name in names:
                drawn = Path(place) / "results" / f"{name.replace('-', '_')}.png"
                (folder / f"{name}.png").write_bytes(small(drawn))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
