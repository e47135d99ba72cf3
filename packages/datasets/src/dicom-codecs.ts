import { availableParallelism } from 'node:os';
import type { Tinypool } from 'tinypool';
import { DataError } from './types';

/** What the header says of one frame. */
export interface FrameHeader {
  transferSyntax: string;
  width: number;
  height: number;
  samples: number;
  bitsAllocated: number;
  photometric: string;
}

/** Decoded samples in little-endian bytes, one or two bytes each. */
export interface DecodedFrame {
  data: Uint8Array;
  width: number;
  height: number;
  samples: number;
  /** Bits of a sample as the compressed stream has them; undefined where it does not say. */
  bits?: number;
  /** The colours lie one after the other, not pixel by pixel. */
  planar?: boolean;
}

/** Transfer syntax → the decoder in dicom-thread.mjs. */
const codecs: Record<string, string> = {
  '1.2.840.10008.1.2.4.50': 'jpeg',
  '1.2.840.10008.1.2.4.51': 'jpeg',
  '1.2.840.10008.1.2.4.57': 'jpegLossless',
  '1.2.840.10008.1.2.4.70': 'jpegLossless',
  '1.2.840.10008.1.2.4.80': 'jpegLs',
  '1.2.840.10008.1.2.4.81': 'jpegLs',
  '1.2.840.10008.1.2.4.90': 'jpeg2000',
  '1.2.840.10008.1.2.4.91': 'jpeg2000',
  '1.2.840.10008.1.2.4.201': 'htJpeg2000',
  '1.2.840.10008.1.2.4.202': 'htJpeg2000',
  '1.2.840.10008.1.2.4.203': 'htJpeg2000',
  '1.2.840.10008.1.2.5': 'rle',
};

/** The decoders that leave RGB where the file says YBR: they undo the colour transform that is part of their format. */
const toRgb: Record<string, RegExp> = { jpeg: /^YBR/, jpeg2000: /^YBR_(ICT|RCT)/, htJpeg2000: /^YBR_(ICT|RCT)/ };

/** How the colours of a decoded frame are to be read. */
export function decodedPhotometric({ transferSyntax, photometric }: FrameHeader): string {
  return toRgb[codecs[transferSyntax] ?? '']?.test(photometric) ? 'RGB' : photometric;
}

let threads: Promise<Tinypool> | undefined;

/** Threads start with the first frame, end when idle, and keep no process alive. */
function pool(): Promise<Tinypool> {
  threads ??= import('tinypool').then(
    (library) =>
      new library.Tinypool({
        filename: new URL('./dicom-thread.mjs', import.meta.url).href,
        minThreads: 0,
        maxThreads: Math.max(1, Math.min(4, availableParallelism() - 1)),
        idleTimeout: 30_000,
        execArgv: [],
      }),
  );
  return threads;
}

/**
 * Decodes one compressed frame on a thread of its own.
 *
 * @throws {DataError} if there is no codec for the transfer syntax, or the result is not of the header's size.
 */
export async function decodeFrame(frame: Uint8Array, header: FrameHeader): Promise<DecodedFrame> {
  const codec = codecs[header.transferSyntax];
  if (codec === undefined) {
    throw new DataError(
      `transfer syntax ${header.transferSyntax} is not supported; expected an uncompressed one or ${Object.keys(codecs).join(', ')}`,
    );
  }
  // A copy of its own: the thread takes it over, and the file's bytes stay.
  const own = Uint8Array.from(frame);
  const decoded: DecodedFrame = await (await pool()).run({ codec, frame: own, header }, { transferList: [own.buffer] });
  const { width, height, samples } = decoded;
  if (width !== header.width || height !== header.height || samples !== header.samples) {
    throw new DataError(
      `expected ${header.width} × ${header.height} × ${header.samples} as the header says, the compressed image is ${width} × ${height} × ${samples}`,
    );
  }
  return decoded;
}
