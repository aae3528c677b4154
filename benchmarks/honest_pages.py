"""Honest transcripts that look like defects: tables, forms, refrains, lists, code, dumps. The same at every call."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from benchmarks import vocabulary as v

Make = Callable[[random.Random], str]


def _table(rng: random.Random, rows: Sequence[Sequence[str]]) -> str:
    """A table as models write it: HTML, with or without line ends, or Markdown."""
    way = rng.randrange(3)
    if way == 2:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])
    end = "\n" if way else ""
    return f"<table>{end}{end.join(_html_row(row, end) for row in rows)}{end}</table>"


def _html_row(cells: Sequence[str], end: str) -> str:
    return f"<tr>{end}{end.join(f'<td>{cell}</td>' for cell in cells)}{end}</tr>"


def _dense_table(rng: random.Random) -> str:
    columns = rng.randint(3, 9)
    return _table(rng, [[v.code(rng), *(v.amount(rng) for _ in range(columns))] for _ in range(rng.randint(15, 60))])


def _equal_values(rng: random.Random) -> str:
    value, columns = rng.choice(["0.00", "–", "no", "n/a", "100 %", "x", "1"]), rng.randint(2, 6)
    return _table(rng, [[v.date(rng), *[value] * columns] for _ in range(rng.randint(15, 60))])


def _contents(rng: random.Random) -> str:
    dots = rng.choice([" .", ".", " . ", "…", "_"])
    return "\n".join(
        f"{number}.{rng.randint(1, 9)} {v.sentence(rng)[:-1]}{dots * rng.randint(20, 60)} {number * 7}"
        for number in range(1, 40)
    )


def _poem(rng: random.Random) -> str:
    refrain = "\n".join(v.sentence(rng) for _ in range(rng.randint(1, 4)))
    stanzas = ["\n".join(v.sentence(rng) for _ in range(4)) for _ in range(rng.randint(3, 8))]
    return f"\n\n{refrain}\n\n".join(stanzas) + f"\n\n{refrain}"


def _litany(rng: random.Random) -> str:
    answer = " ".join(v.words(rng, v.ENGLISH, rng.randint(2, 5)))
    return "\n".join(
        f"{rng.choice(v.NAMES)} of the {' '.join(v.words(rng, v.ENGLISH, 2))}, {answer}." for _ in range(50)
    )


def _cumulative_song(rng: random.Random) -> str:
    gifts = [" ".join(v.words(rng, v.ENGLISH, rng.randint(3, 6))) for _ in range(rng.randint(5, 12))]
    return "\n\n".join(f"On day {day + 1}:\n" + ",\n".join(reversed(gifts[: day + 1])) for day in range(len(gifts)))


def _program(rng: random.Random) -> str:
    names = [f"{rng.choice(v.ENGLISH[30:])}_{rng.choice(v.ENGLISH[30:])}" for _ in range(30)]
    lines = [f"    if ({name} == NULL) {{\n        return -{number};\n    }}" for number, name in enumerate(names, 1)]
    return "```c\nint check(struct state *s)\n{\n" + "\n".join(lines) + "\n    return 0;\n}\n```"


def _zeros(rng: random.Random) -> str:
    row = "    " + " ".join([rng.choice(["0x00,", "0,", "0xff,"])] * rng.choice([8, 12, 16]))
    return (
        f"```c\nstatic const uint8_t {rng.choice(v.ENGLISH)}_table[] = {{\n"
        + f"{row}\n" * rng.randint(4, 16)
        + "};\n```"
    )


def _hex_dump(rng: random.Random) -> str:
    def octets() -> str:
        return " ".join("00" if rng.random() < 0.7 else f"{rng.randrange(256):02x}" for _ in range(16))

    rows = range(0, 16 * rng.randint(16, 64), 16)
    return "\n".join(
        f"{offset:08x}  {octets() if rng.random() < 0.4 else '00 ' * 15 + '00'}  |................|" for offset in rows
    )


def _form(rng: random.Random) -> str:
    boxes = rng.choice(["☐ Yes ☐ No", "[ ] yes [ ] no [ ] unknown", "Yes / No", "☐ never ☐ rarely ☐ often ☐ always"])
    return "\n".join(f"{number}. {v.sentence(rng)[:-1]}? {boxes}" for number in range(1, rng.randint(15, 40)))


def _equal_blocks(rng: random.Random) -> str:
    """A form that asks the same of several people."""
    labels = [" ".join(v.words(rng, v.ENGLISH, rng.randint(1, 3))).capitalize() for _ in range(rng.randint(3, 8))]
    blank = rng.choice([": __________", " ........", " [ ]", ": ____________________"])
    block = "\n".join(f"{label}{blank}" for label in labels)
    return f"{v.prose(rng, 60)}\n\n" + f"{block}\n\n" * rng.randint(3, 9)


def _empty_form(rng: random.Random) -> str:
    heads = [rng.choice(v.ENGLISH[30:]).capitalize() for _ in range(rng.randint(3, 8))]
    return _table(rng, [heads, *[[""] * len(heads)] * rng.randint(10, 40)])


def _attendance(rng: random.Random) -> str:
    rows = [
        [str(number), f"{rng.choice(v.NAMES)} {rng.choice(v.NAMES)}", "present", ""]
        for number in range(1, rng.randint(20, 60))
    ]
    return _table(rng, [["No", "Name", "Attendance", "Signature"], *rows])


def _multiplication(rng: random.Random) -> str:
    size = rng.randint(9, 15)
    if rng.random() < 0.5:
        return "\n".join(f"{one} x {other} = {one * other}" for one in range(1, size) for other in range(1, size))
    return _table(rng, [[str(one * other) for other in range(1, size)] for one in range(1, size)])


def _ditto(rng: random.Random) -> str:
    mark = rng.choice(["do.", '"', "''", "idem", "—"])
    return "\n".join(
        f"{1850 + year} {' '.join([mark] * rng.randint(3, 5))} £{year}. {rng.randint(0, 19)}. 0" for year in range(45)
    )


def _log(rng: random.Random) -> str:
    what = v.sentence(rng)
    return "\n".join(f"{v.date(rng)} 10:{minute:02}:07 INFO worker-{rng.randint(1, 4)} {what}" for minute in range(50))


def _statement(rng: random.Random) -> str:
    rows = [[v.date(rng), "Standing order rent", "850.00", f"{20_000 - 850 * month:,}.00"] for month in range(24)]
    return _table(rng, [["Date", "Text", "Amount", "Balance"], *rows])


def _references(rng: random.Random) -> str:
    author = f"{rng.choice(v.NAMES)}, {rng.choice(v.NAMES)[0]}."
    return "\n".join(
        f"{author} ({1960 + year}). {v.sentence(rng)} Journal of the Society, {year}, 1-9." for year in range(40)
    )


def _timetable(rng: random.Random) -> str:
    stops = [f"{rng.choice(v.NAMES)} {rng.choice(v.ENGLISH[30:])}" for _ in range(rng.randint(10, 30))]
    return _table(
        rng, [[stop, *(f"{hour:02}:{minute:02}" for hour in range(6, 14))] for minute, stop in enumerate(stops)]
    )


def _steps(rng: random.Random) -> str:
    """A proof or a derivation: the same formula with other numbers."""
    volts = range(1, rng.randint(6, 14))
    return "\n\n".join(
        f"When $E$ is {volt} volts:\n\n$$\nI = \\frac{{{volt}}}{{2}} = {volt / 2}\n$$\n\nand\n\n$$\nP = E \\times I\n$$"
        for volt in volts
    )


def _scale(rng: random.Random) -> str:
    step = rng.choice([1, 5, 10, 25])
    numbers = "\n".join(str(number * step) for number in range(90))
    return f"Depth (m)\n{numbers}\n{v.sentence(rng)}\n{numbers}\n{v.sentence(rng)}"


def _prose(rng: random.Random) -> str:
    return v.prose(rng, rng.randint(100, 1200), rng.choice([v.ENGLISH, v.GERMAN, v.RUSSIAN, v.ARABIC]))


def _unspaced_prose(rng: random.Random) -> str:
    return v.unspaced(rng, rng.randint(100, 900), rng.choice([v.CHINESE, v.THAI]))


def _unspaced_table(rng: random.Random) -> str:
    words, value = rng.choice([v.CHINESE, v.THAI]), rng.choice(["是", "无", "ใช่", "ไม่", "0"])
    return _table(
        rng, [[f"{number}", "".join(v.words(rng, words, 4)), value, value] for number in range(1, rng.randint(15, 50))]
    )


def _short(rng: random.Random) -> str:
    return rng.choice(
        ["Page 7", "![image](image_1.png)", "IV", v.sentence(rng), "This page is blank on purpose", "# Annex B"]
    )


def _three_times(rng: random.Random) -> str:
    """A table with a row that stands some times in a row, in the middle of a page."""
    row = f"| {v.sentence(rng)[:-1]} | {v.amount(rng)} |\n"
    return f"{v.prose(rng, 150)}\n\n{row * rng.randint(3, 4)}\n{v.prose(rng, 150)}"


HONEST: Sequence[Make] = (
    _dense_table, _equal_values, _contents, _poem, _litany, _cumulative_song, _program, _zeros, _hex_dump, _form,
    _equal_blocks, _empty_form, _attendance, _multiplication, _ditto, _log, _statement, _references, _timetable, _steps,
    _scale, _prose, _unspaced_prose, _unspaced_table, _short, _three_times,
)  # fmt: skip
