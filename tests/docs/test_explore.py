"""The interactive page, in a real browser without a window."""

import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from docs import explore_page
from ptb.data import reader, text
from tests import browser as browsers

By, Keys, WebDriverWait = browsers.By, browsers.Keys, browsers.WebDriverWait

ROOT = Path(__file__).parents[2]
PAGE = explore_page.PAGE
LANGUAGES, THEMES = ("en", "zh"), ("light", "dark")
NUM_CASES = 200
# What Python's str.split takes for white space, and two that it does not.
BLANKS = [chr(c) for c in range(0x3001) if chr(c).isspace() and chr(c) not in "\r\n"]
NO_BLANKS = ["\ufeff", "\u200b"]
ANSWERS = (
    {"batch_size": 1, "num_steps": 8},
    {"batch_size": 1, "num_steps": 3},
    {"batch_size": 3},
    {"batch_size": 4},
    {"sampling": "random", "state": "zeroed"},
    {"num_steps": 2, "sampling": "sequential", "state": "carried"},
    {"num_steps": 21, "factor": 0.95},
    {"num_steps": 11, "factor": 0.6, "clipping": "on"},
)

pytestmark = browsers.needed


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsers.start(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    """The page as it is when it is opened, with nothing emulated."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return show(driver, lang="en")


def show(driver, **settings):
    """Opens the page with these settings in its address."""
    driver.get("about:blank")
    driver.get(f"{PAGE.as_uri()}#{urlencode(settings)}")
    return driver


def texts(page, selector):
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )


def settings(page):
    return page.execute_script("return settings")


def tokens_of(content, unit):
    """The tokens of a text as the project reads them."""
    lexicon = text.lexicon(unit)
    ids = lexicon.encode(content)
    return [lexicon.tokens[i] for i in ids]


class Replayed:
    """A generator of random numbers that draws what the page drew."""

    def __init__(self, offset, order):
        self.offset, self.order = offset, order

    def integers(self, high):
        assert 0 <= self.offset < high
        return self.offset

    def permutation(self, count):
        assert sorted(self.order) == list(range(count))
        return np.array(self.order, int)


def random_cases():
    """Words of one to three letters on lines, cut in `NUM_CASES` ways, some of them too large."""
    rng = np.random.default_rng(1)
    letters = list("abcdeé漢字😀")
    cases = []
    for _ in range(NUM_CASES):
        words = [
            "".join(rng.choice(letters, rng.integers(1, 4))) for _ in range(rng.integers(1, 90))
        ]
        joints = rng.choice([" ", "\n"], len(words), p=[0.8, 0.2])
        cases.append(
            {
                "text": "".join(np.char.add(words, joints)).rstrip() + "\n",
                "unit": str(rng.choice(["word", "char"])),
                "batch_size": int(rng.integers(1, 9)),
                "num_steps": int(rng.integers(1, 13)),
                "sampling": str(rng.choice(["sequential", "random"])),
                "seed": int(rng.integers(1, 1000)),
            }
        )
    return cases


CUT_ALL = """
return arguments[0].map(({text, unit, batch_size, num_steps, sampling, seed}) => {
  const tokens = readTokens(text, unit);
  const made = cut(tokens, batch_size, num_steps, sampling, seed);
  const windows = made.starts.map((_, k) => windowAt(tokens, made, k));
  const works = sizesThatWork(tokens.length, batch_size, num_steps, sampling);
  const fits = (b, t) => b > 0 && t > 0 && cut(tokens, b, t, sampling, seed).starts.length > 0;
  return {...made, tokens, windows, unpredicted: unpredicted(tokens, made), works,
          largest: [fits(works.batchSize, num_steps), fits(works.batchSize + 1, num_steps),
                    fits(batch_size, works.numSteps), fits(batch_size, works.numSteps + 1)]};
});
"""


@pytest.fixture(scope="module")
def cuts(driver):
    """`random_cases`, and what the page makes of each."""
    cases = random_cases()
    return list(zip(cases, show(driver, lang="en").execute_script(CUT_ALL, cases), strict=True))


def test_the_windows_are_those_that_the_reader_makes_for_training(cuts):
    num_refused = 0
    for case, made in cuts:
        tokens = tokens_of(case["text"], case["unit"])
        assert made["tokens"] == tokens
        sizes = np.arange(len(tokens)), case["batch_size"], case["num_steps"]
        try:
            if case["sampling"] == "sequential":
                windows = reader.sequential(*sizes)
            else:
                replayed = Replayed(made.get("offset", 0), made.get("order", []))
                windows = reader.random(*sizes, replayed)
        except ValueError:
            num_refused += 1
            assert made["starts"] == []
            continue
        assert made["starts"] == windows.starts.tolist()
        names = np.array(tokens)
        for ours, (inputs, targets) in zip(made["windows"], windows, strict=True):
            assert ours == {"inputs": names[inputs].tolist(), "targets": names[targets].tolist()}
        assert len(made["unpredicted"]) == len(tokens) - 1 - windows.num_tokens
    assert 10 < num_refused < NUM_CASES / 2


def test_the_sizes_that_are_said_to_work_are_the_largest_that_do(cuts):
    for _, made in cuts:
        works = made["works"]
        expected = [works["batchSize"] > 0, False, works["numSteps"] > 0, False]
        assert made["largest"] == expected


def test_a_text_is_read_as_the_project_reads_it(page):
    read = "return readTokens(arguments[0], arguments[1])"
    words = "".join(f"a{blank}b" for blank in BLANKS + NO_BLANKS) + "\n \n<eos>c\n"
    assert page.execute_script(read, words, "word") == tokens_of(words, "word")
    kept = "\tif  x:\n  é漢😀 \n"
    expected = ["<eos>" if letter == "\n" else letter for letter in kept]
    assert page.execute_script(read, kept, "char") == expected
    # As in a file: a mark of the byte order goes, any line break is one, the last line has one.
    assert page.execute_script(read, "\ufeffa\r\nb\rc", "word") == tokens_of("a\nb\nc\n", "word")
    assert page.execute_script(read, "", "word") == page.execute_script(read, "", "char") == []


def test_the_numbers_and_the_hashes_in_the_page_are_those_of_now():
    now = PAGE.read_text(encoding="utf-8")
    assert explore_page.up_to_date(now) == now, "run python3 -m docs.explore_page"


def test_the_gradient_is_a_product_and_clipping_one_factor_for_all_of_it(page):
    gradient = page.execute_script("return gradientOfRow(0.5, 4, true)")
    assert gradient == {"terms": [1, 0.5, 0.25, 0.125], "sum": 1.875, "scale": 1}
    gradient = page.execute_script("return gradientOfRow(2, 4, true)")
    assert gradient == {"terms": [1, 2, 4, 8], "sum": 15, "scale": pytest.approx(5 / 15)}
    assert page.execute_script("return gradientOfRow(2, 4, false).scale") == 1


@pytest.mark.parametrize(
    ("state", "remembered"),
    [("carried", "abcdefgh"), ("zeroed", "efgh"), ("mistake", "nopqefgh")],
)
def test_the_state_reaches_where_it_comes_from_and_the_gradient_the_start_of_the_window(
    driver, state, remembered
):
    show(driver, lang="en", window=1, state=state)
    reach = [texts(driver, f"#reach dd:nth-of-type({i}) .token") for i in (1, 2)]
    assert ["".join(each) for each in reach] == [remembered, "efgh"]


def test_random_windows_cannot_carry_a_state(driver):
    show(driver, lang="en", sampling="random", state="carried")
    assert settings(driver)["state"] == "zeroed"
    disabled = "return [...document.querySelectorAll('#walk :disabled')].map(e => e.value)"
    assert driver.execute_script(disabled) == ["carried"]


def test_sizes_that_are_too_large_are_refused_with_some_that_work(driver):
    show(driver, lang="en", batch_size=9, num_steps=4)
    (error,) = set(texts(driver, "[data-error]"))
    assert error == (
        "batch_size 9 with num_steps 4 needs 45 tokens, and this text has 27. "
        "A batch_size up to 5 works, or a num_steps up to 2."
    )
    assert texts(driver, "#rows td") == texts(driver, "#walk-picture *") == []


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_question_is_answered_by_its_settings_and_not_by_the_first_ones(driver, language):
    show(driver, lang=language)
    for index, answer in enumerate(ANSWERS):
        driver.execute_script("document.getElementById('reset').click()")
        assert mark(driver, index, {}) != "right"
        assert mark(driver, index, answer) == "right"
    verdicts = texts(driver, "#questions .verdict")
    assert len(verdicts) == 8
    assert all(verdict.startswith("✓") for verdict in verdicts)


def test_random_windows_alone_do_not_zero_the_state_and_no_window_answers_nothing(driver):
    show(driver)
    assert mark(driver, 4, {"sampling": "random"}) == "wrong"
    assert mark(driver, 4, {"state": "zeroed"}) == "right"
    show(driver, num_steps=100)
    assert mark(driver, 2, {"batch_size": 3}) == "unfit"


def mark(page, index, values):
    """What the page says to a question after its own controls were set."""
    return page.execute_script(
        """
        const item = document.getElementById("questions").children[arguments[0]];
        for (const [name, value] of Object.entries(arguments[1])) {
          const choice = item.querySelector(`[data-setting=${name}][value="${value}"]`);
          const input = choice ?? item.querySelector(`[type=number][data-setting=${name}]`);
          if (choice) choice.checked = true; else input.value = value;
          input.dispatchEvent(new Event("input", {bubbles: true}));
        }
        item.querySelector("button").click();
        return marks[arguments[0]];
        """,
        index,
        values,
    )


@pytest.mark.slow
def test_the_keyboard_alone_is_enough(page):
    def press(selector, *keys):
        page.find_element(By.CSS_SELECTOR, selector).send_keys(*keys)

    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "1 Cut"
    press("nav a:nth-of-type(4)", Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "quiz-title"
    press("#cut [type=range][data-setting=batch_size]", Keys.ARROW_RIGHT)
    press("#cut [type=number][data-setting=num_steps]", Keys.BACKSPACE, "2")
    press("#walk [value=zeroed]", Keys.ARROW_RIGHT)
    press("#step", Keys.SPACE)
    press("#step", Keys.ENTER)
    press("#back", Keys.ENTER)
    now = settings(page)
    shown = {name: now[name] for name in ("batch_size", "num_steps", "state", "window")}
    assert shown == {"batch_size": 3, "num_steps": 2, "state": "mistake", "window": 1}
    values = (
        "return [...document.querySelectorAll(`[data-setting=${arguments[0]}]`)].map(e => e.value)"
    )
    for name in ("batch_size", "num_steps"):
        assert set(page.execute_script(values, name)) == {str(now[name])}
    press("#questions li:nth-child(3) button", Keys.SPACE)
    assert texts(page, "#score") == ["1 of 8 answered"]


@pytest.mark.slow
def test_every_control_can_be_reached_with_the_tab_key_and_shows_it(page):
    order = page.execute_script(
        """
        return [...document.querySelectorAll("a[href], button, input, select, textarea")]
          .filter(e => e.checkVisibility() && !e.disabled && (e.type !== "radio" || e.checked))
          .map(e => e.tabIndex)
        """
    )
    assert len(order) > 40
    assert set(order) == {0}
    page.find_element(By.ID, "animate").send_keys(Keys.TAB)
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert page.execute_script(outline) == "solid"


@pytest.mark.slow
def test_playing_walks_to_the_last_window_and_stops(page):
    page.execute_script("const timer = setInterval; window.setInterval = (f) => timer(f, 20)")
    page.find_element(By.ID, "play").click()
    WebDriverWait(page, 20, poll_frequency=0.05).until(
        lambda _: settings(page)["window"] > 0 and texts(page, "#play") == ["Play"]
    )
    assert settings(page)["window"] == 2


def test_every_word_is_there_in_both_languages(page):
    spoken = page.execute_script(
        """
        const found = {};
        const collect = (value, path) => {
          if (typeof value !== "object" || value === null) return;
          if ("en" in value || "zh" in value) found[path] = value;
          else for (const key of Object.keys(value)) collect(value[key], `${path}/${key}`);
        };
        collect(TEXT, "text");
        collect(QUIZ, "quiz");
        return found;
        """
    )
    assert len(spoken) > 100
    for name, languages in spoken.items():
        assert sorted(languages) == sorted(LANGUAGES), name
        assert all(languages.values()), name
        places = [set(re.findall(r"\{\w+\}", each)) for each in languages.values()]
        assert places[0] == places[1], name
    source = PAGE.read_text(encoding="utf-8")
    used = set(re.findall(r'(?:say\(|data-(?:text|label)=|"data-text": )"(\w+)"', source))
    assert len(used) > 40
    assert {f"text/{key}" for key in used} <= set(spoken)
    following = page.execute_script(
        """
        return [...document.body.querySelectorAll("[lang=en]:not(.keep)")]
          .map(e => e.nextElementSibling?.lang)
        """
    )
    assert len(following) > 30
    assert set(following) == {"zh"}
    assert len(following) == len(texts(page, "body [lang=zh]:not(.keep)"))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_the_page_says_nothing_undefined_and_its_language(driver, language, sampling):
    for window in (0, 1):
        show(driver, lang=language, sampling=sampling, window=window, clipping="on")
        seen = driver.find_element(By.TAG_NAME, "body").text
        assert "undefined" not in seen and "NaN" not in seen
        assert driver.execute_script("return document.documentElement.lang") == language
        labels = "return [...document.querySelectorAll('[aria-label]')].map(e => e.ariaLabel)"
        assert not any("undefined" in label for label in driver.execute_script(labels))


@pytest.mark.slow
def test_the_switch_of_the_language_keeps_the_settings(page):
    show(page, lang="en", batch_size=3)
    page.find_element(By.ID, "language").click()
    assert page.title.endswith("一步一步看")
    assert settings(page)["batch_size"] == 3


@pytest.mark.slow
def test_the_language_is_the_one_asked_for_or_else_the_browser_s(page):
    for browser_speaks, address, expected in (
        ("zh-CN", "", "zh"),
        ("de-DE", "", "en"),
        ("zh-CN", "?lang=en", "en"),
        ("en-US", "?lang=zh", "zh"),
        ("en-US", "?lang=en#lang=zh", "zh"),
    ):
        agent = {"userAgent": "test", "acceptLanguage": browser_speaks}
        page.execute_cdp_cmd("Emulation.setUserAgentOverride", agent)
        page.get("about:blank")
        page.get(PAGE.as_uri() + address)
        assert settings(page)["lang"] == expected, (browser_speaks, address)


@pytest.mark.slow
def test_the_address_keeps_the_settings(page):
    chosen = {"batch_size": 3, "num_steps": 2, "sampling": "random", "tokens": "char", "seed": 7}
    show(page, lang="en", text="one two\nthree <b>&#x41;", window=1, **chosen)
    before = settings(page)
    assert {name: before[name] for name in chosen} == chosen
    page.execute_script("writeAddress()")
    WebDriverWait(page, 20).until(lambda _: "lang=en" in page.current_url)
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    assert settings(page) == before
    show(page, lang="en", batch_size="many", num_steps=1e9, factor="", sampling="<b>")
    now = settings(page)
    assert [now[name] for name in ("batch_size", "num_steps", "factor", "sampling")] == [
        2,
        40,
        0.8,
        "sequential",
    ]


def test_markup_in_the_text_is_shown_as_text(page):
    show(page, lang="en", text="<img/src=x/onerror=document.title='broken'> " * 20)
    assert texts(page, "#stream .token")[0] == "<img/src=x/…"
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert page.title != "broken"


def test_nothing_is_loaded_and_nothing_is_refused_by_the_policy(page):
    source = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' ]+", source)) == {"http://www.w3.org/2000/svg"}
    assert "innerHTML" not in source
    page.get_log("browser")
    show(page, lang="en")
    mark(page, 0, {"batch_size": 1})
    loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
    assert [name for name in page.execute_script(loaded) if not name.startswith("data:")] == []
    assert page.get_log("browser") == []
    fetched = page.execute_async_script(
        "fetch('data:,x').then(() => arguments[0](true), () => arguments[0](false))"
    )
    assert fetched is False


@pytest.mark.slow
def test_a_reader_who_wants_stillness_gets_it(page):
    moving = """
        for (const id of ["step", "animate"]) document.getElementById(id).click();
        return document.getAnimations().length
    """
    # Two arrows in each of two rows, and all tokens of the rows: 24 pairs, m and z.
    assert page.execute_script(moving) == 2 * 3 + 2 * 24 + 2
    browsers.emulate(page, prefers_reduced_motion="reduce")
    show(page, lang="en")
    assert page.execute_script(moving) == 0
    assert not page.find_element(By.ID, "animate").is_displayed()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_off_on_a_phone(page, language):
    phone = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    for content in ("", "internationalization " * 40):
        for sampling in ("sequential", "random"):
            show(
                page,
                lang=language,
                sampling=sampling,
                num_steps=9,
                batch_size=1,
                **{"text": content} if content else {},
            )
            assert page.execute_script("return document.documentElement.scrollWidth") == 375
            outside = page.execute_script(
                """
                const box = (each) => each.getBoundingClientRect();
                return [...document.querySelectorAll(".picture svg :is(text, rect)")].filter(
                  (e) => box(e).right > box(e.closest("svg")).right + 1 || box(e).left < 0
                ).map((e) => e.outerHTML)
                """
            )
            assert outside == []


@pytest.mark.slow
@browsers.axe_needed
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_serious(page, theme, language):
    browsers.emulate(page, prefers_color_scheme=theme, prefers_reduced_motion="reduce")
    show(page, lang=language, window=1, clipping="on", factor=1.4, num_steps=9, batch_size=9)
    assert browsers.serious_findings(page) == []
    show(page, lang=language, window=1)
    for index in range(4):
        mark(page, index, {})
    mark(page, 4, ANSWERS[4])
    assert browsers.serious_findings(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_what_is_behind_it(theme):
    """At least 4.5 to 1 (WCAG 2.2, 1.4.3), in the pictures too, which axe does not look at."""
    source = PAGE.read_text(encoding="utf-8")
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", source)
    colours = {name: luminance(pair[THEMES.index(theme)]) for name, *pair in pairs}
    behind = {
        "back": ["text", "muted", "accent", "state", "gradient", "target"],
        "panel": ["text", "muted", "accent"],
        "input-fill": ["text"],
        "target-fill": ["text"],
        "left": ["text"],
        "accent": ["back"],
    }
    for ground, names in behind.items():
        for name in names:
            low, high = sorted([colours[name], colours[ground]])
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{name} on {ground}"


def luminance(colour):
    """The relative luminance of `#rrggbb`, as WCAG defines it."""
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
