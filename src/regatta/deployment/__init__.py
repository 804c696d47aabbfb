"""Services on a cluster: KServe runs a registered version, proven before it gets traffic."""
