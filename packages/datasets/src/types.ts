/** A rectangle in pixels of the original image: left, top, width, height (COCO order). Fractions of a pixel are fine. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Decoded pixels, row by row, channels last. `Uint8Array` means 0…255, `Float32Array` means 0…1. */
export interface Raster {
  data: Uint8Array | Float32Array;
  width: number;
  height: number;
  /** 1 (grey) or 3 (RGB). */
  channels: number;
}

/** Where the pixels of a sample are: a file to decode when needed, or pixels already in memory. */
export type ImageSource =
  | {
      kind: 'file';
      path: string;
      /** How a DICOM file becomes pixels; other files ignore it. */
      dicom?: DicomOptions;
    }
  | ({ kind: 'pixels' } & Raster);

/** How the stored values of a DICOM file become pixels. Results made with different ones do not belong in one table. */
export interface DicomOptions {
  /** Of a file with several. Default 0, the first. */
  frame?: number;
  /**
   * What becomes 0 and 1, after rescale slope and intercept: `minMax` (default) the image's own smallest and largest value;
   * `max` 0 and the largest (the minimum is not subtracted); `window` the edges of the window; `bits` the smallest and
   * largest value that the stored bits can hold. Colour is not scaled.
   */
  scale?: 'minMax' | 'max' | 'window' | 'bits';
  /** For `scale: 'window'`: the file's window of this number (default 0, the first), or one of your own. */
  window?: number | { center: number; width: number };
  /** Turn MONOCHROME1, where small values are bright, into MONOCHROME2. Default true. */
  invert?: boolean;
  /** 32 (default): `Float32Array` in 0…1; 8: `Uint8Array`, rounded. */
  depth?: 8 | 32;
}

/** One thing a report says about one place: the phrase, and where it is. */
export interface Finding {
  category: string;
  /** The words that describe this finding; where there is a report, they occur in `Sample.text` (ignoring case). */
  phrase: string;
  /** The smallest rectangle around all of the finding. */
  box: Box;
  /** One rectangle per separate part (bilateral edema has two); `[box]` where there is one. */
  boxes: Box[];
  /** 0 (barely there) … 1 (worst), where known. */
  severity?: number;
  /** Such as `right lower`; right is the patient's right, on the left of a frontal image. */
  location?: string;
  /** `[height, width]` of the original image, 1 = finding. */
  mask?: Uint8Array;
}

/** A named anatomical region, such as a lung. */
export interface Region {
  name: string;
  box: Box;
}

/** A region of interest: where a detector, an annotator or a generator says something is. In pixels of the original image. */
export interface Roi extends Box {
  /** Who says so, such as `annotator`, `detector`, `phantom`, `saliency`. */
  source: string;
  /** 0 (hardly) … 1 (certain). */
  score: number;
  /** Where it has a caption of its own; without one, the image's region caption is its caption. */
  caption?: string;
}

/** One image with its text, and whatever else is known about it. */
export interface Sample {
  id: string;
  patientId: string;
  studyId?: string;
  image: ImageSource;
  text: string;
  findings?: Finding[];
  regions?: Region[];
  rois?: Roi[];
  /** 1 = present, 0 = absent, −1 = uncertain; a name that is missing was not labelled. */
  labels?: Record<string, number>;
  /** The split the publisher put it in, if any. */
  split?: string;
  meta?: Record<string, unknown>;
}

/** Samples, and an account of every row that did not become one. */
export interface Dataset {
  name: string;
  samples: Sample[];
  counts: {
    /** Rows found (images generated, for a phantom). */
    rows: number;
    /** `samples.length`. */
    kept: number;
    /** Reason → rows left out for it. `rows = kept + Σ dropped`. */
    dropped: Record<string, number>;
  };
  /** Facts about this copy that a user should read: departures from the published counts, known duplicates. */
  notes: string[];
  /** Patient ids that belong to one person; splits keep each list together. */
  together?: string[][];
  /** What the reader was asked for, where it changes texts, labels or pixels; goes into the manifest of a split. */
  options?: Record<string, unknown>;
}

/** Data on disk is not what it should be. The message names the file, what was expected, what came, and the fix. */
export class DataError extends Error {
  override readonly name = 'DataError';
}
