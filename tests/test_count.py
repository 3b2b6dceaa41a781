"""The numbers that the README states of the book are those of the book."""

import re

from count_book import BEGIN, END, README, book, table


def test_the_readme_states_what_is_counted():
    readme = README.read_text()
    stated = re.search(re.escape(BEGIN) + ".*" + re.escape(END), readme, flags=re.S)
    assert stated and stated[0] == table(), "make count writes it anew"


def test_nothing_is_without_its_counterpart():
    counted = book()
    assert counted["exercises"] == counted["solutions"] > 0
    assert counted["checks of equations"] > counted["labelled equations"] > 0
    assert counted["live figures"] >= counted["chapters"] and counted["experiments"] >= counted["chapters"]
