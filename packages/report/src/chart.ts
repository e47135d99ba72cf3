import { LineChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { ReportError } from './checks';
import { formatNumber } from './format';
import { Html, html, plainText } from './html';
import type { Curve } from './types';

echarts.use([LineChart, GridComponent, SVGRenderer]);

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
      if (point.length !== 2 || !Number.isFinite(point[0])) {
        throw new ReportError(
          `curves[${index}].series[${s}].points[${i}]: expected [x, y] with a finite x, got [${point}].`,
        );
      }
    });
  });
  const shown = (y: number) => Number.isFinite(y) && !(log && y <= 0);
  const gaps = curve.series.reduce((sum, { points }) => sum + points.filter(([, y]) => !shown(y)).length, 0);
  return html`<figure class="chart">
<h3>${curve.title}</h3>
${drawing(curve, index, shown)}
<figcaption><ul class="legend">${curve.series.map(
    ({ name, points }, s) => html`<li>${swatch(s)}${name}${lastValue(points, shown)}</li>`,
  )}</ul>${gaps > 0 && html`<p class="warning">${gaps} ${gaps === 1 ? 'point is' : 'points are'} not shown: not finite${log && ', or not above 0 on a logarithmic axis'}.</p>`}</figcaption>
</figure>`;
}

function drawing(curve: Curve, index: number, shown: (y: number) => boolean): Html {
  const whole = curve.series.every(({ points }) => points.every(([x]) => Number.isInteger(x)));
  const few = curve.series.every(({ points }) => points.length <= 30);
  const text = { color: MUTED, fontSize: 13, fontFamily: 'system-ui, sans-serif' };
  const axis = {
    axisLabel: { ...text, hideOverlap: true, formatter: (value: number) => formatNumber(value, undefined, 6) },
    nameTextStyle: text,
    axisLine: { show: true, lineStyle: { color: MUTED } },
    axisTick: { show: false },
  };
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: 'transparent',
    grid: {
      left: 12,
      right: 22,
      top: curve.yLabel ? 30 : 12,
      bottom: 30,
      outerBoundsMode: 'same',
      outerBoundsContain: 'axisLabel',
    },
    xAxis: {
      type: 'value',
      name: plainText(curve.xLabel),
      nameLocation: 'middle',
      nameGap: 32,
      scale: true,
      ...(whole && { minInterval: 1 }),
      splitLine: { show: false },
      ...axis,
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
    series: curve.series.map(({ points }, s) => ({
      type: 'line',
      data: points.map(([x, y]) => [x, shown(y) ? y : null]),
      ...(points.length > 2000 && { sampling: 'lttb' as const }),
      showSymbol: few,
      symbol: ['circle', 'rect', 'triangle', 'diamond'][s % 4]!,
      symbolSize: 5,
      silent: true,
      emphasis: { disabled: true },
      lineStyle: { width: 2, type: DASHES[s % DASHES.length]! },
      color: STAND_INS[2 + (s % 6)]![0],
    })),
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

function describe(points: Curve['series'][number]['points'], shown: (y: number) => boolean): string {
  const known = points.filter(([, y]) => shown(y));
  if (known.length === 0) return 'no points';
  const [first, last] = [known[0]!, known.at(-1)!];
  return `from ${formatNumber(first[1])} at ${formatNumber(first[0])} to ${formatNumber(last[1])} at ${formatNumber(last[0])}`;
}

function lastValue(points: Curve['series'][number]['points'], shown: (y: number) => boolean): Html | null {
  const last = points.filter(([, y]) => shown(y)).at(-1);
  return last ? html` <span class="muted">last ${formatNumber(last[1])}</span>` : null;
}

function swatch(s: number): Html {
  const dash = DASHES[s % DASHES.length]!;
  return html`<svg class="swatch" viewBox="0 0 28 6" aria-hidden="true"><line x1="0" y1="3" x2="28" y2="3" stroke="var(--series-${(s % 6) + 1})" stroke-width="2.5" ${
    Array.isArray(dash) && html`stroke-dasharray="${dash.join(' ')}"`
  }/></svg>`;
}
