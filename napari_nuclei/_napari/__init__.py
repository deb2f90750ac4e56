"""The napari side: layers, widget, reader, writers, sample data. The only room that knows Qt.

Widgets show a `Session`: the reviews of one viewer. Each review layer has a `Bridge` between its
`Record` and its pixels. Nothing is imported here.
"""

PLUGIN = "napari-nuclei"
"""The plugin's name, as napari knows it."""
