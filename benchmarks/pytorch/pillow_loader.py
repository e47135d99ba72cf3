"""Images decoded and resized by Pillow, a process for every core. Lines as in src/loader-worker.ts."""

import json
import os
import sys
import time
from multiprocessing import Pool

import PIL
from PIL import Image

RESIZE = 256


def read(task):
    path, channels = task
    start = time.process_time()
    with Image.open(path) as image:
        grey = image.convert("L" if channels == 1 else "RGB")
    count = len(grey.resize((RESIZE, RESIZE), Image.Resampling.BILINEAR).tobytes())
    return count, time.process_time() - start


def main():
    with Pool(os.cpu_count()) as pool:
        print(json.dumps({"version": PIL.__version__, "device": "cpu"}), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            channels = command["channels"]
            start = time.perf_counter()
            done = pool.map(read, [(path, channels) for path in command["paths"]], chunksize=4)
            answer = {"seconds": time.perf_counter() - start, "cpuSeconds": sum(used for _, used in done)}
            wrong = [count for count, _ in done if count != RESIZE * RESIZE * channels]
            print(json.dumps(answer | ({"error": f"images of {wrong[0]} bytes"} if wrong else {})), flush=True)


if __name__ == "__main__":
    main()
