"""Images of many kinds and what batches() makes of them, by Pillow and NumPy. Writes loader.json next to this file.

Decoded by Pillow, upright, laid on black; grey or luma, or three channels; the long side to RESIZE by the exact integral over
each output pixel; padded to a square, the middle cut out; (x - mean) / std.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

RESIZE, CROP = 20, 16
MEAN, STD = [0.4, 0.5, 0.45], [0.25, 0.5, 0.3]
rng = np.random.default_rng(0)


def scene(width, height, channels):
    """Shades, an edge and some grain, in 0...1."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [
        0.5 + 0.3 * np.sin(5 * x + 3 * y + c) + 0.15 * ((x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.04 * (c + 1))
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, -1) + rng.normal(0, 0.02, (height, width, channels)), 0, 1)


def picture(width, height, channels):
    pixels = (scene(width, height, channels) * 255).round().astype(np.uint8)
    if channels == 3:
        # No luma of exactly half a level: either way of rounding it is right.
        pixels[pixels.astype(int) @ [299, 587, 114] % 1000 == 500, 2] ^= 1
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def deep(width, height):
    return Image.fromarray((scene(width, height, 1)[..., 0] * 65535).round().astype(np.uint16))


def see_through(width, height):
    image = picture(width, height, 3)
    image.putalpha(Image.fromarray((scene(width, height, 1)[..., 0] * 255).astype(np.uint8)))
    return image


def turned(width, height):
    image = picture(width, height, 1)
    image.getexif()[0x0112] = 6
    return image


def area_axis(x, to, axis):
    x = np.moveaxis(x, axis, 0)
    total = np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, axis=0)])
    edges = np.linspace(0, x.shape[0], to + 1)
    low = np.minimum(edges.astype(int), len(total) - 2)
    part = (edges - low).reshape(-1, *[1] * (x.ndim - 1))
    at = total[low] * (1 - part) + total[low + 1] * part
    return np.moveaxis(np.diff(at, axis=0) * to / x.shape[0], 0, axis)


def decoded(data):
    """[h, w, c] in 0...1, one channel for grey."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        return np.asarray(image, dtype=np.float64)[..., None] / 65535
    if image.mode == "P":
        image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.float64)
    if image.mode == "RGBA":
        # 8 bits at full size, as a decoder gives them.
        pixels = np.floor(pixels[..., :3] * pixels[..., 3:] / 255)
    return pixels.reshape(*pixels.shape[:2], -1) / 255


def luma(pixels):
    grey = pixels @ [0.299, 0.587, 0.114]
    return np.floor(grey * 255 + 0.5)[..., None] / 255


def view(pixels, channels):
    if channels == 1 and pixels.shape[2] == 3:
        pixels = luma(pixels)
    height, width, _ = pixels.shape
    to = [max(1, int(np.floor(side * RESIZE / max(height, width) + 0.5))) for side in (height, width)]
    small = area_axis(area_axis(pixels, to[0], 0), to[1], 1)
    square = np.zeros((RESIZE, RESIZE, pixels.shape[2]))
    top, left = [(RESIZE - side) // 2 for side in to]
    square[top : top + to[0], left : left + to[1]] = small
    cut = (RESIZE - CROP) // 2
    seen = np.broadcast_to(square[cut : cut + CROP, cut : cut + CROP], (CROP, CROP, channels))
    return (seen - MEAN[:channels]) / STD[:channels]


def encoded(image, **options):
    data = io.BytesIO()
    image.save(data, **options)
    return data.getvalue()


turn = turned(38, 55)
files = {
    "grey.jpg": (encoded(picture(61, 47, 1), format="JPEG", quality=90), [1, 3]),
    "colour.jpg": (encoded(picture(40, 93, 3), format="JPEG", quality=95, subsampling=0), [1, 3]),
    "halved-colours.jpg": (encoded(picture(64, 48, 3), format="JPEG", quality=95, subsampling=2), [3]),
    "progressive.jpg": (encoded(picture(160, 45, 1), format="JPEG", quality=90, progressive=True), [1]),
    "turned.jpg": (encoded(turn, format="JPEG", quality=95, exif=turn.getexif()), [3]),
    "grey.png": (encoded(picture(57, 100, 1), format="PNG"), [1, 3]),
    "colour.png": (encoded(picture(71, 35, 3), format="PNG"), [1, 3]),
    "deep.png": (encoded(deep(45, 52), format="PNG"), [1, 3]),
    "palette.png": (encoded(picture(50, 41, 3).quantize(16, dither=Image.Dither.NONE), format="PNG"), [3]),
    "see-through.png": (encoded(see_through(33, 44), format="PNG"), [3]),
}
cases = []
for name, (data, wanted) in files.items():
    pixels = decoded(data)
    for channels in wanted:
        cases.append(
            {
                "name": name,
                "channels": channels,
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "images": [round(float(v), 5) for v in view(pixels, channels).ravel()],
            }
        )

golden = {
    "resize": RESIZE,
    "crop": CROP,
    "mean": MEAN,
    "std": STD,
    "files": {name: base64.b64encode(data).decode() for name, (data, _) in files.items()},
    "cases": cases,
}
path = Path(__file__).with_name("loader.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
