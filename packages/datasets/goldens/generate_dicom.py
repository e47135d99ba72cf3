"""Reference grey values. Writes dicom.json next to this file. Needs pydicom.

window: pydicom's apply_windowing on integers 0 … 4095 in steps, after rescale, scaled from its output range to 0 … 1.
palette: pydicom's apply_color_lut. colour: pydicom's convert_color_space YBR_FULL → RGB.
"""

import json
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, apply_windowing, convert_color_space

rng = np.random.default_rng(0)
stored = np.array([[0, 1, 2, 40, 41, 42, 100, 127], [128, 500, 1000, 1023, 1024, 2047, 4000, 4095]], dtype="uint16")


def dataset(**attributes):
    ds = Dataset()
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsStored = 12
    ds.BitsAllocated = 16
    ds.PixelRepresentation = 0
    for name, value in attributes.items():
        setattr(ds, name, value)
    return ds


windows = []
for function, center, width, slope, intercept in [
    ("LINEAR", 40, 400, 1, -1024),
    ("LINEAR", 1024, 2048, 1, 0),
    ("LINEAR", 100.5, 1, 1, 0),
    ("LINEAR_EXACT", 1024, 2048, 1, 0),
    ("SIGMOID", 1024, 600, 2, -100),
]:
    ds = dataset(
        WindowCenter=center,
        WindowWidth=width,
        VOILUTFunction=function,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    y = apply_windowing(apply_modality_lut(stored, ds), ds)
    low, high = slope * 0 + intercept, slope * 4095 + intercept
    values = ((y - low) / (high - low)).ravel().round(6).tolist()
    windows.append(dict(function=function, center=center, width=width, slope=slope, intercept=intercept, values=values))


def table(values, first, bits):
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.LUTData = [int(v) for v in values]
    return item


rising = np.linspace(0, 1023, 64).astype(int)
falling = (2000 - 30 * np.arange(50)).astype(int)
modality = apply_modality_lut(stored, dataset(ModalityLUTSequence=[table(falling, 100, 16)])).ravel().tolist()
voi = apply_voi_lut(stored, dataset(VOILUTSequence=[table(rising, 10, 10)])).ravel()

palette = dataset(PhotometricInterpretation="PALETTE COLOR")
tables = rng.integers(0, 65536, (3, 16)).astype("uint16")
for name, values in zip(("Red", "Green", "Blue"), tables):
    setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [16, 0, 16])
    setattr(palette, f"{name}PaletteColorLookupTableData", values.tobytes())
palette.SamplesPerPixel = 1
palette.BitsAllocated = 8
indices = np.array([[0, 3, 15], [7, 200, 1]], dtype="uint8")
looked_up = apply_color_lut(indices, palette) >> 8

ybr = rng.integers(0, 256, (3, 4, 3)).astype("uint8")
rgb = convert_color_space(ybr, "YBR_FULL", "RGB")

path = Path(__file__).with_name("dicom.json")
path.write_text(
    json.dumps(
        {
            "stored": stored.ravel().tolist(),
            "windows": windows,
            "modality": {"first": 100, "bits": 16, "table": falling.tolist(), "values": modality},
            "voi": {"first": 10, "bits": 10, "table": rising.tolist(), "values": (voi / 1023).round(6).tolist()},
            "palette": {"tables": tables.tolist(), "indices": indices.ravel().tolist(), "rgb": looked_up.ravel().tolist()},
            "colour": {"ybr": ybr.ravel().tolist(), "rgb": rgb.ravel().tolist()},
        },
        separators=(",", ":"),
    )
    + "\n"
)
