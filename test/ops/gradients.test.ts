import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ops from '../../src/ops/index.ts';
import { count, type Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees } from '../support/agree.ts';
import { drawn, drawnIntegers, referenceValues, type Spread, uniformNumbers } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';

/** A function, and float leaves to differentiate it by. */
interface Case {
  readonly f: (...inputs: readonly Tensor[]) => Tensor;
  readonly inputs: readonly Tensor[];
}

/** Sizes of an axis: ones, primes, and one with divisors. */
const size = fc.constantFrom(1, 2, 3, 5, 6);
const seed = fc.nat(1000);
const shapeOf = (least: number, most: number): fc.Arbitrary<Shape> =>
  fc.array(size, { minLength: least, maxLength: most }).filter((shape) => count(shape) <= 60);

/** Numbers none of which lies within 0.01 of another, or of 0: kinks are where numbers meet. */
const spaced = (shape: Shape, seedOf: number, phase = 0.25): Tensor => {
  const order = [...uniformNumbers(count(shape), seedOf + 1).entries()].sort(([, a], [, b]) => a - b);
  const values = new Float32Array(order.length);
  for (const [rank, [i]] of order.entries()) values[i] = (rank - Math.floor(order.length / 2) + phase) * 0.07;
  return ops.tensor(values, { shape });
};

/** A shape that broadcasts to another: leading axes left out, others of size 1. */
const broadcasting = (shape: Shape): fc.Arbitrary<Shape> =>
  fc
    .record({ from: fc.nat(shape.length), ones: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }) })
    .map(({ from, ones }) => shape.slice(from).map((length, axis) => (ones[axis] === true ? 1 : length)));

const unary = (f: (x: Tensor) => Tensor, spread: Spread = { low: -2, high: 2 }): fc.Arbitrary<Case> =>
  fc.record({ shape: shapeOf(0, 3), seed }).map(({ shape, seed: n }) => ({
    f: (x) => f(x!),
    inputs: [drawn(shape, { ...spread, seed: n })],
  }));

const kinked = (f: (x: Tensor) => Tensor): fc.Arbitrary<Case> =>
  fc
    .record({ shape: shapeOf(0, 3), seed })
    .map(({ shape, seed: n }) => ({ f: (x) => f(x!), inputs: [spaced(shape, n)] }));

/** Both operands broadcast, one in the other's direction or each in its own. */
const binary = (
  f: (a: Tensor, b: Tensor) => Tensor,
  make: (shape: Shape, n: number, isSecond: boolean) => Tensor,
): fc.Arbitrary<Case> =>
  shapeOf(0, 3).chain((shape) =>
    fc.record({ a: broadcasting(shape), b: broadcasting(shape), seed }).map(({ a, b, seed: n }) => ({
      f: (x, y) => f(x!, y!),
      inputs: [make(a, n, false), make(b, n + 1, true)],
    })),
  );

const plain = (shape: Shape, n: number): Tensor => drawn(shape, { low: -2, high: 2, seed: n });
const positive = (shape: Shape, n: number): Tensor => drawn(shape, { low: 0.4, high: 2, seed: n });

/** A function of rows, `[..., columns]`. */
const rows = (f: (x: Tensor, n: number) => Tensor, make: (shape: Shape, n: number) => Tensor = plain) =>
  fc
    .record({ shape: shapeOf(1, 3), seed })
    .map(({ shape, seed: n }): Case => ({ f: (x) => f(x!, n), inputs: [make(shape, n)] }));

const reduction = (f: typeof ops.sum, make: (shape: Shape, n: number) => Tensor) =>
  fc
    .record({ shape: shapeOf(0, 3), seed, axes: fc.subarray([0, 1, 2]), keepDims: fc.boolean(), all: fc.boolean() })
    .map(({ shape, seed: n, axes, keepDims, all }): Case => {
      const axis = axes.filter((one) => one < shape.length);
      return { f: (x) => f(x!, all ? { keepDims } : { axis, keepDims }), inputs: [make(shape, n)] };
    });

/** A box within a shape: a start and a size an axis. */
const boxIn = (shape: Shape) =>
  fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { minLength: shape.length, maxLength: shape.length }).map((draws) => {
    const sizes = shape.map((length, axis) => 1 + (draws[axis]![0] % length));
    return { sizes, start: shape.map((length, axis) => draws[axis]![1] % (length - sizes[axis]! + 1)) };
  });

const box = shapeOf(0, 3).chain((shape) => fc.record({ shape: fc.constant(shape), box: boxIn(shape), seed }));
const int = (value: number): Tensor => ops.constant(value, { dtype: 'int32' });

