import { createRequire } from 'node:module';

// The library has no types, and its ES build is not marked as one.
const dcmjs = createRequire(import.meta.url)('dcmjs');
const { DicomDict, DicomMetaDictionary } = dcmjs.data;
// It warns of attributes that may be signed or not: all of ours are not.
dcmjs.log.getLogger('validation.dcmjs').setLevel('silent');

const secondaryCapture = '1.2.840.10008.5.1.4.1.1.7';

/** Attributes by their DICOM keywords (`Rows`, `BitsStored`, …). */
export interface DicomAttributes {
  Rows: number;
  Columns: number;
  /** 8 by default, as are the stored bits. */
  BitsAllocated?: number;
  BitsStored?: number;
  /** 1 if signed. */
  PixelRepresentation?: number;
  SamplesPerPixel?: number;
  PhotometricInterpretation?: string;
  [keyword: string]: unknown;
}

/**
 * The bytes of a DICOM file that holds no patient.
 *
 * @param pixels little-endian samples, or a list of fragments if the transfer syntax is a compressed one.
 */
export function dicomFile(
  attributes: DicomAttributes,
  pixels: Uint8Array | Uint8Array[],
  transferSyntax = '1.2.840.10008.1.2.1',
): Uint8Array {
  const own = (bytes: Uint8Array) => Uint8Array.from(bytes).buffer;
  const bits = attributes.BitsAllocated ?? 8;
  const stored = attributes.BitsStored ?? bits;
  const meta = {
    FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
    MediaStorageSOPClassUID: secondaryCapture,
    MediaStorageSOPInstanceUID: '2.25.1',
    TransferSyntaxUID: transferSyntax,
    ImplementationClassUID: '2.25.2',
  };
  const dataset = {
    SOPClassUID: secondaryCapture,
    SOPInstanceUID: '2.25.1',
    Modality: 'CR',
    PatientID: 'nobody',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: bits,
    BitsStored: stored,
    HighBit: stored - 1,
    PixelRepresentation: 0,
    ...attributes,
    PixelData: Array.isArray(pixels) ? pixels.map(own) : [own(pixels)],
    _vrMap: { PixelData: Array.isArray(pixels) || bits === 8 ? 'OB' : 'OW' },
  };
  const file = new DicomDict(DicomMetaDictionary.denaturalizeDataset(meta));
  file.dict = DicomMetaDictionary.denaturalizeDataset(dataset);
  return new Uint8Array(file.write());
}
