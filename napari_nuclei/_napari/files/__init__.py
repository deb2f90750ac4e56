"""Opening, saving and exporting in napari."""
