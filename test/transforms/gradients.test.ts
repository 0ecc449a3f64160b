import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { argmax } from '../../src/ops/argmax.ts';
import { cast } from '../../src/ops/cast.ts';
import { tensor } from '../../src/ops/constant.ts';
import { cumsum } from '../../src/ops/cumsum.ts';
import { applyElementwise, defineElementwise, floats } from '../../src/ops/elementwise.ts';
import { exp } from '../../src/ops/exp.ts';
import { identity } from '../../src/ops/identity.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { reshape } from '../../src/ops/reshape.ts';
import { sigmoid } from '../../src/ops/sigmoid.ts';
import { sin } from '../../src/ops/sin.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { logSoftmax, softmax } from '../../src/ops/softmax.ts';
import { square } from '../../src/ops/square.ts';
import { stopGradient } from '../../src/ops/stopGradient.ts';
import { subtract } from '../../src/ops/subtract.ts';
import { sum } from '../../src/ops/sum.ts';
import { take } from '../../src/ops/take.ts';
import { takeAlongAxis } from '../../src/ops/takeAlongAxis.ts';
import { tanh } from '../../src/ops/tanh.ts';
import { transpose } from '../../src/ops/transpose.ts';
import { interpret } from '../../src/runtime/reference/evaluate.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { type Tensor, topological } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { drawn, drawnIntegers, referenceValues } from '../support/draw.ts';
import { expectGradients } from '../support/gradient.ts';

/** Values in double precision. */
const doubles = (x: Tensor): readonly number[] => [...interpret([x])[0]!.data];

const expectNear = (actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries())
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected[i]!)));
};

type Function = (x: Tensor) => Tensor;

/** Smooth functions that keep the shape `[3, 4]`, put together at random; parts of them are used more than once. */
const functions: fc.Arbitrary<Function> = fc.letrec<{ function: Function }>((tie) => ({
  function: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Function>(
      (x) => x,
      tanh,
      sin,
      sigmoid,
      softmax,
      cumsum,
      (x) => exp(multiply(0.3, x)),
      (x) => matmul(x, drawn([4, 4])),
      (x) => transpose(reshape(x, [4, 3])),
    ),
    fc.tuple(tie('function'), tie('function')).map(
      ([f, g]): Function =>
        (x) =>
          f(g(x)),
    ),
    fc.tuple(tie('function'), tie('function')).map(
      ([f, g]): Function =>
        (x) => {
          const shared = f(x);
          return add(multiply(shared, g(x)), multiply(0.5, shared));
        },
    ),
  ),
})).function;

const inputs = fc.nat(1000).map((seed) => drawn([3, 4], { seed }));
const scalar = (f: Function, x: Tensor): Tensor => sum(multiply(f(x), drawn([3, 4], { seed: 5 })));
const gradient = (f: Function, x: Tensor): Tensor => gradients(scalar(f, x), [x])[0]!;

describe('gradients: laws', () => {
  it('agree with central differences on functions put together at random', () =>
    fc.assert(
      fc.asyncProperty(functions, inputs, (f, x) =>
        expectGradients((y) => f(y!), [x], { device: false, most: 6, tolerance: { atol: 1e-5, rtol: 1e-5 } }),
      ),
      { numRuns: 40 },
    ));

  it('of a sum are the sum of the gradients', () =>
    fc.assert(
      fc.property(functions, functions, inputs, (f, g, x) => {
        const [whole] = gradients(add(scalar(f, x), scalar(g, x)), [x]);
        expectNear(doubles(whole!), doubles(add(gradient(f, x), gradient(g, x))));
      }),
    ));

  it('are linear in y', () =>
    fc.assert(
      fc.property(functions, inputs, fc.double({ min: -3, max: 3, noNaN: true }), (f, x, factor) => {
        const [scaled] = gradients(multiply(factor, scalar(f, x)), [x]);
        expectNear(doubles(scaled!), doubles(multiply(factor, gradient(f, x))));
      }),
    ));

  it('follow the chain rule: those by a value on the way lead to those by x', () =>
    fc.assert(
      fc.property(functions, functions, inputs, (f, g, x) => {
        const z = identity(g(x));
        const [dx, dz] = gradients(scalar(f, z), [x, z]);
        expectNear(doubles(gradients(sum(multiply(g(x), stopGradient(dz!))), [x])[0]!), doubles(dx!));
      }),
    ));

  it.each<[string, Function, (dz: Tensor) => Tensor]>([
    ['reshape', (x) => reshape(x, [2, 6]), (dz) => reshape(dz, [3, 4])],
    ['transpose', (x) => transpose(x), (dz) => transpose(dz)],
    ['identity', identity, (dz) => dz],
  ])('commute with %s', (_, view, back) =>
    fc.assert(
      fc.property(functions, inputs, (f, x) => {
        const z = view(x);
        const [dx, dz] = gradients(
          scalar((y) => f(reshape(y, [3, 4])), z),
          [x, z],
        );
        expect(doubles(dx!)).toEqual(doubles(back(dz!)));
      }),
    ),
  );

  it('do not flow through stopGradient', () =>
    fc.assert(
      fc.property(functions, functions, inputs, (f, g, x) => {
        const y = (cut: Function): Tensor => sum(multiply(f(x), cut(g(x))));
        const [dx] = gradients(y(stopGradient), [x], { unconnected: 'zeros' });
        const [fixed] = gradients(
          y(() => tensor(new Float32Array(doubles(g(x))), { shape: [3, 4] })),
          [x],
          { unconnected: 'zeros' },
        );
        expectNear(doubles(dx!), doubles(fixed!), 1e-5);
      }),
    ));

  it('agree on WebGPU', async () => {
    for (const f of fc.sample(functions, { numRuns: 4, seed: 3 }))
      await expectAgrees(gradient(f, drawn([3, 4])), { atol: 1e-5, rtol: 1e-4 });
  });

  it('are bit-equal on two runs', async () => {
    const device = await testDevice();
    const table = drawn([7, 4]);
    const dtable = () => {
      const rows = take(table, drawnIntegers([3, 40], 0, 7));
      return gradients(sum(square(softmax(rows))), [table])[0]!;
    };
    const [a] = await evaluate(device, [dtable()]);
    const [b] = await evaluate(device, [dtable()]);
    expect(a!.data).toEqual(b!.data);
  });
});

