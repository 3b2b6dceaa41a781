"""Who did what first: each source named is in references.bib, and each method has one where it is introduced."""

import re
import unicodedata

import pytest
from collect_claims import claims
from collect_formulas import chapters
from notebooks import ROOT, STEMS, prose

BIBLIOGRAPHY = (ROOT / "book" / "references.bib").read_text()
ENTRIES = dict(re.findall(r"^@\w+\{([^,\s]+),\n(.+?)^\}", BIBLIOGRAPHY, flags=re.M | re.S))
GLOSSARY = (ROOT / "book" / "glossary.md").read_text()

# The method as the glossary calls it, and who is to be credited with it.
METHODS = {
    "AdaGrad": ["duchi2011"],
    "Adam": ["kingma2015"],
    "AdamW": ["loshchilov2019"],
    "adversarial example": ["szegedy2014"],
    "backpropagation": ["rumelhart1986", "linnainmaa1976"],
    "complex step": ["squire1998"],
    "data augmentation": ["simard2003"],
    "distillation": ["hinton2015"],
    "double descent": ["belkin2019", "nakkiran2020"],
    "dropout": ["srivastava2014"],
    "early stopping": ["prechelt1998"],
    "edge of stability": ["cohen2021"],
    "expected calibration error": ["naeini2015"],
    "fast gradient sign method": ["goodfellow2015"],
    "GELU": ["hendrycks2016"],
    "Glorot initialisation": ["glorot2010"],
    "He initialisation": ["he2015"],
    "integrated gradients": ["sundararajan2017"],
    "KL divergence": ["kullback1951"],
    "label smoothing": ["szegedy2016"],
    "lasso": ["tibshirani1996"],
    "leaky ReLU": ["maas2013"],
    "momentum": ["polyak1964"],
    "Nesterov": ["nesterov1983"],
    "occlusion": ["zeiler2014"],
    "pruning": ["lecun1989", "han2015", "frankle2019"],
    "quantisation": ["jacob2018"],
    "range test": ["smith2017"],
    "ReLU": ["nair2010", "glorot2011"],
    "ridge regression": ["hoerl1970", "tikhonov1963"],
    "RMSProp": ["tieleman2012"],
    "roofline": ["williams2009"],
    "saliency": ["simonyan2014"],
    "SGD": ["robbins1951"],
    "SiLU": ["elfwing2018", "hendrycks2016"],
    "softmax": ["bridle1990"],
    "softplus": ["dugas2000"],
    "support vector machine": ["cortes1995"],
    "tape": ["wengert1964"],
    "temperature (of softmax)": ["guo2017"],
    "universal approximation": ["cybenko1989", "hornik1989", "leshno1993"],
    "warm-up": ["goyal2017"],
    "weight decay": ["krogh1991"],
    "Wilson interval": ["wilson1927"],
}


def cited(text):
    return {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in keys.split(",")}


def without_accents(text):
    plain = re.sub(r"\{\\(?:\W|\w(?=\{))(?:\{(\w)\}|(\w))\}", r"\1\2", text)  # {\'u} as BibTeX writes it
    return "".join(letter for letter in unicodedata.normalize("NFD", plain) if not unicodedata.combining(letter))


def names(entry):
    """Surnames and year of an entry."""
    authors = re.search(r"^ *author *= *\{(.+)\},?$", without_accents(entry), flags=re.M)[1].split(" and ")
    return [author.split(",")[0] for author in authors], re.search(r"^ *year *= *\{(\d{4})\}", entry, flags=re.M)[1]


def test_every_entry_is_cited_and_every_citation_has_an_entry():
    pages = [page.read_text() for page in (ROOT / "book").glob("*.md")]
    assert set().union(*(cited(text) for text in [*map(prose, STEMS), *pages])) == set(ENTRIES)
    assert len(ENTRIES) == len(re.findall(r"^@", BIBLIOGRAPHY, flags=re.M)), "a key is there once"


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_has_authors_title_year_and_place(key):
    entry = ENTRIES[key]
    fields = set(re.findall(r"^ *(\w+) *=", entry, flags=re.M))
    assert {"author", "title", "year"} <= fields
    assert fields & {"journal", "booktitle", "publisher", "school", "howpublished", "note", "eprint", "url"}
    assert re.match(r"[a-z]+?(\d{4})[a-z]*$", key)[1] == names(entry)[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_credited_in_the_chapter_that_introduces_it(method):
    found = re.search(rf"^{re.escape(method)}\n(?:\S.*\n)*  .+\[[\d.]+\]\((\S+)\.ipynb\)$", GLOSSARY, flags=re.M)
    assert set(METHODS[method]) <= cited(prose(found[1]))


def test_whoever_is_said_to_have_made_a_claim_is_in_the_bibliography():
    known = [names(entry) for entry in ENTRIES.values()]
    missing = []
    for path in chapters():
        for claim in claims(path)[1]:
            for who, year in re.findall(
                r"((?:[A-Z][\w-]+(?:, | and | et al\.,? | ))+)(\d{4})", without_accents(claim.said_by)
            ):
                surnames = [name for name in re.split(r", | and | et al\.?,? ?| ", who) if name]
                if not any(year == when and set(surnames) <= set(authors) for authors, when in known):
                    missing.append((path.stem, claim.said_by))
    assert missing == []
