"""One's own images as artifacts: image folders, hub data sets, TorchGeo data sets, GeoTIFFs.

Nothing is skipped silently: what is not read is counted in the facts, what cannot be read is an error.
"""

from harness.data.folders.labels import relabel, split
from harness.data.folders.own import captioned, images
from harness.data.folders.parquet import hub, hub_captioned
from harness.data.folders.rasters import geotiff
from harness.data.folders.torchgeo_sets import torchgeo

__all__ = ["captioned", "geotiff", "hub", "hub_captioned", "images", "relabel", "split", "torchgeo"]