describe('gradients: cases', () => {
  const x = tensor([1, 2, 3]);

  it('count a value once for each use', () => {
    const z = exp(x);
    const [dz, dx] = gradients(sum(multiply(z, z)), [z, x]);
    expectNear(doubles(dz!), doubles(multiply(2, z)));
    expectNear(doubles(dx!), doubles(multiply(2, multiply(z, z))));
  });

  it('give every x its own, in order, one that is named twice too', () => {
    const w = tensor([4, 5, 6]);
    const all = gradients(sum(multiply(x, w)), [w, x, w]);
    expect(all.map(referenceValues)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [1, 2, 3],
    ]);
  });

  it('of a scalar by itself are 1', () => {
    const y = sum(x);
    expect(referenceValues(gradients(y, [y])[0]!)).toEqual([1]);
  });

  it('are float32 and of the shape of x, whatever x is stored as', () => {
    const half = tensor([1, 2, 3], { dtype: 'bfloat16' });
    const [dx] = gradients(sum(multiply(half, 3)), [half]);
    expect([dx!.dtype, dx!.shape]).toEqual(['float32', [3]]);
    expect(referenceValues(dx!)).toEqual([3, 3, 3]);
  });

  it('sum over what was broadcast', () => {
    const b = tensor([[1], [2]]);
    const [dx, db] = gradients(sum(multiply(x, b)), [x, b]);
    expect(referenceValues(dx!)).toEqual([3, 3, 3]);
    expect(db!.shape).toEqual([2, 1]);
    expect(referenceValues(db!)).toEqual([6, 6]);
  });

  it('of a table that embeds and unembeds scatter into what the product gives, without a table of zeros', async () => {
    const table = drawn([7, 4]);
    const ids = drawnIntegers([5], 0, 7);
    const h = tanh(take(table, ids));
    const y = sum(square(matmul(h, transpose(table))));
    const [dx] = gradients(y, [table]);
    expect(topological([dx!]).filter(({ op }) => op.name === 'scatterAdd')).toEqual([dx]);
    await expectGradients((t) => sum(square(matmul(tanh(take(t!, ids)), transpose(t!)))), [table]);
  });

  it('walk a chain of 50,000 nodes', () => {
    let y = x;
    for (let i = 0; i < 25_000; i++) y = add(multiply(y, 1), i % 2);
    const [dx] = gradients(sum(y), [x]);
    expect(referenceValues(dx!)).toEqual([1, 1, 1]);
  });

  it('grow with the expression, not with its paths', () => {
    let y = x;
    for (let i = 0; i < 40; i++) y = add(y, y);
    const [dx] = gradients(sum(y), [x]);
    expect(topological([dx!]).length).toBeLessThan(200);
    expect(referenceValues(dx!)).toEqual([2 ** 40, 2 ** 40, 2 ** 40]);
  });

  it('give zeros, when asked, for what y does not depend on', () => {
    const other = tensor([[1], [2]]);
    const [dx, dother] = gradients(sum(x), [x, other], { unconnected: 'zeros' });
    expect(referenceValues(dx!)).toEqual([1, 1, 1]);
    expect([dother!.shape, referenceValues(dother!)]).toEqual([
      [2, 1],
      [0, 0],
    ]);
  });
});

