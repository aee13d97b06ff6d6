"""From the lines of a page to running text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.data.corpus.pdf import mend


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("remote sens-\ning", "remote sensing"),
        ("remote sens-  \n  ing", "remote sensing"),
        ("remote sens\u2010\ning", "remote sensing"),
        ("remote sens\u00ad\ning", "remote sensing"),
        ("re\u00admote", "remote"),
        ("Fernerkundungs-\nämter", "Fernerkundungsämter"),
        ("Sentinel-\n2", "Sentinel-2"),
        ("CNN-\nbased", "CNN-based"),
        ("Swin-\nTransformer", "Swin-Transformer"),
        ("10-\nfold", "10-fold"),
        ("a well-known set", "a well-known set"),
        ("a dash -\nhere", "a dash - here"),
        ("2015-\n\nNext", "2015-\n\nNext"),
    ],
)
def test_hyphens_at_line_ends(page, text):
    assert mend(page) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("one\ntwo\r\nthree\rfour", "one two three four"),
        ("one\n\n  \ntwo\n", "one\n\ntwo"),
        ("  far \t apart\u00a0here ", "far apart here"),
        ("a \ufb01eld of e\ufb00ort and \ufb04uor", "a field of effort and ffluor"),
        ("an area of 5 m² with ½ of it at 10⁻³ in ㎞", "an area of 5 m² with ½ of it at 10⁻³ in ㎞"),
        ("cafe\u0301", "café"),
        ("a\x00b\x1bc\x7f\ufeff", "abc"),
        ("half \ud83d a pair", "half a pair"),
        ("page one\fpage two", "page one page two"),
        ("遥感图像\n分类。", "遥感图像 分类。"),
        ("می\u200cشود", "می\u200cشود"),
        (" \n \n", ""),
    ],
)
def test_characters_and_lines(page, text):
    assert mend(page) == text


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("-\n\r \u00ad\ufb01aB2"))))
def test_whatever_a_page_holds_the_result_can_be_written_and_is_mended(page):
    text = mend(page)
    text.encode()
    assert text == text.strip()
    assert not any(unicodedata.category(c) == "Cc" for c in text.replace("\n", ""))
    assert "\n" not in text.replace("\n\n", "")
    assert "\u00ad" not in text
