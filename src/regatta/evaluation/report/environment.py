"""The templates of pages, and what they all have: one style, and filters for numbers and names."""

from functools import cache
from typing import TYPE_CHECKING

from regatta.evaluation.report import words

if TYPE_CHECKING:
    import jinja2

__all__ = ["environment"]

STYLE = "regatta.evaluation.report"


@cache
def environment(package: str) -> "jinja2.Environment":
    """Return the templates of a package, loaded once; every value in them is escaped.

    Parameters
    ----------
    package : str
        Name of the package that the templates lie in. ``style.css`` is that of the report.
    """
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(name, ".") for name in dict.fromkeys((package, STYLE))]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        name=words.name,
        number=words.number,
        percent=words.percent,
        duration=words.duration,
        size=words.size,
    )
    return found
