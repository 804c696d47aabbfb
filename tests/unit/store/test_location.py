"""URIs of objects: what is read is what was written, and nothing leaves its folder."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regatta.errors import UsageError
from regatta.store import Location, is_location

PART = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda part: part not in (".", ".."))
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True)


@given(BUCKETS, st.lists(PART, max_size=5))
def test_a_location_survives_its_uri(bucket: str, parts: list[str]) -> None:
    location = Location(bucket, "/".join(parts))
    assert Location.parse(location.uri) == location
    assert Location.parse(f"{location.uri}/") == location


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for uri in (text, f"s3://{text}", f"s3://bucket/{text}"):
        try:
            location = Location.parse(uri)
        except UsageError:
            continue
        assert ".." not in PurePosixPath(location.key).parts
        assert Location.parse(location.uri) == location


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("data/churn.csv", "has no scheme"),
        ("minio://models/churn", "scheme 'minio'"),
        ("s3://Models/churn", "bucket 'Models'"),
        ("s3:///churn", "bucket ''"),
        ("s3://m..s/churn", "bucket 'm..s'"),
        ("s3://models/a//b", "empty part"),
        ("s3://models/../b", "empty part"),
        ("s3://models/a\nb", "control character"),
        ("s3://models/" + "x" * 1025, "1025 bytes"),
        ("s3://models/\ud800", "no UTF-8"),
    ],
)
def test_a_bad_uri_is_refused(uri: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Location.parse(uri)


def test_parts_are_joined() -> None:
    assert (Location("models") / "churn" / "1").uri == "s3://models/churn/1"
    assert (Location("models", "churn/1").name, Location("models").name) == ("1", "models")
    with pytest.raises(UsageError):
        Location("models") / ".."


def test_is_location() -> None:
    assert is_location("s3://models/x")
    assert not is_location("/models/x")
    assert not is_location("C:\\models")
