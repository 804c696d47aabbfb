"""The prediction service: KServe's model server around a bundle.

`regatta.serving.app` runs it, ``python -m regatta.serving`` is what images and the local
deployment start, `regatta.serving.services` keeps such processes on this machine, and
`regatta.serving.client` calls them.
"""

__all__: list[str] = []
