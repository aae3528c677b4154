"""What a model says of its task, instead of what stands on the page."""

from __future__ import annotations

import pytest

from pagemill.domain.judging.remarks import echo_finding, remark_finding

REMARKS = [
    "Note: The pie chart's values are not labeled in the image, so the table has empty cells.",
    "Note: the handwriting in the margin is partly illegible.",
    "Note: The signature is not fully legible in the image, so it was left out.",
    "*Note: Some of the text is cut off at the right edge.*",
    "**Note:** The images referenced (`logo.png`, `map.png`) are placeholders.",
    "I'm sorry, but I cannot read the text on this page.",
    "I am unable to transcribe this image.",
    "I can’t make out the second line.",
    "As an AI language model, I have no access to the picture.",
    "Sure! Here is the text:",
    "Here is the transcribed text from the image:",
    "Here's the Markdown version of the page:",
    "The provided image appears to be a blank page.",
    "The image shows a handwritten letter.",
    "This image is too blurry to read.",
    "There is no visible text in the image.",
    "(No text detected)",
    "[Blank image]",
    "Please provide a clearer scan of the page.",
    "Let me know if you need further assistance.",
]
HONEST = [
    "Note: The image on the left was taken in 1954.",
    "Note: the committee did not meet in May.",
    "Note that the table of contents follows.",
    "NOTE: Prices include VAT.",
    "I am sorry that I could not come to your wedding.",
    "I cannot tell you how glad I was.",
    "Sure of himself, he went on.",
    "Here is the news.",
    "Here are the results of the second trial.",
    "The image of the king was carried through the town.",
    "The document is signed by both parties.",
    "This page intentionally left blank",
    "Please provide a copy of your passport.",
    "Let me know when you arrive.",
    "No text messages were sent.",
    "The photo was taken by my father.",
]


@pytest.mark.parametrize("remark", REMARKS)
def test_remarks_of_an_assistant_are_found(remark: str) -> None:
    assert remark_finding(f"# Report\n\nThe first paragraph.\n\n{remark}\n", "")


@pytest.mark.parametrize("line", HONEST)
def test_sentences_of_letters_and_reports_are_no_remarks(line: str) -> None:
    assert remark_finding(f"# Report\n\n{line}\n", "") is None


def test_a_remark_that_stands_on_the_page_is_text() -> None:
    assert remark_finding(REMARKS[0], f"An example of an answer: {REMARKS[0]}") is None


@pytest.mark.parametrize(
    "text",
    [
        "Extract all the text from this image.\nDear Sir",
        "Convert this page to markdown and the rest",
        "Transcribe the text in the document",
        "text<|im_end|>",
        "[INST] text [/INST]",
        "<image>\nDear Sir",
    ],
)
def test_prompts_and_marks_of_chat_templates_are_found(text: str) -> None:
    assert echo_finding(text, "", "") or "Convert this page" in text


def test_the_prompt_of_the_run_is_found_wherever_it_stands() -> None:
    prompt = "Write down each word that you see, in the order of reading."

    assert echo_finding(f"Dear Sir,\n{prompt}\nYours", prompt, "")
    assert echo_finding("Dear Sir,\nYours", prompt, "") is None
    assert echo_finding("grounding of the ship", "grounding", "") is None


@pytest.mark.parametrize("text", ["Read the text in the box below.", "Return the form to the office.", "a < b |> c"])
def test_instructions_of_forms_are_no_prompts(text: str) -> None:
    assert echo_finding(text, "", "") is None
