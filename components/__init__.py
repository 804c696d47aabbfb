"""Components: one folder a verb, each a thin shim around the stage of the same name."""
