"""How good the winner is on the locked rows, how sure that is, and why.

`metrics` scores, `intervals` says how sure a score is, `baseline` is what it has to beat,
`champion` the model that is in service, `curves` and `importance` say where and why it is right,
and `report` puts all of it on one page.
"""
