import { expect } from 'vitest';
import { multiply } from '../../src/ops/multiply.ts';
import { sum } from '../../src/ops/sum.ts';
import { interpret } from '../../src/runtime/reference/evaluate.ts';
import { isFloat } from '../../src/tensor/dtype.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import { formatShape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectAgrees, type Tolerance } from './agree.ts';
import { drawn } from './draw.ts';

/** How `expectGradients` compares. */
export interface GradientCheck {
  /**
   * Of the central differences. The default, 1e-4, has an error of `step^2 f''' / 6`, some 1e-9, and loses no more than
   * `2^-53 / step`, 1e-12, to rounding, since all is computed in double precision.
   */
  readonly step?: number;
  /** Default: 2e-6 both. Numbers within gradients are float32, so each rounds by up to 6e-8, and a few of them multiply. */
  readonly tolerance?: Tolerance;
  /** How close WebGPU must come to the reference; false leaves it out. Default: 2e-5 and 2e-4. */
  readonly device?: Tolerance | false;
  /** Elements of each input that are moved, at most, spread over it. Default: 64. */
  readonly most?: number;
  /** What is done with the gradients' expressions on WebGPU. Default: `expectAgrees`. */
  readonly agrees?: (expressions: readonly Tensor[], tolerance: Tolerance) => Promise<unknown>;
}

const doubles = (x: Tensor): Float64Array => {
  const { data } = interpret([x])[0]!;
  return Float64Array.from(data);
};

const bound = (x: Tensor, data: Float64Array): NDArray => ({ data, shape: x.shape, dtype: x.dtype });

/**
 * Fails unless the gradient of `f` with respect to each input is what central differences give in double precision, and
 * WebGPU computes the same gradient. What is differentiated is the sum of `f`'s results times numbers drawn at random: a
 * cotangent in no special direction.
 *
 * @param inputs - Float leaves away from kinks of `f`, such as those of `drawn`.
 */
export const expectGradients = async (
  f: (...inputs: readonly Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { step = 1e-4, tolerance = { atol: 2e-6, rtol: 2e-6 }, device, most = 64, agrees = expectAgrees }: GradientCheck = {},
): Promise<void> => {
  const result = f(...inputs);
  const y = sum(multiply(result, drawn(result.shape, { low: 0.2, high: 1, seed: 77 })));
  const dxs = gradients(y, inputs, { unconnected: 'zeros' });
  const analytic = interpret(dxs);
  const start = new Map(inputs.map((x) => [x, bound(x, doubles(x))]));
  const { atol = 0, rtol = 0 } = tolerance;

  for (const [n, x] of inputs.entries()) {
    expect(isFloat(x.dtype)).toBe(true);
    expect(`${dxs[n]!.dtype} ${formatShape(dxs[n]!.shape)}`).toBe(`float32 ${formatShape(x.shape)}`);
    const values = start.get(x)!.data;
    const moved = (i: number, by: number): number => {
      const data = Float64Array.from(values);
      data[i]! += by;
      return interpret([y], new Map([...start, [x, bound(x, data)]]))[0]!.data[0]!;
    };
    for (let i = 0; i < values.length; i += Math.ceil(values.length / most)) {
      const numeric = (moved(i, step) - moved(i, -step)) / (2 * step);
      const own = analytic[n]!.data[i]!;
      if (!(Math.abs(own - numeric) <= atol + rtol * Math.abs(numeric)))
        expect.fail(
          `input ${n}, element ${i} of ${formatShape(x.shape)}: expected the gradient ${numeric} by central differences, got ${own} (atol ${atol}, rtol ${rtol})`,
        );
    }
  }
  if (device !== false) await agrees(dxs, device ?? { atol: 2e-5, rtol: 2e-4 });
};
