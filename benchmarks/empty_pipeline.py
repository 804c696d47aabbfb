"""A pipeline of the shape of ``train`` whose tasks do nothing; `overhead.py` times it."""

import sys
from pathlib import Path
from typing import List

from kfp import dsl

from regatta.runs import local


@dsl.component(base_image="python", install_kfp_package=False)
def first(out: dsl.Output[dsl.Artifact]) -> List[int]:
    """Make an artifact and one lane."""
    return [0]


@dsl.component(base_image="python", install_kfp_package=False)
def one(before: dsl.Input[dsl.Artifact], out: dsl.Output[dsl.Artifact]):
    """Make an artifact."""


@dsl.component(base_image="python", install_kfp_package=False)
def lane(before: dsl.Input[dsl.Artifact], number: int, out: dsl.Output[dsl.Artifact]):
    """Make the artifact of a lane."""


@dsl.component(base_image="python", install_kfp_package=False)
def gather(lanes: dsl.Input[List[dsl.Artifact]], out: dsl.Output[dsl.Artifact]):
    """Make one artifact of all lanes."""


@dsl.pipeline(name="empty")
def empty(search_lanes: int = 1):
    """Wire six empty tasks as ``train`` wires its own."""
    start = first()
    prepared = one(before=start.outputs["out"])
    with dsl.ParallelFor(start.outputs["Output"]) as number:
        raced = lane(before=prepared.outputs["out"], number=number)
    combined = gather(lanes=dsl.Collected(raced.outputs["out"]))
    measured = one(before=combined.outputs["out"])
    one(before=measured.outputs["out"])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    local.execute({"search_lanes": 1}, folder / "root", folder / "scratch", empty)
