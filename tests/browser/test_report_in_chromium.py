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

from tests.report_inputs import EVIL, write
from tests.scripts.test_render_report import SECTIONS, render

AXE = Path(__file__).parents[2] / ".venv/axe.min.js"
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.chromium, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
    *("--virtual-time-budget=8000", "--hide-scrollbars"),
]
DARK = "--blink-settings=preferredColorScheme=0"
PAPER_WIDTH = 673  # pixels of 210 mm less two margins of 16 mm, at 96 to the inch
PROBE = """<!DOCTYPE html><title>waiting</title>
<iframe src="report.html" SANDBOX style="width:WIDTHpx;height:900px;border:0"></iframe><pre></pre>
<script>
document.querySelector('iframe').addEventListener('load', event => {
  const page = event.target.contentDocument, root = page.documentElement;
  const seen = element => element.getBoundingClientRect().height > 0;
  page.querySelectorAll('details').forEach(folded => { folded.open = true; });
  const images = [...page.images].filter(seen);
  document.querySelector('pre').textContent = JSON.stringify({
    title: page.title, scripts: [...page.scripts].map(script => script.id),
    width: root.scrollWidth, height: root.scrollHeight,
    sections: [...page.querySelectorAll('section')].filter(seen).map(section => section.id),
    images: images.map(image => image.className), drawn: images.every(image => image.naturalWidth > 300),
    paper: event.target.contentWindow.getComputedStyle(page.body).backgroundColor,
    size: event.target.contentWindow.getComputedStyle(page.querySelector('#results p')).fontSize,
    text: page.querySelector('#samples h5 ~ pre.prompt').textContent.slice(0, 8),
    told: seen(page.getElementById('samples-without-script')),
    browser: seen(page.getElementById('sample-browser')),
    links: [...new Set([...page.querySelectorAll('[data-samples]')].map(link => link.hash.split('?')[0]))],
  });
});
</script>"""

# What the browser of samples says for each address, and after the controls are used by hand.
SEARCH = """<!DOCTYPE html><title>waiting</title><link rel="icon" href="data:,">
<iframe src="report.html#samples?FIRST" style="width:1200px;height:900px;border:0"></iframe><pre></pre>
<script>
const sleep = time => new Promise(resolve => setTimeout(resolve, time));
document.querySelector('iframe').addEventListener('load', async event => {
  const view = event.target.contentWindow, page = view.document, said = [];
  const told = () => page.querySelector('output').textContent;
  while (told() === '…') await sleep(20);
  for (const address of ADDRESSES) {
    view.location.hash = address;
    await sleep(100);
    said.push(told());
  }
  const fields = page.querySelector('#sample-browser form').elements;
  const pick = (name, value) => {
    fields[name].value = value;
    fields[name].dispatchEvent(new Event('change', {bubbles: true}));
  };
  page.querySelector('button[type=reset]').click();
  await sleep(100);
  const all = told();
  page.querySelector('button[name=on]').click();
  const second = [told(), page.activeElement.tagName];
  pick('right', 'dpo'); pick('wrong', 'base');
  const text = page.querySelector('.found pre').textContent;
  document.querySelector('pre').textContent = JSON.stringify({
    said, all, second, picked: [told(), view.location.hash], text, title: page.title,
    inside: page.querySelectorAll('.found script, .found pre *').length,
    heads: [...page.querySelector('.found article').querySelectorAll('h5')].map(head => head.textContent),
    file: page.querySelector('.found a').getAttribute('href'),
    links: [...page.querySelectorAll('[data-samples]')].map(link => link.getAttribute('href')),
    focusable: [...page.querySelectorAll('.browser :is(select, button)')].every(one => one.tabIndex === 0),
    labelled: [...page.querySelectorAll('.browser select')].filter(one => one.labels.length === 1).length,
  });
});
</script>"""

