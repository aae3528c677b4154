"""Finds what a model says of itself, of its task or of the picture, instead of what stands on the page."""

from __future__ import annotations

import re

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.judging.words import spaced, words_of

_LONGEST = 600  # characters of a paragraph that is looked at: remarks are short
_EXCERPT = 80  # characters of a remark in a message
_FEWEST_ECHOED = 4  # words of a prompt: fewer stand on pages, too

_PICTURE = r"(?:image|picture|photo|photograph|scan|screenshot|figure|chart|diagram|page|document)s?"
_FAULT = (
    r"image|il?legible|unclear|visible|placeholders?|readable|cut\s+off|extracted|provided|transcri\w+|represented\s+as"
    r"|approximat\w+|rendering|not\s+(?:explicitly|fully|clearly)"
)
# How a paragraph begins that is a remark: on the picture, on what cannot be read, or to whoever asked.
_REMARKS = (
    # Note: The values of the chart are not explicitly labeled in the image.
    (
        rf"note:?\W+(?:that\s+)?(?:(?:some|parts?|portions?|any|all)\s+(?:of\s+)?)?the\s+(?:[\w-]+\s+){{0,4}}?"
        rf"(?:{_PICTURE}|text|table|values?|content|handwriting|transcription|original)\b(?=[^\n]{{0,200}}?\b(?:{_FAULT})\b)"
    ),
    # Note: The signature is not legible in the image.
    (
        r"note:?\W+(?=[^\n]{0,200}?\b(?:in|on|from|of)\s+the\s+(?:image|picture|photo|scan)\b)"
        r"(?=[^\n]{0,200}?\b(?:illegible|unreadable|unclear|cut\s+off|not\s+(?:\w+\s+)?(?:legible|readable|visible))\b)"
    ),
    # I'm sorry, but I cannot read the text in this image.
    (
        r"(?:i['’]?m|i\s+am)\s+(?:sorry|unable|not\s+able)\b"
        r"(?=[^\n]{0,160}?\b(?:image|text|page|document|read|see|assist|help|transcri\w+|request)\b)"
    ),
    (
        r"i\s+(?:cannot|can['’]?t|could\s+not|couldn['’]?t)\s+"
        r"(?:read|see|view|access|make\s+out|transcribe|extract|assist|process|provide|identify|help)\b"
    ),
    r"as\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model)\b",
    # Sure, here is the text of the page: …
    r"(?:sure|certainly|of\s+course|okay|absolutely)[!,.]\s+(?:here|i\b|let\s+me|below|the)",
    (
        r"here(?:['’]s|\s+is|\s+are)\s+(?:the|a|your|an?)\s+(?:[\w-]+\s+){0,4}?"
        r"(?:transcri\w+|markdown|ocr|text\s+(?:from|of|in|extracted)|extracted|conversion|html"
        r"|content\s+of\s+the\s+(?:image|page))"
    ),
    # The provided image shows …
    (
        rf"(?:the\s+)?(?:provided|given|uploaded|attached|supplied)\s+{_PICTURE}\s+"
        r"(?:is|are|shows?|contains?|appears?|depicts?|does|has|seems?|displays?|includes?)\b"
    ),
    (
        r"(?:the|this)\s+(?:image|picture|photo|photograph|scan|screenshot)\s+"
        r"(?:is\s+(?:blank|empty|too|completely|entirely|very|of\s+low|blurry|not)|appears\s+to|seems\s+to"
        r"|does\s+not\s+(?:contain|have|show)|contains\s+(?:no|a|the|only)\b|has\s+no|shows\s+(?:a|an|the|no)\b|depicts)"
    ),
    # No text is visible in the image.
    (
        r"(?:there\s+is\s+)?no\s+(?:visible\s+|legible\s+|readable\s+|discernible\s+|recognizable\s+)?text\s+(?:is\s+|was\s+)?"
        r"(?:visible|found|detected|present|in\s+the\s+(?:image|picture)|on\s+the\s+(?:image|page)|to\s+(?:extract|transcribe))"
    ),
    # Please provide a clearer scan.
    (
        r"(?:please\s+(?:provide|upload|share|attach)|if\s+you\s+(?:can|could)\s+provide)\s+(?:a|an|the|me|more)\b"
        r"(?=[^\n]{0,80}?\b(?:image|picture|scan|clearer)\b)"
    ),
    (
        r"(?:let\s+me\s+know|feel\s+free\s+to\s+(?:ask|let))\b"
        r"(?=[^\n]{0,120}?\b(?:further|else|help|assist\w*|questions|transcri\w+)\b)"
    ),
    r"(?:blank|empty)\s+(?:image|picture)\s*[.)\]]*\s*$",
)
_REMARK = re.compile(rf"[\s>*_(\[#-]{{0,12}}(?:{'|'.join(_REMARKS)})", re.IGNORECASE)
# What prompts of OCR models ask for, at the beginning of a paragraph.
_REQUEST = re.compile(
    r"[\s>*_\"'(#-]{0,12}(?:please\s+)?(?:extract|transcribe|convert|return|output|read)\s+(?:all\s+(?:of\s+)?)?(?:the\s+)?"
    r"(?:visible\s+)?(?:text|content|page|image|document|markdown)\s+(?:content\s+)?(?:from|in|of|to|into|as)\s+"
    r"(?:this\s+|the\s+|plain\s+|markdown\s+|an?\s+)?(?:image|page|document|picture|markdown|text)",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(  # marks of chat templates
    r"<\|(?:im_start|im_end|endoftext|image_pad|vision_start|vision_end|assistant|user|system|begin_of_text|eot_id)\|>"
    r"|\[/?INST\]|\[IMG(?:_BREAK|_END)?\]|<\|?image\|?>|<start_of_turn>|<end_of_turn>"
)


def remark_finding(text: str, layer: str) -> Finding | None:
    """The finding that a model remarks on its task. What the page's own text says, too, is no remark."""
    said = [remark for remark in _lines(_REMARK, text) if not _stands_in(remark, layer)]
    if not said:
        return None
    return Finding(Signal.REMARK, len(said), f"a remark of the model: '{_excerpt(said[0])}'")


def echo_finding(text: str, prompt: str, layer: str) -> Finding | None:
    """The finding that a model repeats its prompt or its chat template.

    Args:
        text: The transcript.
        prompt: What it was asked, beside the picture.
        layer: The page's own text.
    """
    if len(words_of(prompt)) >= _FEWEST_ECHOED and spaced(prompt) in spaced(text):
        return Finding(Signal.ECHO, 1, "the prompt stands in the text")
    marks = [mark for mark in _TEMPLATE.findall(text) if mark not in layer]
    echoed = marks or [request for request in _lines(_REQUEST, text) if not _stands_in(request, layer)]
    if not echoed:
        return None
    return Finding(Signal.ECHO, len(echoed), f"the text repeats a prompt: '{_excerpt(echoed[0])}'")


def _lines(pattern: re.Pattern[str], text: str) -> list[str]:
    """The lines that begin as a pattern says; a line is a paragraph in transcripts."""
    return [line.strip() for line in text.split("\n") if len(line) <= _LONGEST and pattern.match(line)]


def _stands_in(said: str, layer: str) -> bool:
    return bool(layer and words_of(said)) and spaced(said) in spaced(layer)


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
