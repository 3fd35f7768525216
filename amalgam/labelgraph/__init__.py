"""Label graphs: what joins the labels of several datasets and teachers, and the paths to them."""

CODE = ("amalgam.labelgraph", "amalgam.labelgraph.graph", "amalgam.labelgraph.paths", "amalgam.labelgraph.check")
"""The modules that what a strategy learns of a graph follows from."""
