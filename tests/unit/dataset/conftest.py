"""What validates columns as the stages do."""

import csv

import pytest

from regatta.dataset import write_table
from regatta.dataset.validation import validate
from regatta.settings import DataSettings, SplitSettings


@pytest.fixture
def check(tmp_path):
    """Write columns as CSV, and validate them as the stages do."""

    def run(columns, target="y", split=None, **settings):
        path = tmp_path / "table.csv"
        names = list(columns)
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(names)
            writer.writerows(zip(*columns.values(), strict=True))
        data = DataSettings(target=target, **settings)
        cut = SplitSettings(**(split or {}))
        reading = write_table(path, data, tmp_path / "table.parquet", cut)
        return validate(tmp_path / "table.parquet", reading, data, cut)

    return run


@pytest.fixture
def refused(check):
    """Validate columns that cannot be learnt from, and return the message."""

    def run(columns, error, **settings):
        with pytest.raises(error) as caught:
            check(columns, **settings)
        assert caught.value.exit_code == 2
        return str(caught.value)

    return run
