"""A browser for the tests of pages. It is patient: what a busy machine does late is not wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE_MS = 1_200_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium to open a page in")
    with sync_api.sync_playwright() as playwright:
        options = {"executable_path": found, "args": ["--no-sandbox"], "timeout": PATIENCE_MS}
        opened = playwright.chromium.launch(**options)
        yield opened
        opened.close()


def patient(page: Page) -> Page:
    """The page, which waits as long for what is asked of it as a test may take."""
    page.set_default_timeout(PATIENCE_MS)
    return page
