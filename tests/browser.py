"""A real browser without a window, where one is installed, and what is asked of every page."""

import os
import shutil
from pathlib import Path

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

from selenium.webdriver.common.by import By  # noqa: E402, F401
from selenium.webdriver.common.keys import Keys  # noqa: E402, F401
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402, F401

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needed = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium and chromedriver"
)
AXE_FOLDER = Path(__file__).parents[1] / "node_modules/axe-core"
AXE = Path(os.environ.get("AXE_CORE", AXE_FOLDER)) / "axe.min.js"
axe_needed = pytest.mark.skipif(
    not AXE.exists(), reason=f"{AXE} is not there: npm install axe-core"
)
SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1000,900"
)


def start(folder):
    """A browser that keeps its files in `folder`; call `quit` on it."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES.split():
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(DRIVER))


def emulate(driver, **features):
    """Such as `prefers_color_scheme="dark"`."""
    each = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": each})


def resize(driver, width, height=800):
    """The page as a phone of this width shows it; without a width as the window does."""
    if width is None:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        return
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def serious_findings(page):
    """What axe-core finds against the accessibility of the page, of the two worst kinds."""
    page.execute_script(AXE.read_text(encoding="utf-8"))
    findings = page.execute_async_script("axe.run().then(arguments[0])")
    assert len(findings["passes"]) > 20
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}"
        for each in findings["violations"]
        if each["impact"] in ("serious", "critical")
    ]
