from __future__ import annotations

import string

import pytest

from pagemill.domain.pages.text_layer import reads_like_language

HONEST = {
    "English": "The goods that were ordered are delivered within fourteen days of the payment to our account.",
    "German": "Die Lieferung der bestellten Waren erfolgt innerhalb von vierzehn Tagen nach Eingang der Zahlung.",
    "French": "Les marchandises seront livrées dans un délai de quinze jours à compter de la réception du paiement.",
    "Spanish": "La entrega de los productos se realizará en un plazo de quince días a partir de la recepción del pago.",
    "Polish": "Dostawa zamówionych towarów nastąpi w ciągu czternastu dni od wpływu płatności na nasze konto.",
    "Czech": "Dodání objednaného zboží proběhne do čtrnácti dnů od přijetí platby na náš účet v Praze.",
    "Finnish": "Tilatut tuotteet toimitetaan neljäntoista päivän kuluessa siitä, kun maksu on kirjattu tilillemme.",
    "Hungarian": "A megrendelt áruk szállítása a fizetés számlánkra érkezésétől számított tizennégy napon belül.",
    "Turkish": "Sipariş edilen ürünler, ödemenin hesabımıza ulaşmasından itibaren on dört gün içinde teslim edilir.",
    "Vietnamese": "Hàng hóa đã đặt sẽ được giao trong vòng mười bốn ngày kể từ ngày nhận được khoản thanh toán.",
    "Indonesian": "Pengiriman barang yang dipesan akan dilakukan dalam waktu empat belas hari setelah pembayaran.",
    "Russian": "Поставка заказанных товаров осуществляется в течение четырнадцати дней с момента поступления оплаты.",
    "Greek": "Η παράδοση των εμπορευμάτων γίνεται εντός δεκατεσσάρων ημερών από την παραλαβή της πληρωμής.",
    "Japanese": "ご注文の商品は、お支払いの確認後十四日以内に発送いたします。",
    "Arabic": "يتم تسليم البضائع المطلوبة خلال أربعة عشر يومًا من استلام الدفعة في حسابنا.",
    "numbers": "2024 1,280.00 19 % 243.20\n2025 1,310.00 19 % 248.90",
    "codes": "Order PO4711, article M8x60 A4-70, IBAN DE89 3704 0044 0532 0130 00, drawing 0815-B, the 2nd of 3 boxes",
    "addresses": "Write to info@example.com or see https://www.example.com/help?page=2; open from 9am to 5pm.",
    "names": "O'Brien, Jean-Luc d'Arc and Anne-Marie Müller met at St. John's; the lawyers' fees are in the annex.",
}

_OLD_OCR = "De1ivery n0te 47ll 0f tbe Mi11er W0rks, Custorner: Exarnp1e Ltd, l2 Harb0ur Street, bo1ts M8"


@pytest.mark.parametrize("language", HONEST)
def test_honest_texts_of_many_languages_are_accepted(language: str) -> None:
    assert reads_like_language(HONEST[language])


def _shifted(text: str, by: int) -> str:
    lower, upper = string.ascii_lowercase, string.ascii_uppercase
    return text.translate(str.maketrans(lower + upper, lower[by:] + lower[:by] + upper[by:] + upper[:by]))


@pytest.mark.parametrize("language", ["English", "German", "French", "Spanish", "Indonesian"])
def test_letters_of_another_encoding_are_refused(language: str) -> None:
    accepted = [by for by in range(1, 26) if reads_like_language(_shifted(HONEST[language], by))]

    assert accepted == []


@pytest.mark.parametrize(
    "text",
    [
        _OLD_OCR,
        "Hipmziv}$rsxi$8;55$sj$xli$Qmppiv$[svow Gywxsqiv>$I|eqtpi$Pxh0$56$Levfsyv$Wxviix",  # all codes moved by four
        " ".join(HONEST["English"].replace(" ", "")),  # letter by letter
        HONEST["English"].replace(" ", ""),  # no spaces
        HONEST["English"].replace("a", "а").replace("o", "о"),  # Cyrillic letters among Latin ones
        "",
    ],
)
def test_letters_that_are_valid_but_wrong_are_refused(text: str) -> None:
    assert not reads_like_language(text)