const sequences = (n: number): readonly Tensor[] => [0, 1, 2].map((i) => drawn([1, 3, 2, 2], { seed: n + i }));

/** For every op with a float result: a function made of it, and inputs. */
const cases: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  absolute: kinked(ops.absolute),
  add: binary(ops.add, plain),
  attend: seed.map((n) => ({
    f: (pattern, value) => ops.attend(pattern!, value!),
    inputs: [drawn([1, 2, 3, 3], { seed: n }), drawn([1, 3, 2, 2], { seed: n + 1 })],
  })),
  attention: seed.map((n) => ({
    f: (query, key, value) => ops.attention(query!, key!, value!, { causal: true }),
    inputs: sequences(n),
  })),
  attentionPattern: seed.map((n) => ({
    f: (scores) => ops.attentionPattern(scores!, { causal: true }),
    inputs: [drawn([1, 2, 3, 3], { seed: n })],
  })),
  attentionScores: seed.map((n) => ({
    f: (query, key) => ops.attentionScores(query!, key!, { softCap: 3 }),
    inputs: sequences(n).slice(1),
  })),
  broadcastTo: shapeOf(0, 3).chain((shape) =>
    fc.record({ from: broadcasting(shape), seed }).map(({ from, seed: n }) => ({
      f: (x) => ops.broadcastTo(x!, shape),
      inputs: [plain(from, n)],
    })),
  ),
  cast: rows(
    (x) => ops.cast(ops.square(x), 'float32'),
    (shape, n) => drawn(shape, { seed: n, dtype: 'bfloat16' }),
  ),
  clip: kinked((x) => ops.clip(x, -0.28, 0.49)),
  concatenate: fc
    .record({ shape: shapeOf(1, 3), parts: fc.array(size, { minLength: 1, maxLength: 3 }), seed, at: fc.nat(2) })
    .map(({ shape, parts, seed: n, at }) => {
      const axis = at % shape.length;
      return {
        f: (...xs) => ops.concatenate(xs, { axis }),
        inputs: parts.map((part, i) =>
          plain(
            shape.map((length, a) => (a === axis ? part : length)),
            n + i,
          ),
        ),
      };
    }),
  cos: unary(ops.cos),
  cumsum: rows(ops.cumsum),
  divide: binary(ops.divide, positive),
  dynamicSlice: box.map(({ shape, box: { sizes, start }, seed: n }) => ({
    f: (x) => ops.dynamicSlice(x!, start.map(int), sizes),
    inputs: [plain(shape, n)],
  })),
  erf: unary(ops.erf),
  exp: unary(ops.exp),
  expandDims: rows((x) => ops.expandDims(x, -2)),
  floor: kinked((x) => ops.add(x, ops.floor(x))),
  gelu: unary(ops.gelu),
  geluApproximate: unary(ops.geluApproximate),
  identity: unary(ops.identity),
  layerNorm: fc.record({ columns: fc.constantFrom(2, 3, 5), seed }).map(({ columns, seed: n }) => ({
    f: (x, gamma, beta) => ops.layerNorm(x!, gamma, beta, { epsilon: 1e-2 }),
    inputs: [plain([2, 3, columns], n), plain([columns], n + 1), plain([columns], n + 2)],
  })),
  log: unary(ops.log, { low: 0.3, high: 3 }),
  logSoftmax: rows(ops.logSoftmax),
  matmul: fc
    .record({
      m: size,
      k: size,
      n: size,
      batch: fc.constantFrom<Shape>([], [2], [2, 1], [1, 2]),
      flat: fc.boolean(),
      seed,
    })
    .map(({ m, k, n, batch, flat, seed: s }) => ({
      f: (a, b) => ops.matmul(a!, b!),
      inputs: [plain([...batch, m, k], s), plain(flat ? [k, n] : [2, k, n], s + 1)],
    })),
  max: reduction(ops.max, spaced),
  maximum: binary(ops.maximum, (shape, n, isSecond) => spaced(shape, n, isSecond ? 0.6 : 0.25)),
  mean: reduction(ops.mean, plain),
  min: reduction(ops.min, spaced),
  minimum: binary(ops.minimum, (shape, n, isSecond) => spaced(shape, n, isSecond ? 0.6 : 0.25)),
  multiply: binary(ops.multiply, plain),
  negative: unary(ops.negative),
  pad: fc
    .record({ shape: shapeOf(0, 3), seed, by: fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }) })
    .map(({ shape, seed: n, by }) => ({
      f: (x) =>
        ops.pad(
          x!,
          shape.map((_, axis) => ({ before: by[axis]!, after: by[axis + 3]! })),
          { value: 3 },
        ),
      inputs: [plain(shape, n)],
    })),
  power: binary(ops.power, positive),
  relu: kinked(ops.relu),
  reshape: rows((x) => ops.reshape(x, [-1])),
  rmsNorm: fc.record({ columns: fc.constantFrom(2, 3, 5), seed }).map(({ columns, seed: n }) => ({
    f: (x, gamma) => ops.rmsNorm(x!, gamma, { epsilon: 1e-2 }),
    inputs: [plain([2, 3, columns], n), plain([columns], n + 1)],
  })),
  flip: rows((x, n) => ops.flip(x, { axis: n % x.shape.length })),
  roll: rows((x, n) => ops.roll(x, 1 + (n % 3), { axis: n % x.shape.length })),
  rsqrt: unary(ops.rsqrt, { low: 0.3, high: 3 }),
  scatterAdd: fc
    .record({ rest: shapeOf(0, 2), size, indices: shapeOf(0, 2), seed })
    .map(({ rest, size: length, indices, seed: n }) => ({
      f: (x, updates) => ops.scatterAdd(x!, drawnIntegers(indices, -1, length + 1, n), updates!),
      inputs: [plain([length, ...rest], n), plain([...indices, ...rest], n + 1)],
    })),
  sigmoid: unary(ops.sigmoid),
  sign: kinked((x) => ops.add(x, ops.sign(x))),
  silu: unary(ops.silu),
  sin: unary(ops.sin),
  slice: box.map(({ shape, box: { sizes, start }, seed: n }) => ({
    f: (x) => ops.slice(x!, start, sizes),
    inputs: [plain(shape, n)],
  })),
  sliceAxis: rows((x, n) => ops.sliceAxis(x, 0, n % x.shape[0]!)),
  sliceUpdate: fc.record({ box, dynamic: fc.boolean() }).map(
    ({
      box: {
        shape,
        box: { sizes, start },
        seed: n,
      },
      dynamic,
    }) => ({
      f: (x, update) => ops.sliceUpdate(x!, dynamic ? start.map((at) => int(at)) : start, update!),
      inputs: [plain(shape, n), plain(sizes, n + 1)],
    }),
  ),
  softmax: rows(ops.softmax),
  sparseCategoricalCrossentropy: rows((x, n) =>
    ops.sparseCategoricalCrossentropy(drawnIntegers(x.shape.slice(0, -1), 0, x.shape.at(-1)!, n), x),
  ),
  sqrt: unary(ops.sqrt, { low: 0.3, high: 3 }),
  square: unary(ops.square),
  squeeze: rows((x) => ops.squeeze(ops.expandDims(x, 0), { axis: 0 })),
  subtract: binary(ops.subtract, plain),
  sum: reduction(ops.sum, plain),
  sumTo: shapeOf(0, 3).chain((shape) =>
    fc.record({ to: broadcasting(shape), seed }).map(({ to, seed: n }) => ({
      f: (x) => ops.sumTo(x!, to),
      inputs: [plain(shape, n)],
    })),
  ),
  take: fc
    .record({
      rest: shapeOf(0, 2),
      size,
      indices: shapeOf(0, 2),
      seed,
      dtype: fc.constantFrom('float32', 'float16', 'bfloat16'),
    })
    .map(({ rest, size: length, indices, seed: n, dtype }) => ({
      f: (table) => ops.take(table!, drawnIntegers(indices, -1, length + 1, n)),
      inputs: [drawn([length, ...rest], { seed: n, dtype })],
    })),
  takeAlongAxis: fc
    .record({ shape: shapeOf(1, 3), k: size, seed, whole: fc.boolean() })
    .map(({ shape, k, seed: n, whole }) => ({
      f: (x) =>
        ops.takeAlongAxis(
          x!,
          drawnIntegers([...shape.slice(0, -1).map((length) => (whole ? length : 1)), k], -1, shape.at(-1)! + 1, n),
        ),
      inputs: [plain(shape, n)],
    })),
  tanh: unary(ops.tanh),
  topK: rows((x, n) => ops.topK(x, 1 + (n % x.shape.at(-1)!)).values, spaced),
  transpose: fc.record({ shape: shapeOf(0, 3), seed }).chain(({ shape, seed: n }) =>
    fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }).map((axes) => ({
      f: (x) => ops.transpose(x!, axes),
      inputs: [plain(shape, n)],
    })),
  ),
  where: shapeOf(0, 3).chain((shape) =>
    fc
      .record({ condition: broadcasting(shape), a: broadcasting(shape), b: broadcasting(shape), seed })
      .map(({ condition, a, b, seed: n }) => ({
        f: (x, y) => ops.where(ops.greater(drawn(condition, { seed: n }), 0), x!, y!),
        inputs: [plain(a, n + 1), plain(b, n + 2)],
      })),
  ),
};

