import { inVectors } from '../../ops/attentionKernels.ts';
import type { KernelTraits, Layout } from '../../tensor/kernel.ts';
import type { PlanBinding, Step } from './planForm.ts';
import { bound, constantOf, isFile, joinLater, updatesOf, walkedAs } from './steps.ts';

/** Storage buffers that the shader binds. */
const BUFFERS = 10;
/** Elements in what it loads at once. */
const VECTOR = 4;

/** Whether two walks over a shape meet the same elements. */
const agrees = ({ shape, strides }: Layout, others: readonly number[]): boolean =>
  shape.every((size, axis) => size === 1 || strides[axis] === others[axis]);

/**
 * The launch that does a pair of updates and the attention to what they wrote, if the updated place is that of the one query's
 * last key.
 */
const join = (pair: Step, attention: Step): Step | undefined => {
  const { kernel, uniforms: u } = attention;
  if (kernel.kind !== 'file') return undefined;
  const [position, start] = [bound(attention, 'position'), bound(pair, 'start')];
  const isLast =
    u.queries === 1 &&
    constantOf(attention, 'CAUSAL') === 1 &&
    constantOf(attention, 'POSITION') === 1 &&
    constantOf(pair, 'DYNAMIC') === 1 &&
    position.buffer === start.buffer &&
    position.start === start.start &&
    pair.uniforms.limit === u.keys! - 1;
  if (!isLast || u.firstBatch !== 0) return undefined;

  const heads = u.kvHeads!;
  const batch = u.workgroups! / (u.tiles! * u.chunks! * heads);
  /** The update of keys or values, if it is all of those that the attention reads. */
  const updateOf = (name: 'key' | 'value') => {
    const read = bound(attention, name);
    const found = updatesOf(pair).find(({ x }) => x.buffer === read.buffer);
    if (found === undefined) return undefined;
    const shape = [batch, heads, (name === 'key' ? u.dim! : u.valueDim!) * VECTOR];
    const [from, to] = [walkedAs(found.from, shape), walkedAs(found.to, shape)];
    const cached = [u[`${name}Batch`]! * VECTOR, u[`${name}Head`]! * VECTOR, 1];
    const isWhole =
      [read.start, found.x.start, u[`${name}Offset`], to?.offset].every((offset) => offset === 0) &&
      found.x.size >= read.size &&
      pair.uniforms.step === u[`${name}Row`]! * VECTOR;
    return isWhole && from !== undefined && inVectors({ ...from, dtype: 'float32' }) && agrees(to!, cached)
      ? { ...found, from }
      : undefined;
  };
  const [key, value] = [updateOf('key'), updateOf('value')];
  if (key === undefined || value === undefined || key.x.buffer === value.x.buffer) return undefined;
  // A device does not bind one buffer for writing and for reading at once.
  const written = [key.x.buffer, value.x.buffer];
  if (['query', 'y'].some((name) => written.includes(bound(attention, name).buffer))) return undefined;

  const fresh = (name: 'freshKey' | 'freshValue', { strides, offset }: Layout) => ({
    [`${name}Offset`]: offset / VECTOR,
    [`${name}Batch`]: Math.floor(strides[0]! / VECTOR),
    [`${name}Head`]: Math.floor(strides[1]! / VECTOR),
  });
  const { tiles: _tiles, firstBatch: _first, queries: _queries, queryRow: _row, ...uniforms } = u;
  const { CAUSAL: _causal, POSITION: _position, ...constants } = kernel.constants;
  // What is absent was bound to the keys, which are written now.
  const optional = (name: string): PlanBinding =>
    written.includes(bound(attention, name).buffer) ? { ...position, name } : bound(attention, name);
  return {
    ...attention,
    kernel: { ...kernel, shader: 'attentionDecodeUpdate', constants },
    uniforms: { ...uniforms, ...fresh('freshKey', key.from), ...fresh('freshValue', value.from), each: 2 },
    bindings: [
      bound(attention, 'query'),
      { ...key.update, name: 'freshKey' },
      { ...value.update, name: 'freshValue' },
      position,
      ...['keyMask', 'slopes', 'keyPositions'].map(optional),
      { ...key.x, name: 'key' },
      { ...value.x, name: 'value' },
      bound(attention, 'y'),
    ],
  };
};

/**
 * Steps in which attention of one new token writes the key and the value of that token into the cache by itself, where the kernel
 * is the one for subgroups.
 */
export const writeInAttention = (
  steps: readonly Step[],
  { maxStorageBuffers }: Pick<KernelTraits, 'maxStorageBuffers'>,
): readonly Step[] =>
  maxStorageBuffers < BUFFERS
    ? steps
    : joinLater(
        steps,
        (step) => isFile(step, 'sliceUpdatePair'),
        (pair, step) => (isFile(step, 'attentionDecode') ? join(pair, step) : undefined),
      );
