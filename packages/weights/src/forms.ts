/** What a file of weights can be, found from its first bytes. */
export type Form = 'safetensors' | 'zip' | 'legacy' | 'index';

export const pulled = 'Fix: git lfs pull, or download the file itself';

/** The form of a file, from its first bytes (some hundred); undefined where it is none that holds weights. */
export function formOf(first: Uint8Array): Form | undefined {
  // A header's length is below 2^27: bytes 4 to 7 of a safetensors file are 0, those of a pickle are not.
  if (first[8] === 0x7b && first.subarray(4, 8).every((byte) => byte === 0)) return 'safetensors';
  if (first[0] === 0x50 && first[1] === 0x4b) return 'zip';
  if (first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5) return 'legacy';
  if (/^\s*\{/.test(ascii(first))) return 'index';
  return undefined;
}

/** Says what a file is that holds no weights, with the fix. */
export function strange(first: Uint8Array): string {
  const text = ascii(first);
  if (text.startsWith('version https://git-lfs')) return `this is a Git LFS pointer, not the file itself. ${pulled}`;
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) {
    return 'this is a web page: what was downloaded is an answer of the server, not the file. Fix: download it again';
  }
  if (text.slice(257, 262) === 'ustar') {
    return 'this is a tar archive, the form of PyTorch before 0.1.10. Fix: load and torch.save it again with a PyTorch that reads it';
  }
  if (text.startsWith('\x1f\x8b')) return 'this is compressed with gzip. Fix: gunzip it';
  if (text.startsWith('\x89HDF')) return 'this is HDF5 (Keras). Fix: save it as safetensors';
  if (first.length === 0) return 'the file is empty. Fix: download or write it again';
  const hex = Array.from(first.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0'));
  return `it starts with the bytes ${hex.join(' ')}: neither safetensors nor a checkpoint of torch.save. Fix: another file`;
}

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes.subarray(0, 512));