describe('gradients: again', () => {
  it('of a quadratic form are its matrix', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(99), (n, seed) => {
        const a = drawn([n, n], { seed });
        const x = drawn([n], { seed: seed + 1 });
        const [dx] = gradients(multiply(0.5, sum(multiply(x, matmul(a, x)))), [x]);
        const rows = Array.from({ length: n }, (_, i) => gradients(sum(sliceAxis(dx!, 0, i, i + 1)), [x])[0]!);
        expectNear(rows.flatMap(doubles), doubles(multiply(0.5, add(a, transpose(a)))));
      }),
    ));

  it('of softmax cross-entropy times a vector are central differences of its gradients', async () => {
    const logits = drawn([3, 5], { low: -3, high: 3 });
    const targets = drawnIntegers([3, 1], 0, 5, 2);
    const v = drawn([3, 5], { seed: 9 });
    const [dx] = gradients(multiply(-1, sum(takeAlongAxis(logSoftmax(logits), targets))), [logits]);
    const [product] = gradients(sum(multiply(dx!, v)), [logits]);
    const step = 1e-4;
    const at = (by: number): readonly number[] => {
      const data = Float64Array.from(doubles(logits), (value, i) => value + by * doubles(v)[i]!);
      return [...interpret([dx!], new Map([[logits, { data, shape: logits.shape, dtype: logits.dtype }]]))[0]!.data];
    };
    const [ahead, behind] = [at(step), at(-step)];
    expectNear(
      doubles(product!),
      ahead.map((value, i) => (value - behind[i]!) / (2 * step)),
    );
    await expectAgrees(product!, { atol: 1e-5, rtol: 1e-4 });
  });

  it('agree with central differences of gradients on functions put together at random', () =>
    fc.assert(
      fc.asyncProperty(functions, inputs, (f, x) =>
        expectGradients(
          (y) => {
            const [dy] = gradients(sum(square(f(y!))), [y!]);
            return dy!;
          },
          [x],
          // A second derivative of a chain of four functions reaches hundreds.
          { device: false, most: 3, tolerance: { atol: 1e-4, rtol: 1e-4 } },
        ),
      ),
      { numRuns: 15 },
    ));

  it('of tanh are what calculus says, three times over', () => {
    const x = tensor([-0.7, 0.1, 1.3]);
    const derivative = (y: Tensor): Tensor => gradients(sum(y), [x])[0]!;
    const t = [-0.7, 0.1, 1.3].map(Math.fround).map(Math.tanh);
    const first = derivative(tanh(x));
    const second = derivative(first);
    const third = derivative(second);
    expectNear(
      doubles(first),
      t.map((y) => 1 - y * y),
    );
    expectNear(
      doubles(second),
      t.map((y) => -2 * y * (1 - y * y)),
    );
    expectNear(
      doubles(third),
      t.map((y) => (1 - y * y) * (6 * y * y - 2)),
    );
  });
});

describe('gradients: mistakes', () => {
  const x = tensor([1, 2, 3]);

  it('say what y must be', () => {
    expect(() => gradients(multiply(x, 2), [x])).toThrow(
      'gradients: expected a scalar y, got multiply float32 [3]; reduce it first, with sum or mean',
    );
    const count = sum(cast(x, 'int32'));
    expect(() => gradients(count, [x])).toThrow('gradients: expected a float y, got reshape int32 []');
  });

  it('say which x is not float', () =>
    expect(() => gradients(sum(x), [x, argmax(x)])).toThrow(
      'gradients: expected float xs, got argmax int32 [] at 1; whole numbers have no derivative',
    ));

  it('say which x y does not depend on', () => {
    const message = (what: string) =>
      `gradients: expected y to depend on every x, got ${what}, which it does not depend on (or only through stopGradient); pass unconnected: 'zeros' for zeros`;
    expect(() => gradients(sum(x), [x, subtract(x, 1)])).toThrow(message('subtract float32 [3] at 1'));
    expect(() => gradients(sum(stopGradient(x)), [x])).toThrow(message('constant float32 [3] at 0'));
    expect(() => gradients(cast(argmax(x), 'float32'), [x])).toThrow(message('constant float32 [3] at 0'));
  });

  it('say which op has no gradient, unless nobody needs it', () => {
    const opaque = defineElementwise({ name: 'opaque', dtype: floats, value: (a) => a, wgsl: ([a]) => a! });
    const y = sum(multiply(x, applyElementwise(opaque, exp(x))));
    expect(() => gradients(y, [x])).toThrow(
      'gradients: expected a path of ops that have gradients from xs to y, got opaque float32 [3]; put stopGradient before it',
    );
    const w = tensor([1, 1, 1]);
    expect(gradients(sum(multiply(w, applyElementwise(opaque, x))), [w])).toHaveLength(1);
  });
});
