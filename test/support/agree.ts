import { expect } from 'vitest';
import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { WebGPU } from '../../src/runtime/webgpu/device.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import type { NDArray } from '../../src/tensor/ndarray.ts';
import { formatShape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { testDevice } from './device.ts';

/** How far two numbers may lie apart: `atol + rtol * |expected|`. */
export interface Tolerance {
  readonly atol?: number;
  readonly rtol?: number;
}

/** Fails unless two arrays are of one shape and dtype and their numbers as close as asked (default: equal). */
export const expectClose = (actual: NDArray, expected: NDArray, { atol = 0, rtol = 0 }: Tolerance = {}): void => {
  expect(`${actual.dtype} ${formatShape(actual.shape)}`).toBe(`${expected.dtype} ${formatShape(expected.shape)}`);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const a = actual.data[i]!;
    const e = expected.data[i]!;
    if (Object.is(a, e) || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const over = Math.abs(a - e) - (atol + rtol * Math.abs(e));
    if (!(over <= excess)) {
      worst = i;
      excess = Number.isNaN(over) ? Number.POSITIVE_INFINITY : over;
    }
  }
  if (worst !== -1)
    expect.fail(
      `element ${worst} of ${expected.data.length}: expected ${expected.data[worst]}, got ${actual.data[worst]} (atol ${atol}, rtol ${rtol})`,
    );
};

/** Fails unless WebGPU and the reference interpreter give the same values (within a tolerance) for expressions. */
export const expectAgrees = async (
  expressions: Tensor | readonly Tensor[],
  tolerance: Tolerance = {},
  device?: WebGPU,
): Promise<readonly NDArray[]> => {
  const outputs: readonly Tensor[] = 'op' in expressions ? [expressions] : expressions;
  const expected = evaluateReference(outputs);
  const actual = await evaluate(device ?? (await testDevice()), outputs);
  for (const [i, array] of actual.entries()) expectClose(array, expected[i]!, tolerance);
  return actual;
};