/** Exports whose results no gradient flows into, and why. */
const without: Readonly<Record<string, string>> = {
  arange: 'int32',
  argmax: 'int32',
  bitsToUniform: 'of int32',
  categorical: 'int32',
  constant: 'a leaf',
  equal: 'bool',
  foldIn: 'int32',
  greater: 'bool',
  greaterEqual: 'bool',
  isFinite: 'bool',
  key: 'int32',
  less: 'bool',
  lessEqual: 'bool',
  logicalAnd: 'bool',
  logicalNot: 'bool',
  logicalOr: 'bool',
  maskedScore: 'a number',
  normal: 'of int32',
  notEqual: 'bool',
  oneHot: 'of int32',
  randomBits: 'int32',
  split: 'int32',
  stopGradient: 'stops it',
  tensor: 'a leaf',
  threefry: 'int32',
  topPMask: 'bool',
  uniform: 'of int32',
  zeros: 'a constant',
};

describe('gradients of ops', () => {
  it('cover every op', () => {
    expect([...Object.keys(cases), ...Object.keys(without)].sort()).toEqual(Object.keys(ops).sort());
  });

  it.each(Object.entries(cases))('%s: as central differences', (_, arbitrary) =>
    fc.assert(
      fc.asyncProperty(arbitrary, ({ f, inputs }) => expectGradients(f, inputs, { device: false, most: 24 })),
      { numRuns: 12 },
    ),
  );

  it.each(Object.entries(cases))('%s: on WebGPU', async (_, arbitrary) => {
    for (const { f, inputs } of fc.sample(arbitrary, { numRuns: 2, seed: 11 }))
      await expectGradients(f, inputs, { most: 1 });
  });
});

