"""The napari side: layers, widget, reader, writers, sample data. The only room that knows Qt.

Widgets (`widget.py`, `settings_panel.py`, `result_panel.py`, `export_dialog.py`) show a
`Session` (`session.py`): the reviews of one viewer. Each review layer has a `Bridge`
(`bridge.py`) between its `Record` (`record.py`) and its pixels. Nothing is imported here.
"""

PLUGIN = "napari-nuclei"
"""The plugin's name, as napari knows it."""
