"""The service as users start it: a process, its workers, a real engine."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pypdfium2
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

pytestmark = pytest.mark.xdist_group("the embedded service")  # one for all tests of this module

Ask = Callable[..., dict[str, object]]
Eventually = Callable[[Callable[[], object]], None]
Draw = Callable[[Canvas], None]

LONGEST_EDGE_PX = 1540
A4_PT = (595, 842)


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pagemill.local_endpoint", "--port", "0", *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    http: httpx.Client
    model: str

    @property
    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


@pytest.fixture(scope="module")
def service(eventually: Eventually) -> Iterator[Service]:
    process = start("--engine", "rapidocr", "--workers", "1", "--lifeline")
    assert process.stdout
    url = process.stdout.readline().strip()
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
        try:
            eventually(lambda: http.get("/health").is_success)
            yield Service(process, http, http.get("/v1/models").json()["data"][0]["id"])
        finally:
            process.communicate(timeout=30)  # closes the lifeline


@pytest.fixture
def read(service: Service, ask: Ask) -> Callable[[Image.Image], str]:
    def read_(picture: Image.Image) -> str:
        target = io.BytesIO()
        picture.save(target, "PNG")
        answer = service.http.post("/v1/chat/completions", json=ask(target.getvalue(), model=service.model))
        return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])

    return read_


def page(draw: Draw) -> Image.Image:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4_PT)
    draw(canvas)
    canvas.save()
    with pypdfium2.PdfDocument(target.getvalue()) as document:
        image: Image.Image = document[0].render(scale=LONGEST_EDGE_PX / max(A4_PT)).to_pil()
        return image.copy()  # the bitmap's memory is freed with the document


LEFT_COLUMN = (
    "The storage of heat in porous rock has",
    "been studied for forty years, yet only",
    "few field measurements reach beyond",
    "a single season of the year.",
)
RIGHT_COLUMN = (
    "Losses to the ground above account for",
    "12.4 % of the heat injected, which is",
    "less than what most of the models had",
    "predicted for a shallow reservoir.",
)
TABLE = (("Well", "Depth", "Loss"), ("A-1", "85", "12.4"), ("B-7", "199", "9.6"), ("C-3", "240", "8.1"))


def draw_two_columns(canvas: Canvas) -> None:
    canvas.setFont("Times-Bold", 18)
    canvas.drawCentredString(297, 780, "Seasonal heat storage in sandstone")
    canvas.setFont("Times-Roman", 11)
    for x, column in ((60, LEFT_COLUMN), (310, RIGHT_COLUMN)):
        for number, line in enumerate(column):
            canvas.drawString(x, 740 - 14 * number, line)


def draw_table(canvas: Canvas) -> None:
    for number, row in enumerate(TABLE):
        for place, cell in enumerate(row):
            canvas.drawString(80 + 140 * place, 700 - 20 * number, cell)


TWO_COLUMNS = " ".join(("Seasonal heat storage in sandstone", *LEFT_COLUMN, *RIGHT_COLUMN))


@pytest.mark.ocr
@pytest.mark.parametrize("degrees", [0, 1, 90, 180, 270])
def test_two_columns_are_read_one_after_the_other_on_pages_turned_or_skewed(
    read: Callable[[Image.Image], str], degrees: int
) -> None:
    picture = page(draw_two_columns).rotate(degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)

    assert read(picture).split() == TWO_COLUMNS.split()


@pytest.mark.ocr
def test_a_table_is_read_row_by_row(read: Callable[[Image.Image], str]) -> None:
    assert [line.split() for line in read(page(draw_table)).splitlines()] == [list(row) for row in TABLE]


@pytest.mark.ocr
@pytest.mark.parametrize(
    "text",
    [
        "Größere Mengen werden über Nacht geliefert; das Büro schließt um 17 Uhr.",
        "Où que vous soyez, ça marche : le cœur de l'été, la forêt, le maïs.",
    ],
)
def test_accents_are_read(read: Callable[[Image.Image], str], text: str) -> None:
    assert read(page(lambda canvas: canvas.drawString(60, 700, text))) == text


@pytest.mark.ocr
def test_a_blank_page_has_no_text(read: Callable[[Image.Image], str]) -> None:
    assert not read(Image.new("L", (1089, 1540), 255))


@pytest.mark.ocr
def test_bytes_that_are_not_an_image_are_a_bad_request(service: Service, ask: Ask) -> None:
    answer = service.http.post("/v1/chat/completions", json=ask(b"no image", model=service.model))

    assert answer.status_code == 400
    assert "cannot be decoded" in answer.json()["error"]["message"]


@pytest.mark.ocr
def test_a_worker_that_dies_fails_one_request_and_is_replaced(
    service: Service, ask: Ask, png: bytes, read: Callable[[Image.Image], str]
) -> None:
    (worker,) = service.workers

    worker.kill()
    answer = service.http.post("/v1/chat/completions", json=ask(png, model=service.model))

    assert answer.status_code == 500
    assert "SIGKILL" in answer.json()["error"]["message"]
    assert read(page(draw_table)).startswith("Well")
    assert [other.pid for other in service.workers] != [worker.pid]


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def ended(processes: list[psutil.Process]) -> bool:
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "status"),
    [
        pytest.param(lambda process: process.send_signal(signal.SIGTERM), 143, id="SIGTERM"),
        pytest.param(lambda process: process.send_signal(signal.SIGINT), 130, id="SIGINT"),
        pytest.param(lambda process: process.stdin.close(), 0, id="the lifeline"),
        pytest.param(lambda process: process.kill(), -signal.SIGKILL, id="SIGKILL"),
    ],
)
def test_it_stops_and_leaves_no_process_behind(
    stop: Callable[[subprocess.Popen[str]], None], status: int, eventually: Eventually
) -> None:
    process = start("--engine", "rapidocr", "--workers", "2", "--lifeline")
    assert process.stdout
    assert process.stderr
    url = process.stdout.readline().strip()
    assert httpx.get(f"{url}/v1/models", trust_env=False).is_success
    workers = workers_of(process)

    stop(process)

    assert process.wait(timeout=20) == status
    assert len(workers) == 2
    eventually(lambda: ended(workers))
    assert (process.stdout.read(), process.stderr.read()) == ("", "")
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream
        stream.close()


@pytest.mark.slow
def test_a_page_in_flight_at_sigterm_is_answered_with_503_and_the_service_ends_within_ten_seconds(
    eventually: Eventually, ask: Ask, samples: Path
) -> None:
    process = start("--engine", "rapidocr", "--workers", "1", "--served-model-name", "m")
    assert process.stdout
    url = process.stdout.readline().strip()
    eventually(lambda: httpx.get(f"{url}/health", trust_env=False).is_success)
    (worker,) = workers_of(process)
    idle = worker.cpu_times().user
    long = io.BytesIO()
    pypdfium2.PdfDocument(samples / "two-column-article.pdf")[0].render(scale=2).to_pil().save(long, "PNG")
    with ThreadPoolExecutor() as threads:
        body = ask(long.getvalue(), model="m")
        answer = threads.submit(httpx.post, f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False)
        eventually(lambda: worker.cpu_times().user > idle)  # it reads

        process.terminate()

        assert process.wait(timeout=10) == 143
    assert answer.result().status_code == 503
    assert "the service is stopping" in answer.result().json()["error"]["message"]
    process.communicate()


def test_a_port_in_use_is_a_usage_error(start_server: Callable[..., str]) -> None:
    port = start_server(object()).rsplit(":", 1)[1]
    process = start("--port", port, "--engine", "rapidocr")

    printed, complaint = process.communicate(timeout=20)

    assert (process.returncode, printed) == (2, "")
    assert complaint == f"pagemill: cannot listen on 127.0.0.1, port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--port", "65536"), "port 65536 does not exist"),
        (("--engine", "paper"), "there is no OCR engine 'paper'"),
        (("--workers", "0"), "must be at least 1"),
    ],
)
def test_wrong_options_are_a_usage_error(options: tuple[str, ...], complaint: str) -> None:
    process = start("--engine", "rapidocr", *options)

    printed, said = process.communicate(timeout=20)

    assert (process.returncode, printed) == (2, "")
    assert complaint in said
    assert "Traceback" not in said


def test_an_engine_that_cannot_load_ends_the_service(tmp_path: Path) -> None:
    (tmp_path / "eng.traineddata").touch()
    process = start("--engine", "tesseract", "--tessdata", str(tmp_path), "--workers", "1")

    _, complaint = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "the process ended with status 1" in complaint
