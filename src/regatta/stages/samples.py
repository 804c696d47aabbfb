"""The rows by which a service is proven equal to its bundle."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from regatta.bundle import Bundle

__all__ = ["samples_of"]

SAMPLES = 50


def samples_of(model: "Bundle", frame: "pd.DataFrame") -> dict[str, Any]:
    """Choose rows that ``deploy`` asks the service for, with the answers it must give.

    Parameters
    ----------
    model : Bundle
        What the service will serve.
    frame : DataFrame of shape (n_rows, n_columns)
        Rows to choose from, raw and typed.

    Returns
    -------
    dict
        ``rows``, at most 50, and their ``predictions``.
    """
    columns = [column.name for column in model.signature]
    numbers = frame[columns].select_dtypes("number")
    usable = np.flatnonzero(~np.isinf(numbers.to_numpy(np.float64, na_value=np.nan)).any(axis=1))
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, SAMPLES).astype(int))]
    rows = frame[columns].iloc[chosen]
    cells = zip(rows.to_numpy(object), rows.isna().to_numpy(), strict=True)
    records = [
        {
            name: None if missing else _plain(value)
            for name, value, missing in zip(columns, row, gaps, strict=True)
        }
        for row, gaps in cells
    ]
    return {"rows": records, "predictions": model.predict_array(rows).tolist()}


def _plain(value: Any) -> Any:
    """Turn a value of a typed column, none missing, into one that JSON has."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
