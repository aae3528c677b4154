"""Pages with a text layer, their right transcripts in Markdown, and transcripts that a script has damaged."""

from __future__ import annotations

import io
import random
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pypdfium2 as pdfium
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Spacer, Table

from benchmarks import vocabulary as v
from pagemill.pdf.measures import layer_of

_BASIC_LATIN = [word for word in v.ENGLISH + v.GERMAN if all(ord(letter) < 256 for letter in word)]
_STYLES = getSampleStyleSheet()
_LINE = 76  # characters of a line of a damaged transcript


@dataclass(frozen=True)
class LayeredPage:
    """A page as its PDF has it, and as a model that makes no error writes it."""

    layer: str
    markdown: str


def layered_pages(count: int, seed: int) -> Iterator[LayeredPage]:
    """Pages of reports: headings, paragraphs with numbers and divided words, lists, tables, one or two columns."""
    rng = random.Random(seed)  # noqa: S311 -- made-up texts, no secrets
    while count:
        story: list[Flowable] = []
        markdown: list[str] = []
        for make in rng.choices([_heading, _paragraph, _paragraph, _paragraph, _bullets, _table], k=rng.randint(4, 9)):
            flowables, text = make(rng)
            story += flowables
            markdown.append(text)
        if layer := _layer(story, columns=rng.choice([1, 1, 2])):
            count -= 1
            yield LayeredPage(layer, "\n\n".join(markdown))


def _layer(story: Sequence[Flowable], *, columns: int) -> str:
    """The text layer of a page; empty if a story needs more than one."""
    file = io.BytesIO()
    width = (A4[0] - 80) / columns
    frames = [Frame(40 + column * width, 40, width, A4[1] - 80) for column in range(columns)]
    BaseDocTemplate(file, pagesize=A4, pageTemplates=PageTemplate(frames=frames)).build(list(story))
    with pdfium.PdfDocument(file.getvalue()) as document:
        return layer_of(document[0]) if len(document) == 1 else ""


def _words(rng: random.Random, count: int) -> list[str]:
    return [
        rng.choice([v.amount, v.date, v.code])(rng) if rng.random() < 0.08 else word
        for word in v.words(rng, _BASIC_LATIN, count)
    ]


def _heading(rng: random.Random) -> tuple[list[Flowable], str]:
    text = " ".join(_words(rng, rng.randint(2, 6))).title()
    return [Paragraph(text, _STYLES["Heading2"])], f"## {text}"


def _paragraph(rng: random.Random) -> tuple[list[Flowable], str]:
    words = _words(rng, rng.randint(40, 130))
    shown = list(words)
    for index in rng.sample(range(len(words)), 3):
        if len(words[index]) > 6 and words[index].isalpha():
            shown[index] = f"{words[index][:4]}-<br/>{words[index][4:]}"
    text = " ".join(words)
    return [Paragraph(" ".join(shown), _STYLES["BodyText"])], text.replace("early", "**early**")


def _bullets(rng: random.Random) -> tuple[list[Flowable], str]:
    items = [" ".join(_words(rng, rng.randint(4, 12))) for _ in range(rng.randint(3, 7))]
    return [Paragraph(f"• {item}", _STYLES["BodyText"]) for item in items], "\n".join(f"- {item}" for item in items)


def _table(rng: random.Random) -> tuple[list[Flowable], str]:
    columns = rng.randint(2, 4)
    rows = [[v.code(rng), *(v.amount(rng) for _ in range(columns))] for _ in range(rng.randint(3, 14))]
    shown: list[Flowable] = [Table(rows), Spacer(1, 12)]
    if rng.random() < 0.5:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return shown, "\n".join([lines[0], "|" + " --- |" * (columns + 1), *lines[1:]])
    cells = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return shown, f"<table>\n{''.join(f'<tr>{row}</tr>{chr(10)}' for row in cells)}</table>"


Damage = Callable[[random.Random, str, float], str]


def drop_words(rng: random.Random, text: str, share: float) -> str:
    """Leave out a share of the words."""
    words = re.split(r"(\s+)", text)
    places = [index for index in range(0, len(words), 2) if re.search(r"\w", words[index])]
    for index in rng.sample(places, max(round(share * len(places)), 1)):
        words[index] = ""
    return "".join(words)


def swap_lines(rng: random.Random, text: str, share: float) -> str:
    """Let lines of a share of the words change places."""
    lines = [line for paragraph in text.split("\n") for line in (textwrap.wrap(paragraph, _LINE) or [""])]
    places = [index for index, line in enumerate(lines) if len(line.split()) > 4]
    rng.shuffle(places)
    wanted, moved = share * len(text.split()), 0
    while moved < wanted and len(places) > 1:
        one, other = places.pop(), places.pop()
        moved += len(lines[one].split()) + len(lines[other].split())
        lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def change_numbers(rng: random.Random, text: str, share: float) -> str:
    """Change a digit of numbers, as many as make up a share of the words, or all of them."""
    numbers = list(re.finditer(r"\d+", text))
    chosen = rng.sample(numbers, min(len(numbers), max(round(share * len(text.split())), 1)))
    for number in sorted(chosen, key=re.Match.start, reverse=True):
        place = rng.randrange(number.start(), number.end())
        text = f"{text[:place]}{(int(text[place]) + rng.randint(1, 9)) % 10}{text[place + 1 :]}"
    return text


def invent_paragraph(rng: random.Random, text: str, share: float) -> str:
    """Add a paragraph that stands nowhere."""
    paragraphs = text.split("\n\n")
    words = max(round(share * len(text.split())), 1)
    paragraphs.insert(rng.randint(0, len(paragraphs)), " ".join(v.words(rng, _BASIC_LATIN, words)))
    return "\n\n".join(paragraphs)


DAMAGES: Sequence[Damage] = (drop_words, swap_lines, change_numbers, invent_paragraph)
