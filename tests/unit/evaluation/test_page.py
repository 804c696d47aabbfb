import html
import re
from html.parser import HTMLParser
from importlib import resources

import pytest

from regatta.evaluation.report import render
from regatta.evaluation.report.advice import advise
from regatta.evaluation.report.charts import ticks
from regatta.evaluation.report.race import race
from regatta.evaluation.report.words import headline, name, number, percent, size, sureness
from tests.unit.evaluation.example import example

TASKS = {
    "binary": {},
    "multiclass": {"classes": ("low", "middle", "high")},
    "regression": {},
}
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "'\"><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</style></title></textarea><script>alert(1)</script>",
    "שלום عليكم \u202e desrever",
    "x" * 3000,
    "line\nbreak\ttab\x00null",
    "&lt;b&gt;",
    "",
)
VOID = {"meta", "br", "img", "input", "link", "col", "path", "rect", "hr"}


class Page(HTMLParser):
    """Collect the elements of a page, and check that tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.attributes, self.headings = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, key, value) for key, value in attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, key, value) for key, value in attrs)

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag


@pytest.fixture(params=TASKS)
def page(request):
    return render(*example(request.param, **TASKS[request.param]))


def test_is_one_page_without_scripts_links_or_other_files(page):
    assert page.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in page[:120]
    found = Page(page)
    for tag in ("script", "a", "img", "link", "iframe", "form", "object", "embed", "base"):
        assert tag not in found.tags
    names = {key for _, key, _ in found.attributes}
    assert not {key for key in names if key.startswith("on")}
    assert not names & {"href", "src", "srcset", "target", "download", "action"}
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_is_light(page):
    assert len(page.encode()) < 120_000


def test_accessible(page):
    found = Page(page)
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    assert ("html", "lang", "en") in found.attributes
    charts = page.count('role="img"')
    assert charts == len(re.findall(r'role="img" aria-label="[^"]{10,}"', page))
    assert charts >= 3
    assert re.findall(r"<th(?![^>]*scope)[^>]*>[^<]", page) == []
    identifiers = [value for _, key, value in found.attributes if key == "id"]
    assert len(identifiers) == len(set(identifiers))
    labelled = {value for _, key, value in found.attributes if key == "aria-labelledby"}
    assert labelled <= set(identifiers)


def test_says_what_won_how_sure_why_and_what_next(page):
    hero = page[page.index('class="hero"') : page.index('id="next"')]
    for text in ("What won", "2 models together", "LightGBM", "How sure are we", "age", "guess"):
        assert text in hero
    assert "95\u202f% confidence" in hero


def test_failures_have_their_reason(page):
    assert "out of memory" in page
    assert "used 2.1 GB where 2.0 GB were allowed" in page


def test_locked_rows_are_declared(page):
    assert "400 of 2,000 rows were set aside" in page
    assert "opened once" in page
    assert "ab" * 32 in page


@pytest.mark.parametrize("bad", HOSTILE)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_hostile_names_stay_text(task, bad):
    values, trials = example(
        task,
        names=(bad, f"second {bad}", f"third {bad}"),
        classes=(bad, f"other {bad}"),
        target=bad,
        values=(bad, f"b{bad}", f"c{bad}"),
        reason=bad,
    )
    values["findings"][0] |= {"message": bad, "level": bad}
    values["dataset"]["source"] = bad
    values["settings"]["data"]["kinds"] = {bad: bad}
    values["members"][0]["params"] = {bad: bad}
    page = render(values, trials)
    found = Page(page)
    assert not {"script", "img", "iframe", "a", "b0"} & set(found.tags)
    assert found.tags.count("svg") == {"binary": 4, "regression": 3}[task]
    assert found.tags.count("style") == found.tags.count("title") == 1
    assert not {key for _, key, _ in found.attributes if key.startswith("on")}
    if bad.strip():
        plain = " ".join(bad.split())[:40].replace("\x00", "")
        assert plain in html.unescape(page).replace("\x00", "")


def test_very_long_names_are_cut_and_whole_in_the_tooltip():
    found = name("a" * 500)
    assert len(found.striptags()) == 48
    assert "a" * 500 in found


def test_unsure_model_is_not_recommended():
    values, trials = example(skill=0.0)
    assert sureness(values["metric"]) != "better"
    advice = advise(values, trials)
    assert advice[0].tone == "stop"
    assert not any(one.tone == "use" for one in advice)
    assert "Not surely better than a guess" in render(values, trials) or "Worse" in render(
        values, trials
    )


def tones(values, trials):
    return {str(one.title): one.tone for one in advise(values, trials)}


def test_good_model_is_recommended():
    assert "Use it" in tones(*example())


def test_a_column_that_explains_everything_is_suspected():
    values, trials = example(skill=4.0)
    values["importance"]["columns"][0]["loss"] = 10.0
    assert any("known in time" in title for title in tones(values, trials))


def test_optimism_of_the_race_is_named():
    values, trials = example()
    values["metric"]["validation"] = 0.999
    assert "Look for rows that belong together" in tones(values, trials)


def test_classes_that_are_not_found_are_named():
    values, trials = example("multiclass", classes=("a", "b", "c"))
    values["pictures"]["confusion"]["matrix"][1] = [50, 2, 50]
    assert any("find <bdi>b</bdi>" in title for title in tones(values, trials))


def test_late_trials_ask_for_time():
    values, trials = example()
    for trial in trials["trials"][1:]:
        trial["status"] = "timeout"
    assert "Give it more time" in tones(values, trials)


def test_a_kept_champion_is_advised():
    values, trials = example()
    values["comparison"] |= {"decision": "keep", "reason": "It is <better>."}
    assert "Keep the model that is in service" in tones(values, trials)
    assert "It is &lt;better&gt;." in render(values, trials)


def test_one_class_in_the_locked_rows_still_makes_a_page():
    values, trials = example()
    values["scores"] = [row for row in values["scores"] if row["key"] not in ("roc_auc",)]
    values["metric"] |= {"key": "log_loss"}
    for key in ("roc", "pr"):
        values["pictures"][key] = [{"label": "", "curve": None}]
    Page(render(values, trials))


def test_nothing_important_and_no_findings():
    values, trials = example()
    for column in values["importance"]["columns"]:
        column["loss"] = -0.1
    values["pictures"]["profiles"] = []
    values["findings"] = []
    page = render(values, trials)
    assert "No column stands out" in page
    assert "Nothing in the table stood out" in page


def test_many_classes():
    values, trials = example("multiclass", classes=tuple(f"class {i}" for i in range(40)))
    page = render(values, trials)
    assert "21 rarest classes are folded" in page
    assert len(page.encode()) < 200_000


def test_race_sorts_and_cuts():
    _, trials = example()
    worse = {**trials["trials"][0], "score": 0.1, "id": "x"}
    rows = race({"trials": [worse] * 30 + trials["trials"]}, greater_is_better=True)
    assert rows["done"][-1]["id"] == "x"
    assert (rows["n_done"], rows["more_done"], rows["n_failed"]) == (32, 7, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (-1234.5, "−1,234"),
        (1e-7, "1e−07"),
        (0.5, "0.5000"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_percent_and_size():
    assert percent(0.001).replace("\u202f", " ") == "<1 %"
    assert percent(1.0).replace("\u202f", " ") == "100 %"
    assert size(None) == "–"


def test_headline_of_each_task():
    assert "knows which is which" in headline(example()[0])
    assert "of 100 rows" in headline(example("multiclass", classes=("a", "b", "c"))[0])
    assert "to within" in headline(example("regression")[0])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 1234567), (0.001, 0.0011), (5, 5)])
def test_ticks_are_in_range(low, high):
    found = ticks(low, high)
    assert found == sorted(found)
    assert 1 <= len(found) <= 8
    assert low - 1e-9 <= found[0] <= found[-1] <= high + 1e-9


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_aa(scheme):
    css = resources.files("regatta.evaluation.report").joinpath("style.css").read_text()
    blocks = re.findall(r":root \{([^}]*)\}", css)
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", blocks[scheme == "dark"]))
    for text in ("ink", "soft", "accent", "good", "warn", "stop", "second"):
        assert _contrast(colours[text], colours["paper"]) >= 4.5, text
    for text in ("ink", "soft"):
        assert _contrast(colours[text], colours["grid"]) >= 4.5, text
        assert _contrast(colours[text], colours["wash"]) >= 4.5, text
    for line in ("s1", "s2", "s3", "s4"):
        assert _contrast(colours[line], colours["paper"]) >= 3, line


def test_what_is_released_may_know_more_than_what_was_measured():
    values, trials = example()
    assert "2 of the 3 members of the model learnt from them, too" in render(values, trials)
    values["refit"]["refitted"] = 3
    assert "Only then the model learnt from them, too" in render(values, trials)
    del values["refit"]
    assert "Only then" not in render(values, trials)


def test_weights_are_told():
    values, trials = example()
    assert "Rows count by their weight" not in render(values, trials)
    page = render({**values, "weight": "<exposure>"}, trials)
    assert "Rows count by their weight in <bdi>&lt;exposure&gt;</bdi>" in page
    assert "count each row once" in page


def test_the_way_of_splitting_is_told():
    values, trials = example()
    assert "The table was split" not in render(values, trials)
    split = {"by": "by groups of '<id>'", "group": "<id>", "time": "", "n_groups": 31}
    page = render({**values, "split": split}, trials)
    assert "The table was split by groups of <bdi>&lt;id&gt;</bdi>" in page
    assert "are of 31 groups that no trial has seen" in page
    assert "bootstrap resamples of whole groups" in page
    split = {"by": "the latest 20 % by 'day'", "group": "", "time": "day", "n_groups": 0}
    page = render({**values, "split": split}, trials)
    assert "the locked rows are the latest" in page
    assert "by <bdi>day</bdi>" in page
    assert "not how much later times will differ" in page


def test_what_explains_a_race_that_promised_more():
    values, trials = example()
    values["metric"]["validation"] = values["metric"]["high"] + 0.01
    reasons = {
        "": "Look for rows that belong together",
        "group": "Look for groups that belong together",
        "time": "Expect the model to age",
    }
    for key, title in reasons.items():
        split = {"by": "x", "group": "", "time": "", "n_groups": 9, key: "x"} if key else {}
        assert title in tones({**values, "split": split}, trials)


def test_an_interval_is_missing_for_want_of_groups():
    values, trials = example()
    values["metric"] |= {"low": None, "high": None}
    values["intervals"]["fewest"] = 3
    split = {"by": "x", "group": "x", "time": "", "n_groups": 4}
    assert "too few groups for an interval" in render({**values, "split": split}, trials)
    assert "too few rows for an interval" in render(values, trials)
