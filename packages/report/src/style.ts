/** The look of a report. Light and dark follow the reader's system; print is always light. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1a1d21; --muted: #596069; --line: #dfe3e8; --soft: #f5f7f9; --accent: #0b5cad; --warning: #9a3d00;
  --series-1: #0b62b0; --series-2: #c2410c; --series-3: #0f7a4d; --series-4: #9c2b86; --series-5: #7a5c00; --series-6: #4a5561; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e8eaed; --muted: #a3abb5; --line: #333a41; --soft: #1d2125; --accent: #7cb8ff; --warning: #ffb27a;
  --series-1: #6db3ff; --series-2: #ff9a5c; --series-3: #57d39b; --series-4: #f08ad8; --series-5: #e3c04d; --series-6: #b7c0ca; } }
@media print { :root { color-scheme: light; --page: #fff; --ink: #000; --muted: #444; --line: #bbb; --soft: #f5f7f9; --accent: #000; --warning: #7a2f00;
  --series-1: #0b62b0; --series-2: #c2410c; --series-3: #0f7a4d; --series-4: #9c2b86; --series-5: #7a5c00; --series-6: #4a5561; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 4rem; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; } h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; margin: 0 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; } a { color: var(--accent); } .muted, time { color: var(--muted); } time { display: block; margin-top: .35rem; font-size: .875rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1rem 0 0; padding: 0; font-size: .9375rem; }
.highlights { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.25rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.highlights > div { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.highlights dt { font-size: .8125rem; color: var(--muted); } .highlights dd { margin: 0; font-size: 1.5rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; } .highlights dd.note { font-size: .8125rem; font-weight: 400; color: var(--muted); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 2rem 1.75rem; }
figure { margin: 0; } .chart svg { display: block; width: 100%; height: auto; }
.chart > p { font-size: .875rem; margin: 0 0 .25rem; color: var(--muted); } .legend { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; list-style: none; margin: .25rem 0 0; padding: 0; font-size: .875rem; } .legend svg.swatch { display: inline-block; width: 1.75rem; height: .4rem; margin-right: .45rem; vertical-align: middle; }
.warning { color: var(--warning); font-size: .875rem; margin: .25rem 0 0; }
.table { position: relative; overflow-x: auto; margin: 1.25rem 0 2rem; } table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .5rem; } caption > div { position: sticky; left: 0; max-width: min(46rem, calc(100vw - 3rem)); } caption span { color: var(--muted); }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: baseline; } thead th { border-bottom: 2px solid var(--muted); font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 400; }
td.text, thead th.text:not(:first-child) { padding-left: 1.25rem; }
th.number, td.number { text-align: right; padding: .35rem .6rem .35rem 1.25rem; white-space: nowrap; } thead th.number { white-space: normal; } tbody th { min-width: 6.5rem; } .interval { color: var(--muted); font-size: .875em; white-space: nowrap; }
.group { margin: 1.5rem 0 2rem; break-inside: avoid; } .panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1.5rem 1.25rem; margin-top: .75rem; align-items: start; }
.panels.steps { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 22rem)); }
.panel { max-width: 26rem; } .panel > svg { display: block; width: 100%; height: auto; background: #000; border-radius: .25rem; } .panel figcaption { margin-top: .3rem; font-size: .9375rem; line-height: 1.4; } .panel figcaption span { display: block; color: var(--muted); font-size: .875rem; }
.pixelated { image-rendering: pixelated; } .definitions { position: absolute; }
.colorbar { margin-top: .35rem; font-size: .8125rem; color: var(--muted); font-variant-numeric: tabular-nums; } .colorbar svg { display: block; width: 100%; height: .5rem; border-radius: 2px; } .colorbar .ends { display: flex; justify-content: space-between; } .colorbar p { margin: 0; }
.ranking { margin: .4rem 0 0; padding-left: 1.9rem; font-size: .875rem; line-height: 1.4; } .ranking li { margin: .2rem 0; } .ranking .wrong { color: var(--muted); } .ranking .right { font-weight: 600; } .ranking .score { font-variant-numeric: tabular-nums; }
.words { margin: .5rem 0 0; font-size: .9375rem; line-height: 1.7; } .kept { font-weight: 600; } s { color: var(--muted); text-decoration-thickness: 1.5px; }
dl.settings { columns: 22rem; column-gap: 2.5rem; font-size: .875rem; margin: 0; } dl.settings > div { display: flex; gap: 1rem; justify-content: space-between; border-bottom: 1px solid var(--line); padding: .2rem 0; break-inside: avoid; } dl.settings dt { color: var(--muted); } dl.settings dd { margin: 0; text-align: right; min-width: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.notes li { max-width: 46rem; margin: .35rem 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 30rem) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.4rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } svg { print-color-adjust: exact; } .table { overflow: visible; } table { font-size: 8.5pt; } th.number, td.number { white-space: normal; padding-left: .75rem; } .interval { display: block; } .panels { grid-template-columns: repeat(3, 1fr); } .charts { grid-template-columns: repeat(2, 1fr); } }
`;