# What axe-core finds on the page with everything open and the browser of samples at work.
AUDIT = """<script src="axe.min.js"></script><pre id="found"></pre><script>
addEventListener('load', async () => {
  document.querySelectorAll('details').forEach(folded => { folded.open = true; });
  const output = document.querySelector('output');
  while (output.textContent === '…') await new Promise(done => setTimeout(done, 20));
  const report = await axe.run({exclude: ['#found']}, {resultTypes: ['violations', 'incomplete']});
  document.getElementById('found').textContent = JSON.stringify({
    passes: report.passes.length,
    violations: report.violations.map(
      ({id, impact, nodes}) => ({id, impact, nodes: nodes.slice(0, 3).map(node => node.html)})),
  });
});
</script></body>"""
POLICY = re.compile(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>")  # which would keep axe out


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


def measure(
    site: Site, profile: Path, width: int, *options: str, sandbox: str = "", page: str = "report.html"
) -> dict[str, Any]:
    """Return what a page of ``width`` pixels looks like from inside the browser.

    In a ``sandbox`` without allow-scripts, the page's own script does not run.
    """
    probe = PROBE.replace("WIDTH", str(width)).replace("SANDBOX", f'sandbox="{sandbox}"' if sandbox else "")
    (site.folder / "probe.html").write_text(probe.replace("report.html", page))
    document, console = site.open("probe.html", profile, "--window-size=1400,1000", *options)
    assert [line for line in console if not (sandbox and "frame is sandboxed" in line)] == []
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
    assert found["scripts"] == ["sample-data", ""]  # the packed answers and the one script of ours
    assert found["title"] == "Study <b>one</b>"


def search(site: Site, profile: Path, addresses: list[str]) -> dict[str, Any]:
    """Return what the browser of samples shows for each address, and when its controls are used."""
    page = SEARCH.replace("FIRST", addresses[0]).replace(
        "ADDRESSES", json.dumps([f"samples?{address}" for address in addresses])
    )
    (site.folder / "search.html").write_text(page)
    document, console = site.open("search.html", profile)
    assert console == []
    assert set(site.asked) == {"/search.html", "/report.html"}
    found = re.search(r"<pre>(.+?)</pre>", document, re.S)
    assert found is not None
    return dict(json.loads(unescape(found[1])))


def test_samples_are_found_by_task_category_and_outcome(site: Site, tmp_path: Path) -> None:
    # Twelve problems: base has 0 to 3 right, SFT 4 to 7, DPO the even ones; every third is propositional.
    cases = {
        "task=logicbench&right=dpo&wrong=base": 4,  # 4, 6, 8, 10
        "flip=gained": 6,  # some method: 4, 5, 6, 7, 8, 10
        "flip=gained&method=dpo": 4,
        "flip=lost": 4,  # SFT lost all four
        "flip=lost&method=dpo": 2,  # 1, 3
        "flip=lost&method=base": 4,  # the base flips nothing: all methods
        "category=propositional&right=sft": 1,  # 6 among 0, 3, 6, 9
        "category=rule%3Amodus_tollens&wrong=dpo&seed=2": 6,
        "subset=contaminated": 2,  # 10 and 11
        "subset=clean&right=dpo": 5,  # 0, 2, 4, 6, 8
        "subset=contaminated&right=dpo": 1,
    }
    found = search(site, tmp_path, [*cases, "task=logicbench&category=odd", "task=t<b>&right=dpo", "seed=7"])
    *said, odd, elsewhere, unseen = found["said"]
    assert [line.split(" of ")[0] for line in said] == [str(number) for number in cases.values()]
    assert all("of 12 problems match" in line for line in said)
    assert odd == "Not on this page: category odd."
    assert elsewhere == "Not on this page: task t<b>."
    assert unseen == "Not on this page: seed 7."
    assert found["all"] == "12 of 12 problems match, 12 of them with their texts; 1 to 10 shown."
    assert found["second"] == [
        "12 of 12 problems match, 12 of them with their texts; 11 to 12 shown.",
        "OUTPUT",  # where a keyboard or a screen reader goes on
    ]
    assert found["picked"][0] == "4 of 12 problems match, 4 of them with their texts; 1 to 4 shown."
    assert found["picked"][1] == (
        "#samples?dataset=logic&model=tiny&task=logicbench&seed=1&repeat=0&right=dpo&wrong=base"
    )
    assert found["heads"] == ["Base wrong", "SFT right", "DPO right"]  # problem 4
    assert found["file"] == "evaluation/logic/tiny/base/seed-1/logicbench.parquet"
    assert "#samples?dataset=logic&model=tiny&task=logicbench&method=dpo" in found["links"]
    assert found["focusable"] is True
    assert found["labelled"] == 8


def test_markup_in_a_sample_is_text_and_runs_nothing(site: Site, tmp_path: Path) -> None:
    found = search(site, tmp_path, ["right=dpo&wrong=base"])
    assert found["text"] == EVIL.replace("\x1b", "⟨U+001B⟩").replace("\u202e", "⟨U+202E⟩") + " 4"
    assert (found["inside"], found["title"]) == (0, "Study <b>one</b>")


def test_without_script_the_page_says_so_and_shows_what_was_chosen(site: Site, tmp_path: Path) -> None:
    found = measure(site, tmp_path, 1280, sandbox="allow-same-origin")
    assert (found["told"], found["browser"]) == (True, False)
    assert found["text"] == "<script>"
    assert found["links"] == ["#samples"]
    found = measure(site, tmp_path, 1280)
    assert (found["told"], found["browser"]) == (False, True)


@pytest.mark.parametrize(
    ("options", "ink", "paper"), [((), "light", "rgb(255, 255, 255)"), ((DARK,), "dark", "rgb(21, 24, 28)")]
)
def test_light_and_dark(site: Site, tmp_path: Path, options: tuple[str, ...], ink: str, paper: str) -> None:
    found = measure(site, tmp_path, 1280, *options)
    assert (found["paper"], found["images"]) == (paper, [ink])


def test_the_widest_table_fits_on_paper(site: Site, tmp_path: Path) -> None:
    page = (site.folder / "report.html").read_text()
    assert page.count("@media print {") == 1
    (site.folder / "paper.html").write_text(page.replace("@media print {", "@media all {"))
    found = measure(site, tmp_path, PAPER_WIDTH, page="paper.html")
    assert found["width"] == PAPER_WIDTH and found["browser"] is False  # the controls are not printed


def test_the_page_prints(site: Site, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    site.open("report.html", tmp_path / "profile", DARK, f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.stat().st_size > 20_000


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: python envs/axe.py .venv")
@pytest.mark.parametrize("options", [(), (DARK,)], ids=["light", "dark"])
def test_axe_finds_nothing(site: Site, tmp_path: Path, options: tuple[str, ...]) -> None:
    page = POLICY.sub("", (site.folder / "report.html").read_text())
    (site.folder / "audit.html").write_text(page.replace("</body>", AUDIT))
    shutil.copyfile(AXE, site.folder / "axe.min.js")
    document, _ = site.open("audit.html#samples?right=dpo", tmp_path, "--window-size=1280,1000", *options)
    told = re.search(r'<pre id="found">(.+?)</pre>', document, re.S)
    assert told is not None
    found = json.loads(unescape(told[1]))
    assert found["passes"] > 30
    assert found["violations"] == []  # of any impact
