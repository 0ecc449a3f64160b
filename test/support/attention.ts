import fc from 'fast-check';
import type { AttentionOptions } from '../../src/ops/attention.ts';
import { tensor } from '../../src/ops/constant.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** Numbers from -2 to 2 that look random, the same for each seed. */
export const noise = (shape: Shape, seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: count(shape) }, (_, i) => {
      const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
      return (x - Math.floor(x)) * 4 - 2;
    }),
    { shape },
  );

/** Sizes and options of an attention. */
export interface DrawnAttention {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly dim: number;
  readonly valueDim: number;
  /** Sizes are rounded up to whole vectors of 4, which some kernels ask for. */
  readonly whole: boolean;
  readonly position: number;
  readonly kind: Kind;
}

/** Options that are drawn together: each combination is another pipeline, so they are few. */
interface Kind {
  readonly options: AttentionOptions;
  readonly mask: 'none' | 'some' | 'padding';
  readonly slopes: 'none' | 'indices' | 'places';
}

const kinds: readonly Kind[] = [
  { options: {}, mask: 'none', slopes: 'none' },
  { options: { causal: true }, mask: 'none', slopes: 'none' },
  { options: { causal: true, emptyRows: 'uniform' }, mask: 'padding', slopes: 'none' },
  { options: { causal: true, window: 5, emptyRows: 'uniform' }, mask: 'some', slopes: 'none' },
  { options: { causal: true, softCap: 3 }, mask: 'none', slopes: 'indices' },
  { options: { scale: 0.3 }, mask: 'some', slopes: 'places' },
];

const lengths = fc.constantFrom(1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 41, 67);
const sizes = fc.constantFrom(1, 2, 5, 8, 13, 16, 31, 32, 33, 64, 65, 80);

/** Draws sizes to either side of the kernels' tiles, and options. */
export const drawnAttention = fc.record<DrawnAttention>({
  batch: fc.integer({ min: 1, max: 2 }),
  queries: lengths,
  keys: lengths,
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  dim: sizes,
  valueDim: sizes,
  whole: fc.boolean(),
  position: fc.integer({ min: 0, max: 40 }),
  kind: fc.constantFrom(...kinds),
});

/** What `attention` is called with. */
export interface AttentionCase {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
  readonly options: AttentionOptions;
}

/** Numbers for a drawn case. */
export const attentionOf = ({
  batch,
  queries,
  keys,
  kvHeads,
  group,
  whole,
  position,
  kind,
  ...draw
}: DrawnAttention): AttentionCase => {
  const [dim, valueDim] = [draw.dim, draw.valueDim].map((size) => (whole ? Math.ceil(size / 4) * 4 : size)) as [
    number,
    number,
  ];
  const heads = kvHeads * group;
  const mask = (b: number, j: number) =>
    kind.mask === 'padding' ? j >= b * Math.floor(keys / 2) + 2 : (j * 7 + b) % 3 !== 0;
  const keyMask = tensor(
    Uint8Array.from({ length: batch * keys }, (_, i) => Number(mask(Math.floor(i / keys), i % keys))),
    { shape: [batch, keys] },
  );
  return {
    query: noise([batch, queries, heads, dim], 1),
    key: noise([batch, keys, kvHeads, dim], 2),
    value: noise([batch, keys, kvHeads, valueDim], 3),
    options: {
      ...kind.options,
      ...(kind.options.causal === true ? { position: tensor(position, { dtype: 'int32' }) } : {}),
      ...(kind.mask === 'none' ? {} : { keyMask }),
      ...(kind.slopes === 'none' ? {} : { slopes: noise([heads], 4) }),
      ...(kind.slopes === 'places' ? { keyPositions: noise([batch, keys], 5) } : {}),
    },
  };
};
