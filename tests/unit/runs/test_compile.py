from pathlib import Path

from regatta.runs.compile import MARKS, render

SOURCE = '''
from typing import List
from kfp import dsl

@dsl.component(base_image="x-python", install_kfp_package=False)
def cut(
    table: dsl.Input[dsl.Dataset],
    out: dsl.Output[dsl.Artifact],
    share: float = 0.5,
    label: str = "",
) -> List[int]:
    """Cut a table.

    Parameters
    ----------
    table
        What is cut.
    share : float
        How much.

    Returns
    -------
    out
        The part.
    Output
        Numbers.
    """
    return [1]
'''


def test_yaml_and_table_come_from_the_source(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "components" / "cut"
    folder.mkdir(parents=True)
    (folder / "component.py").write_text(SOURCE)
    (folder.parent / "__init__.py").touch()
    (folder / "README.md").write_text(f"# cut\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nThe end.\n")
    texts = render_alone(tmp_path, monkeypatch)
    yaml, readme = texts[folder / "component.yaml"], texts[folder / "README.md"]
    assert yaml.startswith("# PIPELINE DEFINITION\n# Name: cut\n")
    assert "sdkVersion: kfp-2.17.0" in yaml
    assert "old" not in readme
    assert "| in | `table` | Dataset |  | What is cut. |" in readme
    assert "| in | `share` | number | `0.5` | How much. |" in readme
    assert "| in | `label` | text | (empty) |  |" in readme
    assert "| out | `Output` | list |  | Numbers. |" in readme
    assert readme.endswith("The end.\n")


def render_alone(root: Path, monkeypatch) -> dict[Path, str]:  # type: ignore[no-untyped-def]
    """Render a tree of its own, whatever is imported under the same names already."""
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "components"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(root))
    try:
        return render(root)
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "components"]:
            del sys.modules[name]
