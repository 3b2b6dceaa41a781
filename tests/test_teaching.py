"""The page for those who teach names exercises, figures, sections, numbers and minutes that are there."""

import re

import make_zip
import pytest
from notebooks import ROOT, STEMS, cells, code_cells, exercises, labels_of_equations, printed, prose
from test_deployment import TARGETS

PAGE = (ROOT / "book" / "teaching.md").read_text()
HEAD, *SECTIONS = re.split(r"^## ", PAGE, flags=re.M)
WEEKS = [section for section in SECTIONS if section.startswith("Week ")]
REFERENCE = r"\{ref\}`([^`<]+) <([^>]+)>`"
STEP = r"- (\d+)–(\d+)\. .+"

week = pytest.mark.parametrize(("text", "stem"), list(zip(WEEKS, STEMS, strict=False)), ids=STEMS)


def headings(stem):
    """The chapter's headings; what comes after `Predict, then move:` is one, too."""
    found = re.findall(r"^#+ (.+)$", prose(stem), flags=re.M)
    return [heading.removeprefix("Predict, then move: ") for heading in found]


def emphasised(text):
    return re.findall(r"(?<!\*)\*(?!\*)([^*\n]+)\*(?!\*)", text)


def plain(name):
    return name.strip().rstrip("?.").lower()


def has_live_figure(stem, name):
    """Is there a live figure or a drawing pad below this heading, before the next one of its rank?"""
    rank = 0
    for cell in cells(stem):
        if cell.cell_type == "markdown":
            for marks, heading in re.findall(r"^(#+) (.+)$", cell.source, flags=re.M):
                if plain(heading.removeprefix("Predict, then move: ")) == plain(name):
                    rank = len(marks)
                elif len(marks) <= rank:
                    return False
        elif rank and re.search(r"\b(explore|pad)\(", cell.source):
            return True
    return False


def test_there_is_a_week_for_each_chapter_in_order():
    named = [re.search(r"^Chapter \[(\S+)\]\((\S+)\.ipynb\)\.$", text, flags=re.M).groups() for text in WEEKS]
    assert [stem for _, stem in named] == STEMS
    assert all(stem.startswith(number.replace(".", "_") + "_") for number, stem in named)
    assert [re.match(r"Week (\d+): [A-Z]", text)[1] for text in WEEKS] == [str(k + 1) for k in range(len(STEMS))]


@week
def test_a_week_has_its_parts_in_order(text, stem):
    parts = ["First question", "Project", "45 minutes", "90 minutes", "What to expect"]
    assert re.findall(r"^\*\*([^*]+?)\.?\*\*", text, flags=re.M) == parts


@week
@pytest.mark.parametrize("minutes", [45, 90])
def test_the_minutes_of_a_plan_add_up(text, stem, minutes):
    plan = re.search(rf"^\*\*{minutes} minutes\*\*\n\n((?:- .+\n)+)", text, flags=re.M)[1].splitlines()
    times = [tuple(map(int, re.fullmatch(STEP, line).groups())) for line in plan]
    starts, ends = zip(*times, strict=True)
    assert starts == (0, *ends[:-1]) and ends[-1] == minutes
    assert all(start < end for start, end in times)


@week
def test_exercises_equations_and_theorems_are_those_of_the_chapter(text, stem):
    titles = {label: title.split(": ", 1)[1] for title, label in exercises(stem)}
    for name, label in re.findall(REFERENCE, text):
        assert plain(name) == plain(titles[label])
    assert set(re.findall(r"\{eq\}`([^`]+)`", text)) <= set(labels_of_equations(stem))
    for label in re.findall(r"\{prf:ref\}`([^`]+)`", text):
        assert f":label: {label}\n" in prose(stem)


@week
def test_each_belief_has_the_exercise_that_uncovers_it(text, stem):
    beliefs = re.search(r"^\*\*What to expect\*\*\n\n((?:- .+\n)+)", text, flags=re.M)[1].splitlines()
    assert len(beliefs) >= 5
    assert [belief for belief in beliefs if not re.search(REFERENCE, belief)] == []


@week
def test_sections_are_named_as_in_the_chapter(text, stem):
    known = {plain(heading) for heading in headings(stem)}
    unknown = [name for name in emphasised(text) if plain(name) not in known and f"*{name}:*" not in prose(stem)]
    assert unknown == []


@week
def test_what_is_projected_is_a_live_figure(text, stem):
    project = re.search(r"^\*\*Project\*\* .+", text, flags=re.M)[0]
    assert has_live_figure(stem, emphasised(project)[0])


@week
def test_numbers_are_those_of_the_chapter(text, stem):
    """As they stand there or, where the page says points or per cent, as shares."""
    said = re.sub(r"^- \d+–\d+\.|^\*\*\d+ minutes\*\*|^Week \d+|\{[\w:]+\}`[^`]*`|\]\([^)]*\)", "", text, flags=re.M)
    chapter = "\n".join([prose(stem), *printed(stem), *(cell.source for cell in code_cells(stem))]).replace(",", "")
    known = set(re.findall(r"\d+(?:\.\d+)?", chapter))
    numbers = {number.replace(",", "") for number in re.findall(r"(?<![\w.,])\d+(?:[.,]\d+)*(?!\w)", said)}
    assert {n for n in numbers if not {n, f"{float(n) / 100:.4g}"} & known} == set()


def test_what_the_page_says_of_all_chapters_holds():
    named = [name for section in [HEAD, *SECTIONS] if section not in WEEKS for name in emphasised(section)]
    everywhere = [title for stem in STEMS for title in [*headings(stem), *(title for title, _ in exercises(stem))]]
    everywhere += ["Predict, then move"]
    assert [name for name in named if not any(title.startswith(name) for title in everywhere)] == []
    times = {stem: re.search(r":class: prelude\nAbout ([^,.(:;]+)", prose(stem))[1] for stem in STEMS}
    shortest, longest = re.search(r"reading takes (.+?) \(chapter 1\) to (.+?) \(3\.5\)", PAGE).groups()
    assert times["1_background"].startswith(shortest) and times["3_5_backpropagation"].startswith(longest)
    minutes = {stem: in_minutes(time) for stem, time in times.items()}
    assert minutes["1_background"] == min(minutes.values()) and minutes["3_5_backpropagation"] == max(minutes.values())


def in_minutes(time):
    """What "two hours and a quarter", "80 minutes", "an hour" amount to."""
    words = {"an": 1, "one": 1, "two": 2, "three": 3}
    if found := re.match(r"(\d+) minutes", time):
        return int(found[1])
    number, rest = re.match(r"(\w+)(.*)", time).groups()
    return 60 * words[number] + 30 * ("half" in rest) + 15 * ("quarter" in rest)


def test_links_commands_and_files_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("https://") or (ROOT / "book" / target).exists(), target
    assert set(re.findall(r"`make ([a-z-]+)", PAGE)) <= TARGETS
    assert f"`{make_zip.ZIP.relative_to(ROOT)}`" in PAGE
