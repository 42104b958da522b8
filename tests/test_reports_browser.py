"""The report in headless Chromium: its script runs, its table sorts and filters, it is painted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from reports_runs import HOSTILE, failed_row, golden_rows, golden_run, load_golden

from drivelab.reports.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = golden_run(tmp_path_factory.mktemp("run"), [failed_row("bad" + HOSTILE, HOSTILE)])
    return write_report(folder, load_golden)


def browse(url: str, profile: Path, *flags: str) -> str:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def body_rows(dom: str) -> list[list[str]]:
    table = dom[dom.index('<table id="rows">') :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    rows = body.split("<tr>")[1:]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def test_the_table_is_filled_and_sorted_by_score(page: Path, tmp_path: Path) -> None:
    dom = browse(page.as_uri(), tmp_path, "--dump-dom")
    rows = body_rows(dom)
    lowest = sorted(row["score"] for row in golden_rows())[: len(rows)]
    assert [row[3] for row in rows] == [f"{score:.3f}" for score in lowest]
    assert "owned" not in dom[dom.index("<title>") : dom.index("</title>")]
    assert 'aria-sort="ascending"' in dom


def test_a_search_in_the_address_filters_the_table(page: Path, tmp_path: Path) -> None:
    scene = golden_rows()[-1]["scene"]
    dom = browse(f"{page.as_uri()}#find={scene}", tmp_path, "--dump-dom")
    assert {row[0] for row in body_rows(dom)} == {scene}
    failed = body_rows(browse(f"{page.as_uri()}#find=bad%3C", tmp_path, "--dump-dom"))
    assert [(row[2], row[3]) for row in failed] == [("failed", "–")]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (500, True)])
def test_it_is_painted_in_light_and_dark(
    page: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    shot = tmp_path / "shot.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    size = f"--window-size={width},900"
    browse(page.as_uri(), tmp_path / "profile", size, scheme, f"--screenshot={shot}")
    image = Image.open(shot).convert("L")
    assert image.width == width
    page_tone = image.getpixel((3, 500))
    assert (page_tone < 40) if dark else (page_tone > 240)
    assert len(set(image.resize((64, 64)).tobytes())) > 20
