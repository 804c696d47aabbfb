"""The compiled form of every component and pipeline, and the tables in their READMEs.

What is written depends on the sources alone, so that a check can compare it letter by letter.
"""

import importlib
import json
import re
import tempfile
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regatta.evaluation.metrics import METRICS
from regatta.runs.learners_page import learners_page
from regatta.runs.settings_page import settings_page
from regatta.runs.workflows import activate
from regatta.settings import RunSettings
from regatta.stages.parameters import PARAMETERS

__all__ = ["outdated", "render", "write"]

MARKS = ("<!-- interface: written by `regatta compile` -->", "<!-- end of interface -->")
SDK_VERSION = "kfp-2.17.0"


def render(root: Path | None = None) -> dict[Path, str]:
    """Return what every generated file shall hold.

    Parameters
    ----------
    root : Path, optional
        Folder with ``components`` and ``pipelines``; ``None``: where they are found.

    Returns
    -------
    dict
        Text by path: ``component.yaml`` and ``pipeline.yaml``, each README with its table, and the
        pages of settings and of learners.
    """
    root = root or activate()
    texts: dict[Path, str] = {}
    for source, name in _sources(root):
        folder = source.parent
        module = importlib.import_module(".".join(source.relative_to(root).with_suffix("").parts))
        header, (spec, *platforms) = _compiled(getattr(module, folder.name))
        if name == "pipeline":
            _add_literals(spec)
        texts[folder / f"{name}.yaml"] = header + "---\n".join(map(_dump, [spec, *platforms]))
        readme = folder / "README.md"
        if readme.is_file():
            texts[readme] = _with_table(readme.read_text(encoding="utf-8"), spec["root"])
    if (root / "docs").is_dir():
        texts[root / "docs" / "settings.md"] = settings_page()
        texts[root / "docs" / "learners.md"] = learners_page()
    return texts


def outdated(root: Path | None = None) -> list[Path]:
    """Return the generated files that are not what they should be."""
    return [
        path
        for path, text in render(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def write(root: Path | None = None) -> list[Path]:
    """Write the generated files that changed, and return their paths."""
    texts = render(root)
    changed = outdated(root)
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


def _sources(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every component and pipeline module with the stem of its compiled file."""
    for kind in ("component", "pipeline"):
        for source in sorted((root / f"{kind}s").glob(f"*/{kind}.py")):
            yield source, kind


def _compiled(factory: Any) -> tuple[str, list[dict[str, Any]]]:
    """Compile one component or pipeline.

    Returns
    -------
    tuple of str and list of dict
        The leading comment; the specification, and what is Kubernetes' own of it.
    """
    import yaml
    from kfp import compiler

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compiled.yaml"
        compiler.Compiler().compile(factory, str(path))
        text = path.read_text(encoding="utf-8")
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    documents = list(yaml.safe_load_all(text))
    # A patch release of the SDK compiles the same; its number would only make files differ.
    documents[0]["sdkVersion"] = SDK_VERSION
    return header, documents


def _dump(spec: dict[str, Any]) -> str:
    """Write values as YAML in ASCII, as databases of some installations ask."""
    import yaml

    return typing.cast(str, yaml.safe_dump(spec, sort_keys=True, allow_unicode=False))


def _add_literals(spec: dict[str, Any]) -> None:
    """Add the choices of each parameter that has them: the SDK cannot write them.

    The run form of the dashboard makes a menu of them, and the API server refuses other values.
    """
    for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items():
        # A truth value would be a box to write "true" or "false" into.
        is_bool = parameter["parameterType"] == "BOOLEAN"
        choices: list[Any] = [True, False] if is_bool else [*_choices(name)]
        if choices:
            parameter["literals"] = choices


def _choices(parameter: str) -> list[str]:
    """Return the values that a pipeline parameter may have; none if any will do."""
    if parameter == "search_metric":
        return ["auto", *METRICS]
    if parameter not in PARAMETERS:
        return []
    model: Any = RunSettings
    annotation: Any = None
    for key in PARAMETERS[parameter].split("."):
        annotation = model.model_fields[key].annotation
        model = annotation
    if typing.get_origin(annotation) is not typing.Literal:
        return []
    return list(typing.get_args(annotation))


def _with_table(readme: str, root: dict[str, Any]) -> str:
    """Return a README with its interface table made new."""
    begin, end = MARKS
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    table = "\n".join([begin, "", *_table(root), "", end])
    return pattern.sub(lambda _: table, readme)


def _table(root: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the interface table."""
    yield "| | name | type | default | what it is |"
    yield "| --- | --- | --- | --- | --- |"
    for direction, key in (("in", "inputDefinitions"), ("out", "outputDefinitions")):
        definitions = root.get(key, {})
        for name, artifact in sorted(definitions.get("artifacts", {}).items()):
            kind = artifact["artifactType"]["schemaTitle"].removeprefix("system.")
            kind = f"list of {kind}" if artifact.get("isArtifactList") else kind
            yield _row(direction, name, kind, "", artifact)
        for name, parameter in sorted(definitions.get("parameters", {}).items()):
            kind = TYPES[parameter["parameterType"]]
            yield _row(direction, name, kind, _default(parameter), parameter)


TYPES = {
    "STRING": "text",
    "NUMBER_INTEGER": "integer",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "true or false",
    "LIST": "list",
    "STRUCT": "object",
}


def _default(parameter: dict[str, Any]) -> str:
    """Return the default as it is typed; empty where the parameter is required."""
    if "defaultValue" not in parameter:
        return ""
    value = parameter["defaultValue"]
    if parameter["parameterType"] == "NUMBER_INTEGER":
        value = int(value)
    return f"`{_shown(value)}`" if value != "" else "(empty)"


def _shown(value: Any) -> str:
    """Return a value as it is typed into the run form."""
    return value if isinstance(value, str) else json.dumps(value)


def _row(direction: str, name: str, kind: str, default: str, spec: dict[str, Any]) -> str:
    """Return one line of the interface table."""
    text = " ".join(spec.get("description", "").split())
    if spec.get("literals"):
        text += " One of " + ", ".join(f"`{_shown(one)}`" for one in spec["literals"]) + "."
    return f"| {direction} | `{name}` | {kind} | {default} | {text.strip()} |"