describe('gradients where there is a choice', () => {
  const of = (f: (x: Tensor) => Tensor, x: Tensor): readonly number[] =>
    referenceValues(gradients(ops.sum(f(x)), [x], { unconnected: 'zeros' })[0]!);
  const x = ops.tensor([-1, 0, 2, 2]);

  it('are 0 at the kinks of absolute and relu', () => {
    expect(of(ops.absolute, x)).toEqual([-1, 0, 1, 1]);
    expect(of(ops.relu, x)).toEqual([0, 0, 1, 1]);
  });

  it('go in equal shares to operands and elements that are equal', () => {
    expect(of((y) => ops.maximum(y, 0), x)).toEqual([0, 0.5, 1, 1]);
    expect(of((y) => ops.minimum(y, 2), x)).toEqual([1, 1, 0.5, 0.5]);
    expect(of((y) => ops.max(y), x)).toEqual([0, 0, 0.5, 0.5]);
    expect(of((y) => ops.min(y), x)).toEqual([1, 0, 0, 0]);
  });

  it('do not flow through steps: floor, sign, casts to whole numbers', () => {
    for (const step of [ops.floor, ops.sign, (y: Tensor) => ops.cast(ops.cast(y, 'int32'), 'float32')])
      expect(of(step, x)).toEqual([0, 0, 0, 0]);
  });

  it('flow through rounding as if there were none', () => {
    const y = (z: Tensor) => ops.multiply(ops.cast(ops.multiply(z, 1.001), 'bfloat16'), 2);
    expect(of(y, x)).toEqual([2.002, 2.002, 2.002, 2.002].map((value) => expect.closeTo(value, 6)));
  });

  it('have no NaN at the edge of power', () => {
    const exponent = ops.tensor([2, 1, 0, 3]);
    const base = ops.tensor([0, 0, 0, -2]);
    const all = gradients(ops.sum(ops.power(base, exponent)), [base, exponent]);
    expect(all.map(referenceValues)).toEqual([
      [0, 1, 0, 12],
      [0, 0, 0, expect.closeTo(0, 9)],
    ]);
  });

  it('of activations are finite far out, and agree on WebGPU', async () => {
    const far = ops.tensor([-3000, -100, -30, -10, 10, 30, 100, 3000]);
    const activations = [ops.gelu, ops.geluApproximate, ops.silu, ops.sigmoid, ops.tanh, ops.relu, ops.erf];
    const all = await expectAgrees(
      activations.map((f) => gradients(ops.sum(f(far)), [far])[0]!),
      { atol: 1e-6, rtol: 1e-5 },
    );
    for (const { data } of all) expect([...data].every(Number.isFinite)).toBe(true);
  });
});
