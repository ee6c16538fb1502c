"""Only SNS and Google are asked, over plain HTTPS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.agent.receivers.fetching import GOOGLE_KEYS, SNS_HOST, fetch, is_of


@pytest.mark.parametrize(
    "region", ["eu-central-1", "us-gov-west-1", "ap-southeast-2", "us-iso-east-1"]
)
def test_every_region_of_sns_is_known(region: str) -> None:
    assert is_of(f"https://sns.{region}.amazonaws.com/x.pem", SNS_HOST)
    assert is_of("https://sns.cn-north-1.amazonaws.com.cn/x.pem", SNS_HOST)


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "http://www.googleapis.com/oauth2/v3/certs",
        "https://www.googleapis.com.evil.example/",
        "https://WWW.GOOGLEAPIS.COM\\@evil.example/",
        "https://sns.eu-central-1.amazonaws.com:443/",
        "https://sns.eu-central-1.amazonaws.com /",
        "file:///etc/shadow",
        "https://[::1/",
    ],
)
def test_no_other_place_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="not one of"):
        fetch(url)


@given(st.text(max_size=80))
def test_any_text_is_an_address_of_them_or_not(text: str) -> None:
    assert is_of(text, SNS_HOST) in {True, False}
    assert not is_of(f"https://{text}@{GOOGLE_KEYS.removeprefix('https://')}", SNS_HOST)
