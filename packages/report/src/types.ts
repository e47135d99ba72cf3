/** An image as it lies in memory, rows from the top, channels last. */
export interface ReportImage {
  /** Flat `[height · width · channels]`. Bytes are shown as they are; other numbers are scaled from `range`. */
  data: ArrayLike<number>;
  width: number;
  height: number;
  /** 1 grey, 3 RGB, 4 RGBA. */
  channels?: 1 | 3 | 4;
  /** Black and white of an image that is not bytes; its minimum and maximum by default. */
  range?: readonly [number, number];
}

/** A heat map of any resolution; it is stretched over the whole image. NaN = not seen by the model. */
export interface ReportMap {
  /** Flat `[height · width]`. */
  data: ArrayLike<number>;
  width: number;
  height: number;
}

/** A ground-truth box in pixels of the image. */
export interface ReportBox {
  x: number;
  y: number;
  width: number;
  height: number;
  label: string;
  /** A CSS colour name or #rrggbb; by default the next of six that stay apart. */
  color?: string;
}

/** How the numbers of a map become colours. */
export interface MapStyle {
  /** `'sequential'`: minimum to maximum. `'diverging'`: blue below 0, red above 0, equally far. */
  colors?: 'sequential' | 'diverging';
  /** Ends of the colour bar; the map's own minimum and maximum by default. Give one range to maps that are compared. */
  range?: readonly [number, number];
}

/** A text that was ranked by a score: a search result, one of several captions. */
export interface RankedText {
  text: string;
  score: number;
  /** Whether it is one of those that were looked for. */
  right: boolean;
  /** Its place, from 1; the one after the text before it by default. */
  rank?: number;
}

/** An image with a map and boxes over it. Without a map: the image alone. */
export interface Overlay extends MapStyle {
  title: string;
  caption?: string;
  image: ReportImage;
  map?: ReportMap;
  boxes?: readonly ReportBox[];
  /** What the numbers of the colour bar are, such as `'× even'`. */
  unit?: string;
  /** Texts that were ranked for the image, best first: written under it. */
  ranking?: readonly RankedText[];
}

/** Overlays that belong together, shown side by side under one heading. */
export interface OverlayGroup {
  title: string;
  caption?: string;
  overlays: readonly Overlay[];
}

/** How the keywords of one report and its map change over the iterations. */
export interface Refinement extends MapStyle {
  title: string;
  caption?: string;
  image: ReportImage;
  /** The words of the report, in order. */
  words: readonly string[];
  /** Ground-truth boxes. */
  boxes?: readonly ReportBox[];
  /** `keywords[i]`: word i is kept after this iteration. */
  iterations: readonly { map: ReportMap; keywords: readonly boolean[] }[];
}

/** A number with its interval, for instance from a bootstrap. */
export interface Interval {
  value: number | null;
  low: number | null;
  high: number | null;
}

/** What a table cell may hold; null is shown as a dash. */
export type Cell = string | number | boolean | null | Interval;

/** A column of a table. */
export interface Column {
  title: string;
  /** Digits after the point; by default as many as the column needs, at most 3. */
  digits?: number;
  /** Marks the best number of the column. */
  best?: 'highest' | 'lowest';
}

/** A table; the first column names the rows. */
export interface ReportTable {
  title: string;
  caption?: string;
  columns: readonly (string | Column)[];
  rows: readonly (readonly Cell[])[];
}

/** `[x, y]`, or `[x, y, low, high]` with an interval. A y of null is a gap in the line. */
export type CurvePoint =
  | readonly [x: number, y: number | null]
  | readonly [x: number, y: number, low: number | null, high: number | null];

/** A line chart. */
export interface Curve {
  title: string;
  caption?: string;
  xLabel: string;
  /** Names of x = 0, 1, 2 …, for what has an order and no distance. */
  xNames?: readonly string[];
  yLabel?: string;
  yScale?: 'linear' | 'log';
  /** Vertical lines where something begins, such as the stages of a training. */
  marks?: readonly { x: number; label: string }[];
  series: readonly { name: string; points: readonly CurvePoint[] }[];
}

/** Everything a report may hold. Empty parts are left out of the page. */
export interface Report {
  title: string;
  /** Plain text; an empty line starts a new paragraph. */
  summary?: string;
  /** The numbers a reader looks for first. */
  highlights?: readonly { label: string; value: Cell; note?: string }[];
  curves?: readonly Curve[];
  tables?: readonly ReportTable[];
  overlays?: readonly (Overlay | OverlayGroup)[];
  /** Single cases, such as search results right and wrong. */
  examples?: readonly (Overlay | OverlayGroup)[];
  refinement?: readonly Refinement[];
  /** Plain text, one point each: known limits, departures from a paper. */
  notes?: readonly string[];
  /** The resolved configuration; nested values are written as a.b.c. */
  config?: Readonly<Record<string, unknown>>;
  /** Hardware, versions, seed, commit. */
  environment?: Readonly<Record<string, unknown>>;
  /** When the run ended; now by default. */
  date?: Date;
}
