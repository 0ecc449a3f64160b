import { expect } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { floats, type RecordedFloats } from '../support/fixtures.ts';

/** Both interpreters, by name. */
export const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** A tensor as the recording script writes it: floats, or whole numbers. */
export type RecordedTensor = RecordedFloats | { readonly shape: readonly number[]; readonly int32: readonly number[] };

/** A recorded tensor as a tensor. */
export const recorded = (array: RecordedTensor): Tensor =>
  'int32' in array
    ? tensor(Int32Array.from(array.int32), { shape: array.shape })
    : tensor(floats(array), { shape: array.shape });

/** Keras's names of options as ours: `beta_1` is `beta1`. */
export const camelCase = (options: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );

/** Fails unless all numbers are within a part of the largest expected one (at least of 1e-3). */
export const expectNear = (actual: ArrayLike<number>, expected: ArrayLike<number>, part: number, what = ''): void => {
  expect(actual.length, what).toBe(expected.length);
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i]! - expected[i]!) <= part * largest))
      expect.fail(`${what} element ${i}: expected ${expected[i]}, got ${actual[i]} (largest ${largest})`);
};
