import type { PlanBinding, Step } from './planForm.ts';

/** What a launch has to do, as far as its description says. */
export interface Cost {
  /** Additions and multiplications of products and of attention; undefined for other kernels. */
  readonly flops: number | undefined;
  /** Bytes that are read and written, each once; at most those of the ranges that are bound. */
  readonly bytes: number;
}

/** Kernels that look up few elements of what they bind: the variable, and the one that says how many. */
const lookups: Readonly<Record<string, { readonly among: readonly string[]; readonly as: string }>> = {
  take: { among: ['table'], as: 'y' },
  takeAlongAxis: { among: ['x'], as: 'y' },
  quantizedTake: { among: ['words', 'scales', 'zeros'], as: 'y' },
  sliceUpdate: { among: ['x'], as: 'update' },
  scatterAdd: { among: ['x'], as: 'updates' },
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Ranges that are bound, each once: what is absent is bound to something that is bound already. */
const ranges = (bindings: readonly PlanBinding[]): readonly PlanBinding[] =>
  bindings.filter(
    ({ buffer, start, size }, i) =>
      bindings.findIndex((other) => other.buffer === buffer && other.start === start && other.size === size) === i,
  );

type Numbers = Readonly<Record<string, number>>;

const product = (u: Numbers, constants: Numbers, bindings: readonly PlanBinding[]): Cost => {
  const { m = 0, k = 0, n: written = 0 } = u;
  // A gate's columns have as many for factors.
  const n = constants.GATED === 1 ? 2 * written : written;
  const batch = u.rowTiles === undefined ? 1 : u.workgroups! / (u.rowTiles * u.columnTiles!);
  const words = bindings.find(({ name }) => name === 'words');
  // Of whole numbers a part of the columns may be bound, in strips that may be wider than the matrix.
  const columns = words === undefined ? n : Math.min(n, (8 * words.size) / (constants.BITS! * k));
  const elements: Numbers = {
    a: 4 * batch * m * k,
    b: (constants.FORMAT === 1 || constants.FORMAT === 2 ? 2 : 4) * batch * k * n,
    zeros: constants.BITS === 8 ? 0 : Number.POSITIVE_INFINITY,
    bias: u.hasBias === 1 ? Number.POSITIVE_INFINITY : 0,
    residual: u.joins ? Number.POSITIVE_INFINITY : 0,
    gamma: u.gammaFormat === 3 ? 0 : Number.POSITIVE_INFINITY,
    beta: u.betaFormat === 3 ? 0 : Number.POSITIVE_INFINITY,
    // A sum that is continued is read before it is written.
    y: (u.continues === 1 ? 8 : 4) * batch * m * Math.min(columns, written),
  };
  return {
    flops: 2 * batch * m * k * columns,
    bytes: sum(bindings.map(({ name, size }) => Math.min(name === 'y' ? Infinity : size, elements[name] ?? size))),
  };
};

/** Products of queries and keys, and of weights and values; what a cache holds of its places is not known beforehand. */
const attentionFlops = (u: Numbers, constants: Numbers): number | undefined => {
  if (constants.POSITION === 1 || u.queries === undefined) return undefined;
  const { queries = 0, keys = 0, group = 1, dim = 0, valueDim = 0 } = u;
  const pairs = u.workgroups! / (u.tiles! * u.chunks! * (u.shares ?? 1));
  // Kernels for subgroups count in vectors.
  const vector = constants.SUBGROUP === undefined ? 1 : 4;
  const most = constants.WINDOW === 1 ? u.window! : keys;
  let seen = 0;
  for (let i = 0; i < queries; i++) seen += Math.min(keys, most, constants.CAUSAL === 1 ? i + 1 : keys);
  return 2 * pairs * group * seen * (dim + valueDim) * vector;
};

const isAttention = (shader: string): boolean => /^attention(?!.*(Gradient|EmptyRows|Merge))/.test(shader);

/** The work of a step of a plan. */
export const costOf = ({ kernel, uniforms, bindings }: Step): Cost => {
  const bytes = sum(ranges(bindings).map(({ size, picked = size }) => Math.min(size, picked)));
  if (kernel.kind === 'text') return { flops: undefined, bytes };
  const { shader, constants } = kernel;
  if ('m' in uniforms && 'k' in uniforms && 'n' in uniforms) return product(uniforms, constants, bindings);
  if (isAttention(shader)) return { flops: attentionFlops(uniforms, constants), bytes };
  const lookup = lookups[shader];
  if (lookup === undefined) return { flops: undefined, bytes };
  const rest = bindings.filter(({ name }) => !lookup.among.includes(name));
  const touched = bindings.find(({ name }) => name === lookup.as)?.size ?? 0;
  return { flops: undefined, bytes: Math.min(bytes, sum(rest.map(({ size }) => size)) + touched) };
};
