"""A presentation state for one slice of the chest CT: the lung window, and a circle around the nodule."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from kinote.demo import chest, identity
from kinote.demo.chest_ct import COLUMNS, LUNG_WINDOW, ROWS, SPACING
from kinote.demo.dataset import Series, new_object

_LAYER = "FINDING"


def marked_nodule(image: Dataset) -> Dataset:
    """Return the Grayscale Softcopy Presentation State (PS3.3 A.33.1) for an image."""
    study = identity.CHEST_CT
    series = Series(
        study, identity.MARKS_SERIES, "PR", "Annotations", "Kinote demo", {"BodyPartExamined": "CHEST"}
    )
    dataset = new_object(series, GrayscaleSoftcopyPresentationStateStorage, 1)
    dataset.PresentationCreationDate, dataset.PresentationCreationTime = study.date, study.time
    dataset.ContentLabel = "NODULE"
    dataset.ContentDescription = "Nodule in the right upper lobe"
    dataset.ContentCreatorName = "Reader^Robin"
    reference = _reference(image)
    dataset.ReferencedSeriesSequence = [_series_of(image, reference)]
    dataset.DisplayedAreaSelectionSequence = [_whole_image(reference)]
    dataset.SoftcopyVOILUTSequence = [_lung_window()]
    dataset.GraphicLayerSequence = [_layer()]
    dataset.GraphicAnnotationSequence = [_annotation(reference)]
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.PresentationLUTShape = "IDENTITY"
    return dataset


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def _series_of(image: Dataset, reference: Dataset) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = image.SeriesInstanceUID
    item.ReferencedImageSequence = [reference]
    return item


def _whole_image(reference: Dataset) -> Dataset:
    area = Dataset()
    area.ReferencedImageSequence = [reference]
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [COLUMNS, ROWS]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelSpacing = [SPACING, SPACING]
    return area


def _lung_window() -> Dataset:
    window = Dataset()
    name, window.WindowCenter, window.WindowWidth = LUNG_WINDOW
    window.WindowCenterWidthExplanation = name
    return window


def _layer() -> Dataset:
    layer = Dataset()
    layer.GraphicLayer = _LAYER
    layer.GraphicLayerOrder = 1
    return layer


def _annotation(reference: Dataset) -> Dataset:
    column = chest.NODULE.centre[0] / SPACING + (COLUMNS + 1) / 2
    row = chest.NODULE.centre[1] / SPACING + (ROWS + 1) / 2
    radius = 2.2 * chest.NODULE.radius / SPACING
    circle = Dataset()
    circle.GraphicAnnotationUnits = "PIXEL"
    circle.GraphicDimensions = 2
    circle.NumberOfGraphicPoints = 2
    circle.GraphicData = [column, row, column + radius, row]
    circle.GraphicType = "CIRCLE"
    circle.GraphicFilled = "N"
    text = Dataset()
    text.AnchorPointAnnotationUnits = "PIXEL"
    text.UnformattedTextValue = "Nodule, 18 mm"
    text.AnchorPoint = [column + radius, row - radius]
    text.AnchorPointVisibility = "N"
    annotation = Dataset()
    annotation.ReferencedImageSequence = [reference]
    annotation.GraphicLayer = _LAYER
    annotation.TextObjectSequence = [text]
    annotation.GraphicObjectSequence = [circle]
    return annotation
