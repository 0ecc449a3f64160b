import { type KernelRow, percent, threeDigits } from './kernelTable.ts';
import { escapeText } from './lossCurve.ts';

/** The kernels of a workload. */
export interface ChartedKernels {
  readonly title: string;
  readonly rows: readonly KernelRow[];
}

/** What a chart of kernels shows. */
export interface KernelChart {
  readonly title: string;
  readonly subtitle: string;
  readonly parts: readonly ChartedKernels[];
}

const WIDTH = 1020;
const LEFT = 24;
/** Where bars begin, and where the longest ends; its time stands behind it. */
const BARS = { left: 330, right: 580 } as const;
/** Where the two columns of figures end. */
const RATES = { gflops: 850, gbs: WIDTH - LEFT } as const;
const ROW = 24;
const BAR = 16;
const HEADING = 46;
const TOP = 84;
const MOST_BARS = 12;
/** Blue for products and attention, whose arithmetic counts, vermilion for the rest; the colour-blind tell them apart. */
const COLOURS = { arithmetic: '#0072b2', memory: '#d55e00' } as const;

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

const rate = (x: number, y: number, value: number | null, unit: string, ofLimit: number | null): string =>
  value === null || ofLimit === null
    ? ''
    : `<text class="quiet" x="${x}" y="${y}" text-anchor="end">${escapeText(threeDigits(value))} ${unit} (${percent(ofLimit)})</text>`;

const isArithmetic = ({ kernel, gflops }: KernelRow): boolean => gflops !== null || kernel.startsWith('attention');

const px = (value: number): string => String(Number(value.toFixed(1)));

const bars = ({ title, rows }: ChartedKernels, top: number): string => {
  const shown = rows.slice(0, MOST_BARS);
  const longest = shown[0]?.share || 1;
  const lines = shown.map((row, i) => {
    const y = top + HEADING + i * ROW;
    const width = Math.max(1, (row.share / longest) * (BARS.right - BARS.left));
    const name = `${row.kernel} · ${row.op}`;
    return (
      `<text x="${LEFT}" y="${y + 12.5}">${escapeText(shortened(name, 46))}<title>${escapeText(name)}</title></text>` +
      `<rect x="${BARS.left}" y="${y}" width="${px(width)}" height="${BAR}" rx="1.5" fill="${isArithmetic(row) ? COLOURS.arithmetic : COLOURS.memory}"/>` +
      `<text x="${px(BARS.left + width + 7)}" y="${y + 12.5}">${escapeText(threeDigits(row.ms))} ms · ${percent(row.share)}</text>` +
      rate(RATES.gflops, y + 12.5, row.gflops, 'GFLOPS', row.gflopsOfLimit) +
      rate(RATES.gbs, y + 12.5, row.gbs, 'GB/s', row.gbsOfLimit)
    );
  });
  const rest = rows.slice(MOST_BARS);
  const more = `${rest.length} more: ${percent(rest.reduce((sum, { share }) => sum + share, 0))}`;
  return [
    `<text x="${LEFT}" y="${top + 30}" font-size="14" font-weight="600">${escapeText(title)}</text>`,
    ...lines,
    ...(rest.length === 0
      ? []
      : [`<text class="quiet" x="${LEFT}" y="${top + HEADING + MOST_BARS * ROW + 12.5}">${more}</text>`]),
  ].join('\n');
};

const heightOf = ({ rows }: ChartedKernels): number =>
  HEADING + ROW * (Math.min(rows.length, MOST_BARS) + (rows.length > MOST_BARS ? 1 : 0)) + 10;

/** Bars of the time that each kernel took, workload by workload, as SVG. */
export const kernelChart = ({ title, subtitle, parts }: KernelChart): string => {
  const tops = parts.map((_, i) => TOP + parts.slice(0, i).reduce((sum, part) => sum + heightOf(part), 0));
  const height = TOP + parts.reduce((sum, part) => sum + heightOf(part), 0) + 12;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" font-size="12" fill="#1c2026" role="img">
<title>${escapeText(title)}</title>
<style>.quiet { fill: #5c636d }</style>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="${LEFT}" y="34" font-size="18" font-weight="600">${escapeText(title)}</text>
<text class="quiet" x="${LEFT}" y="55">${escapeText(subtitle)}</text>
<rect x="${LEFT}" y="66" width="10" height="10" fill="${COLOURS.arithmetic}"/>
<text class="quiet" x="${LEFT + 16}" y="75">products and attention</text>
<rect x="${LEFT + 170}" y="66" width="10" height="10" fill="${COLOURS.memory}"/>
<text class="quiet" x="${LEFT + 186}" y="75">what mostly moves bytes</text>
${parts.map((part, i) => bars(part, tops[i]!)).join('\n')}
</svg>
`;
};
