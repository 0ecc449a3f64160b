import { describe, expect, it } from 'vitest';
import { rotary } from '../../src/layers/rotary.ts';
import { constant, tensor } from '../../src/ops/constant.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { sliceAxis } from '../../src/ops/slice.ts';
import { sum } from '../../src/ops/sum.ts';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees, expectClose } from '../support/agree.ts';
import { drawn, referenceValues } from '../support/draw.ts';

/** The formula, in double precision. */
const turned = (
  x: ArrayLike<number>,
  [batch, length, heads, dim]: readonly number[],
  base: number,
  position: number,
) => {
  const y = new Float64Array(x.length);
  const half = dim! / 2;
  for (let row = 0; row < batch! * length! * heads!; row++) {
    const place = position + (Math.floor(row / heads!) % length!);
    for (let j = 0; j < half; j++) {
      const angle = place * Math.fround(base ** (-j / half));
      const [a, b] = [x[row * dim! + j]!, x[row * dim! + half + j]!];
      y[row * dim! + j] = a * Math.cos(angle) - b * Math.sin(angle);
      y[row * dim! + half + j] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }
  return y;
};

const at = (position: number) => constant(position, { dtype: 'int32' });

describe('rotary', () => {
  it.each([
    { shape: [2, 5, 3, 8], base: 10000, position: 0 },
    { shape: [1, 3, 1, 2], base: 500, position: 7 },
    { shape: [1, 2, 2, 6], base: 10000, position: 8190 },
  ])('turns halves of heads by the formula: $shape from $position', async ({ shape, base, position }) => {
    const x = drawn(shape);
    const [, length, , headDim] = shape as [number, number, number, number];
    const y = rotary({ length, headDim, base, position: at(position) })(x);
    const expected = turned(referenceValues(x), shape, base, position);
    // Angles are float32 on the device, as they are in KerasHub: at place 8190 that is half of 2^-11.
    const atol = 2e-6 + position * 2 ** -23;
    const [values] = await expectAgrees(y, { atol });
    expectClose(values!, { data: Float32Array.from(expected), shape, dtype: 'float32' }, { atol });
  });

  it('starts at place 0 without a position', async () => {
    const x = drawn([1, 4, 2, 4]);
    const [a, b] = evaluateReference([
      rotary({ length: 4, headDim: 4 })(x),
      rotary({ length: 4, headDim: 4, position: at(0) })(x),
    ]);
    expect(a!.data).toEqual(b!.data);
  });

  it('makes products of queries and keys depend on their distance alone', () => {
    const query = drawn([1, 1, 1, 16]);
    const key = drawn([1, 1, 1, 16], { seed: 5 });
    const product = (i: number, j: number): number => {
      const turn = (x: typeof query, position: number) => rotary({ length: 1, headDim: 16, position: at(position) })(x);
      return referenceValues(sum(multiply(turn(query, i), turn(key, j))))[0]!;
    };
    expect(product(9, 4)).toBeCloseTo(product(5, 0), 5);
    expect(product(1000, 993)).toBeCloseTo(product(7, 0), 5);
  });

  it('has a gradient that turns back, so rows keep their length', async () => {
    const x = drawn([1, 3, 2, 6]);
    const y = rotary({ length: 3, headDim: 6 })(x);
    // d/dx of |y|^2 / 2 is x itself.
    const [dx] = gradients(multiply(sum(multiply(y, y)), 0.5), [x]);
    const [values] = await expectAgrees(dx!, { atol: 1e-5 });
    expectClose(
      values!,
      { data: Float32Array.from(referenceValues(x)), shape: x.shape, dtype: 'float32' },
      { atol: 1e-5 },
    );
  });

  it('gives a part of a text what it gives the whole', () => {
    const x = drawn([2, 6, 1, 4]);
    const whole = rotary({ length: 6, headDim: 4 })(x);
    const part = rotary({ length: 2, headDim: 4, position: at(3) })(sliceAxis(x, 1, 3, 5));
    const [a, b] = evaluateReference([sliceAxis(whole, 1, 3, 5), part]);
    expectClose(a!, b!, { atol: 1e-6 });
  });

  it('says what it expects', () => {
    expect(() => rotary({ length: 1, headDim: 3 })).toThrow('rotary: expected an even headDim, got 3');
    expect(() => rotary({ length: 1, headDim: 0 })).toThrow('rotary: expected an even headDim, got 0');
    expect(() => rotary({ length: 1, headDim: 2, base: 0 })).toThrow(
      'rotary: expected base to be a number above 0, got 0',
    );
    expect(() => rotary({ length: 2, headDim: 4 })(tensor(new Float32Array(8), { shape: [1, 1, 2, 4] }))).toThrow(
      'rotary: expected x of shape [batch, 2, heads, 4], got [1, 1, 2, 4]',
    );
  });
});
