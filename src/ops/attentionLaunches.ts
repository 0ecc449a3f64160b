import type { Binding, KernelTraits, Launch, LaunchContext, Operand } from '../tensor/kernel.ts';
import { count } from '../tensor/shape.ts';
import { type Attention, inputPlaces, type OptionalInput } from './attentionAttributes.ts';
import { attentionClass, attentionKernels, type Choice } from './attentionKernels.ts';
import { chosen } from './choice.ts';
import { input, output, scratch } from './launch.ts';
import { cover, outerRuns, reach } from './ranges.ts';

/** Workgroups that keep a GPU busy. */
const BUSY = 1024;
/** The least keys that one workgroup gets, where those of a row are shared out; and the least of all that are. */
const LEAST_KEYS = 256;
const MANY_KEYS = 1024;

/**
 * How many workgroups share the keys of a row, and how many keys each gets: one gets all, unless rows are few and keys many.
 *
 * @param work - Workgroups without that.
 */
const sharesOf = (
  { shader }: Choice,
  keys: number,
  work: number,
  { isSoftware }: KernelTraits,
): { readonly shares: number; readonly span: number } => {
  if (shader !== 'attention' || isSoftware || keys < MANY_KEYS) return { shares: 1, span: keys };
  const wanted = Math.max(1, Math.min(Math.ceil(keys / LEAST_KEYS), Math.floor(BUSY / work)));
  const span = Math.ceil(keys / wanted / LEAST_KEYS) * LEAST_KEYS;
  return { shares: Math.ceil(keys / span), span };
};

/** Uniforms that say where an operand's elements are, in units of `vector`; vectors follow one another. */
export const steps = (name: string, inner: string, { strides }: Operand, offset: number, vector: 1 | 4) => ({
  [`${name}Offset`]: offset / vector,
  [`${name}Batch`]: Math.floor(strides[0]! / vector),
  [`${name}Row`]: Math.floor(strides[1]! / vector),
  [`${name}Head`]: Math.floor(strides[2]! / vector),
  ...(vector === 1 ? { [inner]: strides[3]! } : {}),
});

/** How the kernels of attention are launched. */
export const attentionLaunches = ({
  inputs,
  output: result,
  attributes,
  traits,
}: LaunchContext<Attention>): readonly Launch[] => {
  const [query, key, value] = inputs as readonly [Operand, Operand, Operand];
  const [, queries, heads, valueDim] = result.shape as readonly [number, number, number, number];
  const [, keys, kvHeads, dim] = key.shape as readonly [number, number, number, number];
  if (count(result.shape) === 0) return [];
  const group = heads / kvHeads;
  const places = inputPlaces(attributes);
  const { causal, softCap, window, emptyRows, scale } = attributes;
  const choice = chosen(
    attentionKernels([query, key, value], attributes.keyRows, traits),
    attentionClass(query.shape, key.shape, attributes),
    traits,
  );
  const tiles = Math.ceil((queries * group) / choice.rows);
  const { vector } = choice;
  const chunks = Math.ceil(valueDim / choice.columns);
  // Whole numbers beyond this make no difference, and would not fit an i32.
  const bounded = Math.min(window ?? 0, 2 ** 30);
  const masks = {
    CAUSAL: Number(causal),
    POSITION: Number(attributes.position),
    WINDOW: Number(window !== undefined),
    KEY_MASK: Number(attributes.keyMask),
  };
  const runs = outerRuns('attention', [query, key, value, result], traits);
  if (attributes.keyRows && runs.length > 1)
    throw new RangeError(
      `attention: expected keys and values that the device can bind at once with keyRows, got ${key.shape.join(' x ')}; leave keyRows out and gather them`,
    );
  return runs.flatMap((run, number) => {
    const at = (operand: Operand) => cover(reach(operand, run), traits);
    const [queryAt, keyAt, valueAt, outputAt] = [at(query), at(key), at(value), at(result)];
    const pairs = (run.end - run.start) * kvHeads;
    // What an option is absent for is bound to something that the shader does not read.
    const optional = (name: OptionalInput): Binding => {
      const place = places[name];
      return place === undefined ? input(1, keyAt.range) : input(place);
    };
    const { shares, span } = sharesOf(choice, keys, pairs * chunks * tiles, traits);
    const foundBytes = pairs * group * queries * shares * (valueDim + 2) * 4;
    const found = scratch(number, foundBytes);
    const isShared = shares > 1 && foundBytes <= traits.maxBindingBytes;
    const workgroups = pairs * chunks * tiles * (isShared ? shares : 1);
    const sizes = { firstBatch: run.start, queries, keys, kvHeads, group, valueDim, window: bounded };
    const main: Launch = {
      shader: choice.shader,
      constants: {
        ...choice.constants,
        ...masks,
        SLOPES: Number(attributes.slopes),
        PLACES: Number(attributes.keyPositions),
        ROUNDED: Number(attributes.slopesDtype === 'bfloat16'),
        SOFT_CAP: Number(softCap !== undefined),
        ...(choice.rows === 1 ? { KEY_ROWS: Number(attributes.keyRows) } : {}),
        ...(isShared ? { SHARED: 1 } : {}),
      },
      uniforms: {
        ...choice.uniforms,
        ...sizes,
        ...(choice.shader === 'attention' ? { shares: isShared ? shares : 1, span } : {}),
        workgroups,
        tiles,
        chunks,
        dim: dim / vector,
        valueDim: valueDim / vector,
        scale,
        softCap: softCap ?? 1,
        slopesScale: attributes.slopesScale,
        ...steps('query', 'queryDim', query, queryAt.offset, vector),
        ...steps('key', 'keyDim', key, keyAt.offset, vector),
        ...steps('value', 'valueColumn', value, valueAt.offset, vector),
        outputOffset: outputAt.offset / vector,
      },
      buffers: {
        query: input(0, queryAt.range),
        key: input(1, keyAt.range),
        value: input(2, valueAt.range),
        position: optional('position'),
        // Shaders have 8 bindings at most: a mask and rows share one.
        keyMask: optional(attributes.keyRows ? 'keyRows' : 'keyMask'),
        slopes: optional('slopes'),
        keyPositions: optional('keyPositions'),
        y: isShared ? found : output(outputAt.range),
      },
      workgroups,
    };
    const rows = (run.end - run.start) * queries;
    const merge: Launch = {
      shader: 'attentionMerge',
      constants: { CAUSAL: masks.CAUSAL, POSITION: masks.POSITION, WINDOW: masks.WINDOW },
      uniforms: {
        workgroups: rows * heads,
        queries,
        keys,
        heads,
        valueDim,
        window: bounded,
        shares,
        span,
        outputOffset: outputAt.offset,
      },
      buffers: { found, position: optional('position'), y: output(outputAt.range) },
      workgroups: rows * heads,
    };
    const whole = isShared ? [main, merge] : [main];
    if (emptyRows === 'zero' || attributes.keyRows || !(attributes.keyMask || window !== undefined)) return whole;
    const uniform: Launch = {
      shader: 'attentionEmptyRows',
      constants: masks,
      uniforms: {
        ...sizes,
        workgroups: rows,
        ...steps('value', 'valueColumn', value, valueAt.offset, 1),
        outputOffset: outputAt.offset,
      },
      buffers: {
        value: input(2, valueAt.range),
        position: optional('position'),
        keyMask: optional('keyMask'),
        y: output(outputAt.range),
      },
      workgroups: rows,
    };
    return [...whole, uniform];
  });
};
