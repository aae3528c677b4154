"""A page in French and a page in German: accents, ligatures, umlauts, sharp s, guillemets, low quotes."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Align, Column, Sheet, TrueText, Type

TITLE = Type("Times-Bold", 20, 28, mark="# ")
BODY = Type("Times-Roman", 12.5, 18, justified=True)
GERMAN_TITLE = Type("Helvetica-Bold", 19, 26, mark="# ")
GERMAN_BODY = Type("Helvetica", 11.5, 17)
FOOTER = Type("Times-Italic", 10, 12)

FRENCH = (
    (
        "À l'angle de la rue des Tanneurs, la bibliothèque de quartier a rouvert ses portes samedi dernier, après dix-huit "
        "mois de travaux. Dès neuf heures, une trentaine d'habitués attendaient déjà sous la pluie. « Nous n'espérions pas "
        "tant de monde », avoue Hélène Dufraisne, la directrice, un trousseau de clés à la main."
    ),
    (
        "Le bâtiment, élevé en 1887, a gardé sa façade de brique, mais tout a changé à l'intérieur : l'escalier a été "
        "élargi, les fenêtres s'ouvrent à nouveau et la salle de lecture, où l'on gelait chaque hiver, est enfin chauffée. "
        "Au sous-sol, un atelier accueille les élèves du collège voisin le mercredi et le vendredi."
    ),
    (
        "Les œuvres les plus anciennes ont été mises à l'abri. Parmi elles, un livre de chœur du XVe siècle, reçu en "
        "legs, que l'on n'avait pas montré depuis vingt ans. « Il fallait le protéger de la lumière, explique la "
        "directrice ; désormais, chacun pourra l'admirer sous verre. »"
    ),
    (
        "L'entrée reste gratuite. L'abonnement coûte 12,50 € par an, la moitié pour les étudiants. La bibliothèque est "
        "ouverte du mardi au samedi, de 9 h 30 à 18 heures, et le premier dimanche du mois jusqu'à midi."
    ),
)
GERMAN = (
    (
        "Wer am frühen Morgen durch die Weißgerbergasse geht, hört zuerst das Klopfen. In der Werkstatt von Jörg Büttner "
        "werden seit über dreißig Jahren Fässer gebaut, und zwar von Hand. „Maschinen sind schneller“, sagt der Küfer, "
        "„aber sie hören nicht, ob das Holz dicht ist.“"
    ),
    (
        "Für ein großes Fass braucht er sechzehn Dauben aus Eichenholz, die mindestens drei Jahre lang im Freien getrocknet "
        "sind. Über dem Feuer werden sie gebogen, bis sie sich schließen; danach treibt er die Reifen auf. Größere Mengen "
        "liefert er nur auf Bestellung, denn an einem einzigen Stück arbeitet er zwei Tage."
    ),
    (
        "Früher gab es in Oberstein elf Küfer, heute ist er der letzte. Eine Lehrstelle hat er trotzdem ausgeschrieben. "
        "Gemeldet haben sich bisher drei junge Leute, darunter eine Köchin aus Süßenbach. »Ich möchte etwas lernen, das "
        "bleibt«, schrieb sie ihm, und das gefiel ihm."
    ),
    (
        "Besucher sind dienstags und donnerstags willkommen. Der Eintritt ist frei, ein kleines Fass kostet 189,00 €, ein "
        "Zuber 95,50 €. Übrigens: Wer möchte, darf selbst einmal den Hammer führen."
    ),
)


def write(path: Path) -> TrueText:
    """Draw both pages; return their true text."""
    sheet = Sheet(path, size_pt=A4, title="Deux pages, zwei Seiten")
    width, height = A4
    column = Column(76, height - 130, width - 152, 80)
    sheet.line("La bibliothèque retrouvée", width / 2, height - 100, type_=TITLE, align=Align.CENTRE)
    sheet.flow([(text, BODY) for text in FRENCH], [column])
    sheet.line("Page 1", width / 2, 48, type_=FOOTER, align=Align.CENTRE)
    sheet.turn()
    sheet.line("Der letzte Küfer von Oberstein", column.left, height - 100, type_=GERMAN_TITLE)
    sheet.flow([(text, GERMAN_BODY) for text in GERMAN], [column])
    sheet.line("Seite 2", width / 2, 48, type_=FOOTER, align=Align.CENTRE)
    return sheet.finish()
