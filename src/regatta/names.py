"""Names of models: they stand in URLs, in folders and in Kubernetes, so they are DNS labels."""

import re

__all__ = ["LONGEST", "RULE", "is_name"]

LONGEST = 50
RULE = (
    f"lower-case letters, digits and hyphens, at most {LONGEST} characters, "
    "a letter or digit at both ends"
)

_NAME = re.compile(rf"[a-z0-9]([-a-z0-9]{{0,{LONGEST - 2}}}[a-z0-9])?")


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a model.

    Examples
    --------
    >>> is_name("churn-2024"), is_name("Bad/../n"), is_name("-x"), is_name("")
    (True, False, False, False)
    """
    return _NAME.fullmatch(text) is not None
