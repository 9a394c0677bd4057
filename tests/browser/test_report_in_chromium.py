"""The report in a real browser: silent, whole at phone and desk width, in light and dark, on paper."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.report_inputs import write
from tests.scripts.test_render_report import SECTIONS, render

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.chromium, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=8000", "--hide-scrollbars"),
]
DARK = "--blink-settings=preferredColorScheme=0"
PROBE = """<!DOCTYPE html><title>waiting</title>
<iframe src="report.html" style="width:WIDTHpx;height:900px;border:0"></iframe><pre></pre>
<script>
document.querySelector('iframe').addEventListener('load', event => {
  const page = event.target.contentDocument, root = page.documentElement;
  const seen = element => element.getBoundingClientRect().height > 0;
  page.querySelectorAll('details').forEach(folded => { folded.open = true; });
  const images = [...page.images].filter(seen);
  document.querySelector('pre').textContent = JSON.stringify({
    title: page.title, scripts: page.scripts.length, width: root.scrollWidth, height: root.scrollHeight,
    sections: [...page.querySelectorAll('section')].filter(seen).map(section => section.id),
    images: images.map(image => image.className), drawn: images.every(image => image.naturalWidth > 300),
    paper: event.target.contentWindow.getComputedStyle(page.body).backgroundColor,
    size: event.target.contentWindow.getComputedStyle(page.querySelector('#results p')).fontSize,
    text: page.querySelector('pre.prompt').textContent.slice(0, 8),
  });
});
</script>"""


class Site:
    """A folder served on this machine, and what a browser asked of it."""

    def __init__(self, folder: Path) -> None:
        """Serve ``folder`` on a free port."""
        self.asked: list[str] = []
        self.folder = folder
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def log_message(self, *_: Any) -> None:
                site.asked.append(self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def open(self, page: str, profile: Path, *options: str) -> tuple[str, list[str]]:
        """Return the document after loading ``page``, and what the browser said on its console."""
        self.asked.clear()
        command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", *options, "--dump-dom"]
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [*command, f"{self.address}/{page}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            env=bare,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    write(folder)
    render(folder)
    site = Site(folder)
    yield site
    site.server.shutdown()


def measure(site: Site, profile: Path, width: int, *options: str) -> dict[str, Any]:
    """Return what a page of ``width`` pixels looks like from inside the browser."""
    (site.folder / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
    document, console = site.open("probe.html", profile, "--window-size=1400,1000", *options)
    assert console == []
    found = re.search(r"<pre>(.+?)</pre>", document, re.S)
    assert found is not None
    return dict(json.loads(unescape(found[1])))


def test_the_page_loads_alone_and_in_silence(site: Site, tmp_path: Path) -> None:
    document, console = site.open("report.html", tmp_path)
    assert console == []
    assert site.asked == ["/report.html"]
    assert "<title>Study &lt;b&gt;one&lt;/b&gt;</title>" in document


def test_a_request_that_slips_in_would_be_blocked_and_seen(site: Site, tmp_path: Path) -> None:
    broken = (
        (site.folder / "report.html")
        .read_text()
        .replace("<main>", "<main><img src='/leak.png'><script>1</script>")
    )
    (site.folder / "broken.html").write_text(broken)
    _, console = site.open("broken.html", tmp_path)
    assert len([line for line in console if "Content Security Policy" in line]) == 2
    assert site.asked == ["/broken.html"]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_every_section_is_there_and_nothing_sticks_out(site: Site, tmp_path: Path, width: int) -> None:
    found = measure(site, tmp_path, width)
    assert found["width"] == width
    assert found["sections"] == SECTIONS
    assert found["height"] > 3000
    assert found["size"] == "16px"
    assert found["drawn"] is True


def test_markup_in_model_text_is_text_and_runs_nothing(site: Site, tmp_path: Path) -> None:
    found = measure(site, tmp_path, 1280)
    assert found["text"] == "<script>"
    assert found["scripts"] == 0
    assert found["title"] == "Study <b>one</b>"


@pytest.mark.parametrize(
    ("options", "ink", "paper"), [((), "light", "rgb(255, 255, 255)"), ((DARK,), "dark", "rgb(21, 24, 28)")]
)
def test_light_and_dark(site: Site, tmp_path: Path, options: tuple[str, ...], ink: str, paper: str) -> None:
    found = measure(site, tmp_path, 1280, *options)
    assert (found["paper"], found["images"]) == (paper, [ink])


def test_the_page_prints(site: Site, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    site.open("report.html", tmp_path / "profile", DARK, f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.stat().st_size > 20_000
