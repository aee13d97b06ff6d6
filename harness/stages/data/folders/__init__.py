"""Users' own images as artifacts: image folders, hub data sets, TorchGeo data sets, GeoTIFFs.

Nothing is skipped silently: unread files are counted in the facts, unreadable ones are an error.
"""

from harness.stages.data.folders.labels import relabel, split
from harness.stages.data.folders.own import captioned, hub, hub_captioned, images
from harness.stages.data.folders.rasters import geotiff
from harness.stages.data.folders.torchgeo_sets import torchgeo

__all__ = ["captioned", "geotiff", "hub", "hub_captioned", "images", "relabel", "split", "torchgeo"]
