export { ReportError } from './checks';
export { colorStops, type PaintedMap, paintMap } from './paint';
export { textTable } from './text-table';
export type {
  Cell,
  Column,
  Curve,
  CurvePoint,
  Interval,
  MapStyle,
  Overlay,
  OverlayGroup,
  RankedText,
  Refinement,
  Report,
  ReportBox,
  ReportImage,
  ReportMap,
  ReportTable,
} from './types';
export { writeOverlay, writeReport } from './write';
