"""Transcripts with defects, labelled: loops of many shapes, cut-offs, empty and invented pages, remarks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks import vocabulary as v
from benchmarks.honest_pages import HONEST
from pagemill.domain.judging.findings import Signal
from pagemill.domain.judging.judge import Evidence
from pagemill.domain.pages.model import Transcript

_AREA_PX = 1540 * 1089  # of an A4 page
_STOPS = 0.6  # of the loops end by themselves


@dataclass(frozen=True)
class Case:
    """A transcript with what is known of its page, and what is wrong with it."""

    kind: str
    text: str
    finish_reason: str = "stop"
    evidence: Evidence = field(default_factory=Evidence)
    defect: Signal | None = None  # None: nothing is

    @property
    def transcript(self) -> Transcript:
        """It, as an endpoint answers."""
        return Transcript(self.text, self.finish_reason, 1000, 1000, 1.0)


Make = Callable[[random.Random], str]


def _label(rng: random.Random) -> str:
    return rng.choice(v.NAMES + v.ENGLISH[30:]) + rng.choice(["", "_1", "269", ";", ":", "-a", ","])


def _word(rng: random.Random) -> str:
    return (_label(rng) + rng.choice([" ", "  ", "\n", "\n\n", " | ", " - "])) * rng.randint(40, 4000)


def _fence(rng: random.Random) -> str:
    return f"```plaintext\n{v.prose(rng, 20)}\n" + (_label(rng) + " " * rng.randint(2, 12)) * rng.randint(60, 900)


def _labels(rng: random.Random) -> str:
    one, other = _label(rng), _label(rng)
    return f"{one}  {other}\n" * rng.randint(4, 30) + f"{other}\n" * rng.randint(45, 600)


def _rule(rng: random.Random) -> str:
    return f"---\n\n{rng.randint(5, 5000)}\n\n" * rng.randint(45, 500)


def _section(rng: random.Random) -> str:
    section = f"## {v.sentence(rng)}\n\n{v.prose(rng, rng.randint(110, 400))}\n\n"
    return section * rng.randint(3 if section.count(" ") > 150 else 4, 7)


def _sentence(rng: random.Random) -> str:
    line = v.sentence(rng, rng.choice([v.ENGLISH, v.GERMAN, v.RUSSIAN, v.ARABIC]))
    return f"{line}{rng.choice([' ', chr(10)])}" * max(rng.randint(4, 120), 60 // (line.count(" ") + 1) + 1)


def _html_row(rng: random.Random) -> str:
    row = "".join(f"<td>{rng.choice([v.amount(rng), _label(rng), ''])}</td>" for _ in range(rng.randint(3, 8)))
    rows = f"<tr>{row}<td>{_label(rng)}</td></tr>\n" * rng.randint(45, 200)
    return f"<table>\n{rows}{rng.choice(['</table>', ''])}"


def _pipe_row(rng: random.Random) -> str:
    cells = [_label(rng) for _ in range(rng.randint(2, 7))]
    return f"| {' | '.join(cells)} |\n" * rng.randint(24, 150)


def _item(rng: random.Random) -> str:
    return f"- {' '.join(v.words(rng, v.ENGLISH, rng.randint(3, 9)))}\n" * rng.randint(16, 200)


def _endless_word(rng: random.Random) -> str:
    return rng.choice(["ha", "\\quad", "\\cdots", "la", "&nbsp;", "1.", "abc", "xo", "\\hline"]) * rng.randint(
        250, 2000
    )


def _formula(rng: random.Random) -> str:
    row = " & ".join(str(rng.randint(1, 30)) for _ in range(rng.randint(3, 8)))
    return "\\begin{array}\n" + f"{row} \\\\\n" * rng.randint(70, 200)


def _unspaced(rng: random.Random) -> str:
    return v.unspaced(rng, rng.randint(8, 60), rng.choice([v.CHINESE, v.THAI])) * rng.randint(30, 90)


def _empty_cells(rng: random.Random) -> str:
    cells = rng.choice(["<td></td>", "<td> </td>"]) * rng.randint(300, 3000)
    return f"<table><tr>{cells}{rng.choice(['', '</tr></table>'])}"


def _axis(rng: random.Random) -> str:
    return "".join(f"{step / 10:.1f}\n\n" for step in range(11)) * rng.randint(5, 60)


def _nested(rng: random.Random) -> str:
    one, other, third = _label(rng), _label(rng), _label(rng)
    return f"{one} {one} {other} {one} {third} {one} {one} " * rng.randint(20, 200)


def _entry(rng: random.Random) -> str:
    author = f"{rng.choice(v.NAMES)}, {rng.choice(v.NAMES)[0]}. ({rng.randint(1950, 2020)})"
    return f"{author}. {v.sentence(rng)} doi:10.{rng.randint(1000, 9999)}/x\n\n" * rng.randint(6, 60)


LOOPS: Sequence[Make] = (
    _word, _fence, _labels, _rule, _section, _sentence, _html_row, _pipe_row, _item, _endless_word, _formula, _unspaced,
    _empty_cells, _axis, _nested, _entry,
)  # fmt: skip


def _loop(rng: random.Random, shape: Make) -> str:
    """Normal text, then the loop; sometimes its last word is cut, or the model ends the loop and goes on."""
    before = v.prose(rng, rng.randint(0, 350))
    loop = shape(rng)
    if rng.random() < 0.3:
        loop = loop.rstrip()[: -rng.randint(1, 3)]
    room = len(loop.split()) - before.count(" ") // 2  # so that the loop stays a third of the text
    if rng.random() < 0.15 and room > 20:
        loop += f"\n\n{v.prose(rng, rng.randint(5, room))}"
    return f"{before}\n\n{loop}"


def _ink(rng: random.Random, text: str) -> Evidence:
    """The ink of a page that really shows a text."""
    return Evidence(132, min(len(text) * rng.uniform(20, 70) / _AREA_PX, 0.6), _AREA_PX)


def _cut(rng: random.Random) -> Case:
    text = v.prose(rng, rng.randint(30, 500))
    way = rng.randrange(4)
    if way == 0:
        return Case("cut", text[: rng.randint(10, len(text))], rng.choice(["length", "abort", "repetition"]))
    if way == 1:
        rows = "".join(f"<tr><td>{v.code(rng)}</td><td>{v.amount(rng)}</td></tr>\n" for _ in range(rng.randint(1, 30)))
        return Case("cut in a table", f"{text}\n\n<table>\n{rows}<tr><td>{v.code(rng)}")
    if way == 2:
        return Case("cut in code", f"{text}\n\n```{rng.choice(['', 'plaintext', 'c'])}\n{v.prose(rng, 30)}")
    rows = "".join(f"| {v.code(rng)} | {v.amount(rng)} |\n" for _ in range(rng.randint(3, 30)))
    return Case("cut in a row", f"{text}\n\n{rows}| {v.code(rng)} | {rng.randint(1, 99)}")


def _empty(rng: random.Random) -> Case:
    return Case("empty", rng.choice(["", " ", "\n\n", "\t\n ", "\u00a0", "\x00\x00", "\ufeff"]))


def _invented(rng: random.Random) -> Case:
    text = v.prose(rng, rng.randint(30, 600), rng.choice([v.ENGLISH, v.GERMAN, v.RUSSIAN]))
    if rng.random() < 0.5:
        return Case(
            "invented", text, evidence=Evidence(132, rng.uniform(0, 2.5) * len(text) * 0.7 / _AREA_PX, _AREA_PX)
        )
    return Case("invented", text, evidence=Evidence(132, rng.uniform(0, 0.01), _AREA_PX, regions=0))


def hard_cases(half: int, loops: int = 480, others: int = 120) -> Iterator[Case]:
    """Transcripts that have to be refused, and as many honest ones.

    Args:
        half: 0: the half that thresholds may be chosen on; 1: the other.
        loops: How many loops.
        others: How many of each other kind of defect.
    """
    rng = random.Random(1000 + half)  # noqa: S311 -- made-up texts, no secrets
    for number in range(loops):
        shape = LOOPS[number % len(LOOPS)]
        text = _loop(rng, shape)
        reason = "stop" if rng.random() < _STOPS else "length"
        yield Case(f"loop: {shape.__name__.strip('_')}", text, reason, _ink(rng, text), Signal.LOOP)
    for make, defect in ((_cut, Signal.CUT_OFF), (_empty, Signal.EMPTY), (_invented, Signal.INVENTED)):
        for _ in range(others):
            case = make(rng)
            yield Case(case.kind, case.text, case.finish_reason, case.evidence, defect)
    for number in range(loops + 3 * others):
        page = HONEST[number % len(HONEST)]
        text = page(rng)
        yield Case(f"honest: {page.__name__.strip('_')}", text, "stop", _ink(rng, text))


_NOTES = (
    "Note: The {0} is not fully legible in the image, so it was left out.",
    "Note: The images referenced (`{0}.png`, `{1}.png`) are placeholders for the actual images.",
    "I'm sorry, but I cannot read the {0} in this image.",
    "Here is the transcription of the {0}:",
    "The image shows a {0} beside a {1}.",
    "(Note: Some of the text of the {0} is unclear.)",
    "Sure! Here is the text of the page:",
    "There is no visible text in the image.",
)


def soft_cases(half: int, count: int = 120) -> Iterator[Case]:
    """Transcripts that have to be suspects: with remarks, with the ends of other pages; and as many honest ones."""
    rng = random.Random(2000 + half)  # noqa: S311 -- made-up texts, no secrets
    for number in range(count):
        paragraphs = v.prose(rng, rng.randint(20, 400)).split("\n\n")
        note = _NOTES[number % len(_NOTES)].format(*rng.sample(v.ENGLISH[30:], 2))
        paragraphs.insert(rng.choice([0, len(paragraphs), rng.randint(0, len(paragraphs))]), note)
        yield Case("remark", "\n\n".join(paragraphs), defect=Signal.REMARK)
    for _ in range(count):
        pages = [v.prose(rng, rng.randint(80, 500)) for _ in range(8)]
        other = pages[1].split(" ")
        tail = " ".join(other[rng.randint(0, len(other) // 2) :][: rng.randint(20, 300)])
        foot = " ".join(v.words(rng, v.ENGLISH, rng.randint(3, 40)))
        in_flight = tuple(f"{page}\n\n{foot}" for page in pages[1:])
        yield Case(
            "another page's tail",
            f"{pages[0]}\n\n{tail}",
            evidence=Evidence(in_flight=in_flight),
            defect=Signal.NEIGHBOUR,
        )
        yield Case("honest: pages with one foot", f"{pages[0]}\n\n{foot}", evidence=Evidence(in_flight=in_flight))
    for number in range(count):
        page = HONEST[number % len(HONEST)]
        yield Case(f"honest: {page.__name__.strip('_')}", page(rng))
