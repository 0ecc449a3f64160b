import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { cos } from '../../src/ops/cos.ts';
import { sin } from '../../src/ops/sin.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { testDevice } from '../support/device.ts';

/** The largest distance of a device's values from double precision's. */
const worst = async (f: typeof sin, exact: (x: number) => number, xs: Float32Array): Promise<number> => {
  const [y] = await evaluate(await testDevice(), [f(tensor(xs))]);
  return xs.reduce((most, x, i) => Math.max(most, Math.abs(y!.data[i]! - exact(x))), 0);
};

describe.each([
  ['sin', sin, Math.sin],
  ['cos', cos, Math.cos],
] as const)('%s', (_, f, exact) => {
  it('is as exact as float32 near zero, and at places far into a text', async () => {
    expect(
      await worst(
        f,
        exact,
        Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 200),
      ),
    ).toBeLessThan(2e-7);
    expect(
      await worst(
        f,
        exact,
        Float32Array.from({ length: 8193 }, (_, i) => i),
      ),
    ).toBeLessThan(2e-7);
    expect(
      await worst(
        f,
        exact,
        Float32Array.from({ length: 5000 }, (_, i) => -i * 1.6384),
      ),
    ).toBeLessThan(2e-7);
    expect(
      await worst(
        f,
        exact,
        Float32Array.from({ length: 5000 }, (_, i) => i * 20.01),
      ),
    ).toBeLessThan(1e-5);
  });
});
