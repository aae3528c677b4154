"""Words and sentences for made-up documents, the same at every call. No sentence of them is anybody's."""

from __future__ import annotations

import random
from collections.abc import Sequence

ENGLISH = (
    "the of and to in a is that for with as was on by be at this from which or are it an were not have had but their "
    "water council letter bridge winter engine harvest doctor window village paper report ground school colour river "
    "number garden station captain island market season machine history picture science weather journey kitchen "
    "evening builder library memory account husband problem distance teacher animal question morning mountain "
    "opened carried written measured followed noticed ordered painted returned travelled counted repaired answered "
    "small early heavy narrow northern second open quiet former careful equal hollow distant common modern "
    "between during after against through without before under several because although however perhaps already"
).split()
GERMAN = (
    "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
    "dass Wasser Gemeinde Brief Brücke Winter Ernte Fenster Dorf Bericht Schule Fluss Garten Bahnhof Insel Markt "
    "Maschine Geschichte Wetter Reise Küche Abend Bücherei Rechnung Entfernung Lehrer Frage Morgen Gebirge Straße "
    "Behörde geöffnet getragen geschrieben gemessen gefolgt bestellt gemalt gezählt schmal "
    "früh schwer nördlich häufig während"
).split()
RUSSIAN = (
    "и в не на что с по это как из к у за от для но река письмо мост зима урожай окно деревня отчёт школа "
    "сад станция остров рынок машина история погода поездка кухня вечер учитель вопрос утро гора "
    "улица открыл написал измерил"
).split()
ARABIC = (
    "في من على أن إلى هذا كان التي ماء رسالة جسر شتاء حصاد نافذة قرية تقرير مدرسة نهر حديقة محطة جزيرة سوق تاريخ سؤال"
).split()
CHINESE = (
    "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要 他 时 来 用 们 生 到 作 地 于 出 "
    "水 桥 冬 村 河 园 岛 史 山 路"
).split()
THAI = ("ที่ และ ใน เป็น ของ ไม่ มี ได้ ว่า จะ น้ำ สะพาน หมู่บ้าน โรงเรียน แม่น้ำ สวน สถานี เกาะ ตลาด คำถาม ภูเขา ถนน").split()
NAMES = (
    "Amalia Benedikt Clara Darius Edith Fabian Greta Hannes Ilka Jonas Karla Leopold Mira Norbert Ottilie Paulus "
    "Quirin Rosa Severin Thea Ulrich Vera Wenzel Xenia Yorick Zita"
).split()


def words(rng: random.Random, vocabulary: Sequence[str], count: int) -> list[str]:
    """Words, the first ones of a vocabulary most often, as in languages."""
    weights = [1 / (rank + 2) for rank in range(len(vocabulary))]
    return rng.choices(vocabulary, weights, k=count)


def sentence(rng: random.Random, vocabulary: Sequence[str] = ENGLISH) -> str:
    """A sentence of 6 to 18 words."""
    return " ".join(words(rng, vocabulary, rng.randint(6, 18))).capitalize() + "."


def prose(rng: random.Random, count: int, vocabulary: Sequence[str] = ENGLISH) -> str:
    """Paragraphs of about so many words."""
    sentences: list[str] = []
    while sum(said.count(" ") + 1 for said in sentences) < count:
        sentences.append(sentence(rng, vocabulary))
    step = rng.randint(3, 6)
    return "\n\n".join(" ".join(sentences[start : start + step]) for start in range(0, len(sentences), step))


def unspaced(rng: random.Random, count: int, vocabulary: Sequence[str]) -> str:
    """Text of a script that puts no space between words."""
    return "".join(
        "".join(words(rng, vocabulary, rng.randint(8, 20))) + rng.choice("。，") for _ in range(count // 12 + 1)
    )


def date(rng: random.Random) -> str:
    """A date."""
    return f"{rng.randint(1890, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def amount(rng: random.Random) -> str:
    """A sum of money."""
    return f"{rng.randint(1, 9_999):,}.{rng.randint(0, 99):02}"


def code(rng: random.Random) -> str:
    """The name of a thing in a program, or of a part in a machine."""
    return f"{rng.choice('ABCDEFGHKLMNPRSTUVWXZ')}{rng.choice('ABCDEFGHKLMNPRSTUVWXZ')}-{rng.randint(100, 9_999)}"
