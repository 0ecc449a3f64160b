import { inVectors } from '../../ops/attentionKernels.ts';
import { reshapeLayout } from '../../ops/reshape.ts';
import type { KernelTraits, Layout, Operand } from '../../tensor/kernel.ts';
import { count } from '../../tensor/shape.ts';
import type { PlanBinding, Step } from './plan.ts';

/** Storage buffers that the shader binds. */
const BUFFERS = 10;
/** Elements in what it loads at once. */
const VECTOR = 4;

const bound = ({ bindings }: Step, name: string): PlanBinding => bindings.find((binding) => binding.name === name)!;

const isFile = ({ kernel }: Step, shader: string): boolean => kernel.kind === 'file' && kernel.shader === shader;

const constant = ({ kernel }: Step, name: string): number =>
  kernel.kind === 'file' ? (kernel.constants[name] ?? 0) : 0;

/** How a pair of updates walks through what it reads or writes, seen in the shape `[batch, heads, dim]`. */
const walked = ({ uniforms }: Step, name: 'from' | 'otherFrom' | 'to', shape: Layout['shape']): Layout | undefined => {
  const [size1, size2, size3] = [uniforms.size1!, uniforms.size2!, uniforms.size3!];
  const layout = {
    shape: [uniforms.count! / size1 / size2 / size3, size1, size2, size3],
    strides: [0, 1, 2, 3].map((axis) => uniforms[`${name}${axis}`] ?? 1),
    offset: name === 'to' ? uniforms.base! : uniforms[name === 'from' ? 'offset' : 'otherOffset']!,
  };
  return uniforms.count === count(shape) ? reshapeLayout(layout, { to: shape }, shape) : undefined;
};

/** Whether two walks over a shape meet the same elements. */
const agrees = ({ shape }: Layout, strides: readonly number[], others: readonly number[]): boolean =>
  shape.every((size, axis) => size === 1 || strides[axis] === others[axis]);

/**
 * The launch that does a pair of updates and the attention to what they wrote, if the updated place is the one key that the
 * queries see last.
 */
const join = (pair: Step, attention: Step): Step | undefined => {
  const u = attention.uniforms;
  const p = pair.uniforms;
  const [key, value] = [bound(attention, 'key'), bound(attention, 'value')];
  const [x, other] = [bound(pair, 'x'), bound(pair, 'otherX')];
  const isTurned = key.buffer === other.buffer;
  const [keyTo, valueTo] = isTurned ? [other, x] : [x, other];
  const [position, start] = [bound(attention, 'position'), bound(pair, 'start')];
  const isNext =
    u.queries === 1 &&
    constant(attention, 'CAUSAL') === 1 &&
    constant(attention, 'POSITION') === 1 &&
    constant(pair, 'DYNAMIC') === 1 &&
    position.buffer === start.buffer &&
    position.start === start.start &&
    p.limit === u.keys! - 1 &&
    p.step === u.keyRow! * VECTOR &&
    p.step === u.valueRow! * VECTOR;
  const isWhole =
    key.buffer === keyTo.buffer &&
    value.buffer === valueTo.buffer &&
    [key, value, keyTo, valueTo].every((binding) => binding.start === 0) &&
    keyTo.size >= key.size &&
    valueTo.size >= value.size &&
    u.firstBatch === 0 &&
    u.keyOffset === 0 &&
    u.valueOffset === 0 &&
    u.dim === u.valueDim;
  if (!isNext || !isWhole) return undefined;
  const heads = u.kvHeads!;
  const shape = [u.workgroups! / (u.tiles! * u.chunks! * heads), heads, u.dim! * VECTOR];
  const [first, second, to] = [
    walked(pair, 'from', shape),
    walked(pair, 'otherFrom', shape),
    walked(pair, 'to', shape),
  ];
  if (first === undefined || second === undefined || to?.offset !== 0) return undefined;
  const cached = (batch: number, head: number) => [batch * VECTOR, head * VECTOR, 1];
  if (!agrees(to, to.strides, cached(u.keyBatch!, u.keyHead!))) return undefined;
  if (!agrees(to, to.strides, cached(u.valueBatch!, u.valueHead!))) return undefined;
  const [freshKey, freshValue] = isTurned ? [second, first] : [first, second];
  if (![freshKey, freshValue].every((layout) => inVectors({ ...layout, dtype: 'float32' } satisfies Operand)))
    return undefined;
  const fresh = (name: 'freshKey' | 'freshValue', { strides, offset }: Layout) => ({
    [`${name}Offset`]: offset / VECTOR,
    [`${name}Batch`]: Math.floor(strides[0]! / VECTOR),
    [`${name}Head`]: Math.floor(strides[1]! / VECTOR),
  });
  const { tiles: _tiles, firstBatch: _first, queries: _queries, queryRow: _row, ...uniforms } = u;
  const { kernel } = attention;
  if (kernel.kind !== 'file') return undefined;
  const { CAUSAL: _causal, POSITION: _position, ...constants } = kernel.constants;
  const [keyFrom, valueFrom] = isTurned ? ['otherUpdate', 'update'] : ['update', 'otherUpdate'];
  // What is absent was bound to the keys, which are written now.
  const optional = (name: string): PlanBinding =>
    bound(attention, name).buffer === key.buffer ? { ...position, name } : bound(attention, name);
  // A device does not bind one buffer for writing and for reading at once.
  if (['query', 'y'].some((name) => [key.buffer, value.buffer].includes(bound(attention, name).buffer)))
    return undefined;
  return {
    ...attention,
    kernel: { ...kernel, shader: 'attentionDecodeUpdate', constants },
    uniforms: { ...uniforms, ...fresh('freshKey', freshKey), ...fresh('freshValue', freshValue) },
    bindings: [
      bound(attention, 'query'),
      { ...bound(pair, keyFrom!), name: 'freshKey' },
      { ...bound(pair, valueFrom!), name: 'freshValue' },
      position,
      ...['keyMask', 'slopes', 'keyPositions'].map(optional),
      { ...keyTo, name: 'key' },
      { ...valueTo, name: 'value' },
      bound(attention, 'y'),
    ],
  };
};

/**
 * Steps in which attention of one new token writes the key and the value of that token into the cache by itself, where the kernel
 * is one that shares no keys among workgroups. The pair of updates waits for the attention, where nothing between them touches
 * what it writes or writes what it reads.
 */
export const writeInAttention = (
  steps: readonly Step[],
  { maxStorageBuffers }: Pick<KernelTraits, 'maxStorageBuffers'>,
): readonly Step[] => {
  if (maxStorageBuffers < BUFFERS) return steps;
  const result: Step[] = [];
  /** The place in the result of a pair that waits for its attention. */
  let waiting: number | undefined;
  for (const step of steps) {
    const pair = waiting === undefined ? undefined : result[waiting];
    const joined = pair !== undefined && isFile(step, 'attentionDecode') ? join(pair, step) : undefined;
    if (joined !== undefined) {
      result.splice(waiting!, 1);
      result.push(joined);
      waiting = undefined;
      continue;
    }
    result.push(step);
    const own = pair?.bindings.map(({ buffer }) => buffer) ?? [];
    if (isFile(step, 'sliceUpdatePair')) waiting = result.length - 1;
    else if (step.bindings.some(({ buffer }) => own.includes(buffer))) waiting = undefined;
  }
  return result;
};
