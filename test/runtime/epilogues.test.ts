import { describe, expect, it } from 'vitest';
import { add } from '../../src/ops/add.ts';
import { exp } from '../../src/ops/exp.ts';
import { gelu } from '../../src/ops/gelu.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { multiply } from '../../src/ops/multiply.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectAgrees } from '../support/agree.ts';
import { testDevice } from '../support/device.ts';
import { drawn } from '../support/draw.ts';

const launches = async (y: Tensor): Promise<number> => {
  const { traits } = await testDevice();
  await expectAgrees(y, { atol: 1e-4, rtol: 1e-5 });
  return plan([y], { traits }).steps.length;
};

describe('what follows a product', () => {
  const x = drawn([3, 20]);
  const [up, gate] = [drawn([20, 24], { seed: 2 }), drawn([20, 24], { seed: 3 })];

  it('goes along: bias, activation, and what is added or multiplied by', async () => {
    expect(await launches(add(gelu(add(matmul(x, up), drawn([24], { seed: 4 }))), drawn([3, 24], { seed: 5 })))).toBe(
      1,
    );
    // A gated feed-forward layer: two products, and nothing between them.
    expect(await launches(multiply(gelu(matmul(x, gate)), matmul(x, up)))).toBe(2);
    expect(await launches(matmul(multiply(matmul(x, gate), drawn([3, 24], { seed: 5 })), drawn([24, 8])))).toBe(2);
  });

  it('stays a term of a chain where the other factor is one', async () => {
    expect(await launches(multiply(matmul(x, gate), exp(multiply(drawn([3, 24], { seed: 5 }), 0.5))))).toBe(2);
  });

  it('is apart where the product is needed by itself, or is its own factor', async () => {
    const y = matmul(x, gate);
    expect(await launches(multiply(y, y))).toBe(2);
    expect(await launches(multiply(matmul(y, drawn([24, 24])), y))).toBe(2);
  });
});
