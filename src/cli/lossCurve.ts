/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** In the order of x; points that are no finite numbers are left out. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a loss curve shows. */
export interface LossCurve {
  readonly title: string;
  readonly subtitle: string;
  readonly series: readonly Series[];
}

const WIDTH = 800;
const HEIGHT = 450;
const PLOT = { left: 72, right: 690, top: 98, bottom: 396 } as const;
/** Blue and vermilion, which the colour-blind tell apart too, then green and purple. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#b565a7'];
const MOST_POINTS = 240;

/**
 * Round numbers that cover a range: 1, 2 or 5 times a power of ten apart.
 *
 * @param most - How many steps between them at most.
 */
export const ticks = (from: number, to: number, most: number): readonly number[] => {
  const range = to - from || Math.abs(to) || 1;
  const rough = range / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9))!;
  const first = Math.floor(from / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(to / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
};

/** Text as XML holds it. */
export const escapeText = (text: string): string =>
  [...text]
    // XML has no place for control characters.
    .filter((character) => character >= ' ')
    .join('')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const digits = (values: readonly number[]): number =>
  Math.max(...values.map((value) => String(value).split('.')[1]?.length ?? 0));

const grouped = (value: number, places: number): string =>
  Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential().replace('e+', 'e')
    : value.toFixed(places).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ' ');

/** Points with neighbours averaged, so that there are not more than can be told apart. */
const thinned = (points: Series['points']): Series['points'] => {
  const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const size = Math.ceil(finite.length / MOST_POINTS);
  if (size <= 1) return finite;
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return Array.from({ length: Math.ceil(finite.length / size) }, (_, i) => {
    const group = finite.slice(i * size, (i + 1) * size);
    return [mean(group.map(([x]) => x)), mean(group.map(([, y]) => y))];
  });
};

/** Places for labels: each as near to its own as it gets without lying over another. */
const apart = (wanted: readonly number[], height: number): readonly number[] => {
  const order = wanted.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y);
  for (let i = 1; i < order.length; i++) order[i]!.y = Math.max(order[i]!.y, order[i - 1]!.y + height);
  const over = (order.at(-1)?.y ?? 0) - PLOT.bottom;
  if (over > 0) for (const place of order) place.y -= over;
  return wanted.map((_, i) => order.find((place) => place.i === i)!.y);
};

/**
 * A chart of losses over steps as SVG: one line a series, named at its end.
 *
 * @throws {RangeError} If no series has a point.
 */
export const lossCurve = ({ title, subtitle, series }: LossCurve): string => {
  const lines = series
    .map(({ name, points }, i) => ({ name, colour: COLOURS[i % COLOURS.length]!, points: thinned(points) }))
    .filter(({ points }) => points.length > 0);
  const all = lines.flatMap(({ points }) => points);
  if (all.length === 0) throw new RangeError('lossCurve: expected at least one finite loss, got none');
  const extent = (at: 0 | 1): readonly [number, number] => [
    all.reduce((least, point) => Math.min(least, point[at]), Number.POSITIVE_INFINITY),
    all.reduce((most, point) => Math.max(most, point[at]), Number.NEGATIVE_INFINITY),
  ];
  const xTicks = ticks(0, extent(0)[1], 8).filter(Number.isInteger);
  const [least, most] = extent(1);
  const room = 0.06 * (most - least || Math.abs(most) || 1);
  const yTicks = ticks(least >= 0 ? Math.max(0, least - room) : least - room, most + room, 6);
  const scale = (values: readonly number[], from: number, to: number) => {
    const [low, high] = [values[0]!, values.at(-1)!];
    return (value: number): number => from + ((value - low) / (high - low)) * (to - from);
  };
  // The last step, not the tick after it, lies at the right edge.
  const x = scale([0, Math.max(1, extent(0)[1])], PLOT.left, PLOT.right);
  const y = scale(yTicks, PLOT.bottom, PLOT.top);
  const px = (value: number): string => String(Number(value.toFixed(1)));
  const places = digits(yTicks);

  const grid = yTicks.map(
    (value, i) =>
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${px(y(value))}" y2="${px(y(value))}" stroke="${i === 0 ? '#8a9099' : '#e6e8eb'}"/>` +
      `<text class="tick" x="${PLOT.left - 10}" y="${px(y(value) + 4)}" text-anchor="end">${grouped(value, places)}</text>`,
  );
  const stops = xTicks
    .filter((value) => value <= extent(0)[1])
    .map(
      (value) =>
        `<line x1="${px(x(value))}" x2="${px(x(value))}" y1="${PLOT.bottom}" y2="${PLOT.bottom + 5}" stroke="#8a9099"/>` +
        `<text class="tick" x="${px(x(value))}" y="${PLOT.bottom + 20}" text-anchor="middle">${grouped(value, 0)}</text>`,
    );
  // A line of one point has no length: it is a ring.
  const paths = lines.map(
    ({ name, colour, points }) =>
      `<path d="${points.map(([at, value], i) => `${i === 0 ? 'M' : 'L'}${px(x(at))} ${px(y(value))}`).join('')}${points.length === 1 ? 'm-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0' : ''}" stroke="${colour}"><title>${escapeText(name)}</title></path>`,
  );
  const ends = apart(
    lines.map(({ points }) => y(points.at(-1)![1])),
    34,
  );
  const labels = lines.map(({ name, colour, points }, i) => {
    const value = points.at(-1)![1];
    return (
      `<text x="${PLOT.right + 12}" y="${px(ends[i]!)}" fill="${colour}" font-weight="600">${escapeText(name)}</text>` +
      `<text class="tick" x="${PLOT.right + 12}" y="${px(ends[i]! + 15)}">${Number(value.toPrecision(4))}</text>`
    );
  });

  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" font-size="13" role="img">
<title>${escapeText(title)}</title>
<style>.tick { fill: #5c636d; font-size: 12px }</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${PLOT.left}" y="36" font-size="18" font-weight="600" fill="#1c2026">${escapeText(title)}</text>
<text class="tick" x="${PLOT.left}" y="57">${escapeText(subtitle)}</text>
<g>
${grid.join('\n')}
${stops.join('\n')}
</g>
<text class="tick" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 42}" text-anchor="middle">steps</text>
<text class="tick" x="${PLOT.left - 10}" y="${PLOT.top - 18}" text-anchor="end">loss</text>
<g fill="none" stroke-width="2" stroke-linejoin="round" stroke-linecap="round">
${paths.join('\n')}
</g>
${labels.join('\n')}
</svg>
`;
};
