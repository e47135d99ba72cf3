// Runs in a thread of dicom-codecs.ts: decodes one compressed frame. Plain JavaScript, since a thread does not inherit a
// loader of TypeScript. Codecs are loaded when a file needs them.

const loaded = new Map();

/** A codec in WebAssembly, its chatter kept from stdout. */
function wasm(name, load) {
  if (!loaded.has(name)) {
    const quiet = { print() {}, printErr() {} };
    loaded.set(
      name,
      load().then((module) => module.default(quiet)),
    );
  }
  return loaded.get(name);
}

async function decodeWith(module, className, frame) {
  const decoder = new module[className]();
  try {
    decoder.getEncodedBuffer(frame.length).set(frame);
    decoder.decode();
    const { width, height, bitsPerSample, componentCount } = decoder.getFrameInfo();
    const planar = componentCount > 1 && decoder.getInterleaveMode?.() === 0;
    const data = Uint8Array.from(decoder.getDecodedBuffer());
    return { data, width, height, bits: bitsPerSample, samples: componentCount, planar };
  } catch (error) {
    // A C++ exception arrives as a number, or as an object without words.
    const said = error instanceof Error && error.message !== '' ? `: ${error.message}` : '';
    throw new Error(`the compressed image is broken${said}`);
  } finally {
    decoder.delete();
  }
}

/** What the header of a JPEG says: the bits of a sample, and whether it tells how its colours are stored. */
function jpegHeader(frame) {
  let marksColours = false;
  for (let at = 2; at + 9 < frame.length && frame[at] === 0xff; ) {
    const marker = frame[at + 1];
    if (marker === 0xe0 || marker === 0xee) marksColours = true;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { precision: frame[at + 4], marksColours };
    }
    at += marker === 0xff ? 1 : 2 + 256 * frame[at + 2] + frame[at + 3];
  }
  throw new Error('not a JPEG: no frame header');
}

/** Without a marker decoders take three components for YCbCr; this one (Adobe, transform 0) says that they are RGB. */
function markedAsRgb(frame) {
  const adobe = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0];
  const marked = new Uint8Array(frame.length + adobe.length);
  marked.set(frame.subarray(0, 2));
  marked.set(adobe, 2);
  marked.set(frame.subarray(2), 2 + adobe.length);
  return marked;
}

/** These decoders fill what is missing with grey; the end of the image (FF D9, then padding) must be there. */
function requireEnd(frame) {
  for (let at = frame.length - 2; at >= Math.max(0, frame.length - 16); at--) {
    if (frame[at] === 0xff && frame[at + 1] === 0xd9) return;
  }
  throw new Error('the compressed image is truncated: no end marker');
}

/** How many bytes a run-length segment holds: its decoder does not say when there are too few. */
function rleBytes(frame, from, to) {
  let bytes = 0;
  for (let at = from; at < to; ) {
    const n = frame[at];
    bytes += n < 128 ? Math.min(n + 1, to - at - 1) : n > 128 ? 257 - n : 0;
    at += n < 128 ? n + 2 : n > 128 ? 2 : 1;
  }
  return bytes;
}

async function decodeDeepJpeg(frame, { width, height, samples }) {
  requireEnd(frame);
  const { default: library } = await import('dcmjs-codecs').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(
      'a JPEG of 12 bits needs the package dcmjs-codecs, which is not installed. Fix: npm install dcmjs-codecs',
    );
  });
  const { Context, NativeCodecs } = library;
  if (!NativeCodecs.isInitialized()) await NativeCodecs.initializeAsync();
  const photometricInterpretation = samples === 1 ? 'MONOCHROME2' : 'RGB';
  const layout = {
    bitsAllocated: 16,
    bitsStored: 12,
    samplesPerPixel: samples,
    pixelRepresentation: 0,
    planarConfiguration: 0,
  };
  const context = new Context({ width, height, ...layout, photometricInterpretation, encodedBuffer: frame });
  const decoded = NativeCodecs.decodeJpeg(context);
  const data = Uint8Array.from(decoded.getDecodedBuffer());
  return { data, width: decoded.getWidth(), height: decoded.getHeight(), bits: 12, samples };
}

const decoders = {
  async jpeg(frame, header) {
    const { precision, marksColours } = jpegHeader(frame);
    if (precision !== 8) return decodeDeepJpeg(frame, header);
    const module = await wasm('jpeg', () => import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'));
    const plain = header.photometric === 'RGB' && !marksColours;
    return decodeWith(module, 'JPEGDecoder', plain ? markedAsRgb(frame) : frame);
  },
  async jpegLossless(frame) {
    requireEnd(frame);
    const { Decoder } = await import('jpeg-lossless-decoder-js');
    const decoder = new Decoder();
    const copy = Uint8Array.from(frame);
    const bytes = jpegHeader(frame).precision > 8 ? 2 : 1;
    const values = decoder.decode(copy.buffer, 0, copy.length, bytes);
    const { dimX: width, dimY: height, precision: bits, numComp: samples } = decoder.frame;
    return { data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength), width, height, bits, samples };
  },
  async jpegLs(frame) {
    const module = await wasm('jpegLs', () => import('@cornerstonejs/codec-charls/decodewasmjs'));
    return decodeWith(module, 'JpegLSDecoder', frame);
  },
  async jpeg2000(frame) {
    const module = await wasm('jpeg2000', () => import('@cornerstonejs/codec-openjpeg/decodewasmjs'));
    return decodeWith(module, 'J2KDecoder', frame);
  },
  async htJpeg2000(frame) {
    const module = await wasm('htJpeg2000', () => import('@cornerstonejs/codec-openjph'));
    return decodeWith(module, 'HTJ2KDecoder', frame);
  },
  async rle(frame, { width, height, samples, bitsAllocated, transferSyntax }) {
    const segments = samples * (bitsAllocated / 8);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    if (frame.length < 64 || view.getUint32(0, true) !== segments) {
      throw new Error(`RLE: expected ${segments} segments for ${samples} × ${bitsAllocated} bits`);
    }
    if (bitsAllocated > 8 && samples > 1) throw new Error(`RLE: ${samples} × ${bitsAllocated} bits is not supported`);
    for (let segment = 1; segment <= segments; segment++) {
      const end = segment === segments ? frame.length : view.getUint32(4 * segment + 4, true);
      const bytes = rleBytes(frame, view.getUint32(4 * segment, true), Math.min(end, frame.length));
      if (bytes < width * height)
        throw new Error(`RLE: segment ${segment} has ${bytes} bytes of ${width * height}: truncated`);
    }
    const { default: library } = await import('@cornerstonejs/dicom-codec');
    const info = { rows: height, columns: width, bitsAllocated, samplesPerPixel: samples, planarConfiguration: 0 };
    const { imageFrame } = await library.decode(frame, info, transferSyntax);
    const data = new Uint8Array(imageFrame.buffer, imageFrame.byteOffset, imageFrame.byteLength);
    return { data, width, height, bits: undefined, samples };
  },
};

export default ({ codec, frame, header }) => decoders[codec](frame, header);
