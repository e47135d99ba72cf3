import { LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { ReportError } from './checks';
import { formatNumber } from './format';
import { Html, html, plainText } from './html';
import type { Curve, CurvePoint } from './types';

echarts.use([LineChart, GridComponent, MarkLineComponent, SVGRenderer]);

// ECharts parses colours, CSS variables it would not understand: stand-ins go in, variables come out.
const STAND_INS: readonly (readonly [string, string])[] = [
  ['#010203', 'var(--muted)'],
  ['#010204', 'var(--line)'],
  ...Array.from({ length: 6 }, (_, i) => [`#01030${i + 1}`, `var(--series-${i + 1})`] as const),
];
const [MUTED, LINE] = ['#010203', '#010204'];
const DASHES: ('solid' | number[])[] = ['solid', [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [4, 2]];
const [WIDTH, HEIGHT] = [480, 280];

/** One curve as a figure: static SVG, a legend with last values, and a description for screen readers. */
export function renderChart(curve: Curve, index: number): Html {
  const log = curve.yScale === 'log';
  curve.series.forEach(({ points }, s) => {
    points.forEach((point, i) => {
      const argument = `curves[${index}].series[${s}].points[${i}]`;
      if ((point.length !== 2 && point.length !== 4) || !Number.isFinite(point[0])) {
        throw new ReportError(`${argument}: expected [x, y] or [x, y, low, high] with a finite x, got [${point}].`);
      }
      if (curve.xNames && curve.xNames[point[0]] === undefined) {
        throw new ReportError(
          `${argument}: expected x in 0…${curve.xNames.length - 1}, one per name, got ${point[0]}.`,
        );
      }
    });
  });
  const shown: Shown = (y): y is number => Number.isFinite(y) && !(log && y! <= 0);
  const gaps = curve.series.reduce(
    (sum, { points }) => sum + points.filter(([, y]) => y !== null && !shown(y)).length,
    0,
  );
  return html`<figure class="chart">
<h3>${curve.title}</h3>
${curve.caption && html`<p>${curve.caption}</p>`}
${drawing(curve, index, shown)}
<figcaption><ul class="legend">${curve.series.map(
    ({ name, points }, s) => html`<li>${swatch(s)}${name}${lastValue(points, shown)}</li>`,
  )}</ul>${gaps > 0 && html`<p class="warning">${gaps} ${gaps === 1 ? 'point is' : 'points are'} not shown: not finite${log && ', or not above 0 on a logarithmic axis'}.</p>`}</figcaption>
</figure>`;
}

/** Whether a y has a place on the axis. */
type Shown = (y: number | null) => y is number;

function drawing(curve: Curve, index: number, shown: Shown): Html {
  const { xNames, marks = [] } = curve;
  const whole = curve.series.every(({ points }) => points.every(([x]) => Number.isInteger(x)));
  const few = curve.series.every(({ points }) => points.length <= 30);
  const text = { color: MUTED, fontSize: 13, fontFamily: 'system-ui, sans-serif' };
  const axis = {
    axisLabel: { ...text, hideOverlap: true, formatter: (value: number) => formatNumber(value, undefined, 6) },
    nameTextStyle: text,
    axisLine: { show: true, lineStyle: { color: MUTED } },
    axisTick: { show: false },
  };
  const perName = (WIDTH - 80) / (xNames?.length ?? 1);
  const lines = Math.max(1, ...(xNames ?? []).map((name) => Math.ceil((7.5 * name.length) / perName)));
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: 'transparent',
    grid: {
      left: 12,
      right: 22,
      top: curve.yLabel ? 30 : 12,
      bottom: curve.xLabel ? 30 : 8,
      outerBoundsMode: 'same',
      outerBoundsContain: 'axisLabel',
    },
    xAxis: {
      type: 'value',
      name: plainText(curve.xLabel),
      nameLocation: 'middle',
      nameGap: 16 + 16 * lines,
      scale: true,
      ...(whole && { minInterval: 1 }),
      splitLine: { show: false },
      ...axis,
      ...(xNames && {
        min: -0.5,
        max: xNames.length - 0.5,
        axisLabel: {
          ...text,
          customValues: xNames.map((_, i) => i),
          interval: 0,
          width: perName - 6,
          overflow: 'break' as const,
          formatter: (value: number) => plainText(xNames[value] ?? ''),
        },
      }),
    },
    yAxis: {
      type: curve.yScale === 'log' ? 'log' : 'value',
      scale: true,
      name: plainText(curve.yLabel ?? ''),
      nameLocation: 'end',
      splitNumber: 4,
      splitLine: { lineStyle: { color: LINE } },
      ...axis,
      nameTextStyle: { ...text, align: 'left' },
      axisLine: { show: false },
    },
    series: curve.series.flatMap(({ points }, s) => {
      // On names there is room beside each other, where intervals would hide one another.
      const x = (point: CurvePoint) => point[0] + (xNames ? 0.12 * (s - (curve.series.length - 1) / 2) : 0);
      const color = STAND_INS[2 + (s % 6)]![0];
      const common = { type: 'line' as const, silent: true, emphasis: { disabled: true }, color };
      const line = {
        ...common,
        data: points.map((point) => [x(point), shown(point[1]) ? point[1] : null]),
        ...(points.length > 2000 && { sampling: 'lttb' as const }),
        showSymbol: few,
        symbol: ['circle', 'rect', 'triangle', 'diamond'][s % 4]!,
        symbolSize: xNames ? 7 : 5,
        lineStyle: { width: 2, type: DASHES[s % DASHES.length]! },
        ...(s === 0 && marks.length > 0 && { markLine: verticals(marks, text) }),
      };
      const intervals = points.flatMap((point) => {
        const [, y, low = null, high = null] = point;
        if (!shown(y) || !shown(low) || !shown(high)) return [];
        const ends = [low, high].map((end) => [x(point), end]);
        return [{ ...common, data: ends, symbol: 'rect', symbolSize: [9, 1.5], lineStyle: { width: 1.5 } }];
      });
      return [line, ...intervals];
    }),
  });
  const svg = chart.renderToSVGString({ useViewBox: true });
  chart.dispose();
  const themed = STAND_INS.reduce((text, [standIn, variable]) => text.replaceAll(standIn, variable), svg)
    // Hover classes and data marks serve scripts; this page has none.
    .replace(/<style[^>]*>.*?<\/style>/gs, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    // Ids must be one of a kind on the page and the same on every run.
    .replaceAll(/zr\d+-/g, `chart${index}-`)
    .replace(/^<svg [^>]*>/, '');
  const label = html`${curve.title}. ${curve.series.map(({ name, points }) => `${name}: ${describe(points, shown)}. `)}`;
  return new Html(`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label.markup.trim()}">${themed}`);
}

/** Thin lines from top to bottom, what begins there written along them. */
function verticals(marks: NonNullable<Curve['marks']>, text: object) {
  return {
    silent: true,
    symbol: 'none',
    lineStyle: { color: MUTED, width: 1, type: [3, 3] as number[] },
    data: marks.map(({ x, label }) => ({
      xAxis: x,
      label: { ...text, position: 'insideEndBottom' as const, formatter: plainText(label), fontSize: 12 },
    })),
  };
}

function describe(points: readonly CurvePoint[], shown: Shown): string {
  const known = points.flatMap(([x, y]) => (shown(y) ? [[x, y] as const] : []));
  if (known.length === 0) return 'no points';
  const [first, last] = [known[0]!, known.at(-1)!];
  return `from ${formatNumber(first[1])} at ${formatNumber(first[0])} to ${formatNumber(last[1])} at ${formatNumber(last[0])}`;
}

function lastValue(points: readonly CurvePoint[], shown: Shown): Html | null {
  const last = points.map(([, y]) => y).findLast(shown);
  return last === undefined ? null : html` <span class="muted">last ${formatNumber(last)}</span>`;
}

function swatch(s: number): Html {
  const dash = DASHES[s % DASHES.length]!;
  return html`<svg class="swatch" viewBox="0 0 28 6" aria-hidden="true"><line x1="0" y1="3" x2="28" y2="3" stroke="var(--series-${(s % 6) + 1})" stroke-width="2.5" ${
    Array.isArray(dash) && html`stroke-dasharray="${dash.join(' ')}"`
  }/></svg>`;
}
