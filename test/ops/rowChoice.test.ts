import { expect, it } from 'vitest';
import { layerNorm } from '../../src/ops/layerNorm.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { drawn } from '../support/draw.ts';
import { expectEveryKernelAgrees } from '../support/tuning.ts';

it('norms and softmax agree with the reference by every kernel that a measurement may choose', async () => {
  // Float32 sums of up to 300 terms.
  const tolerance = { atol: 1e-5, rtol: 1e-5 };
  const names = new Set<string>();
  for (const columns of [1, 67, 300]) {
    const x = drawn([2, 5, columns]);
    const [gamma, beta] = [drawn([columns], { seed: 2 }), drawn([columns], { seed: 3 })];
    for (const y of [layerNorm(x, gamma, beta, { epsilon: 1e-3 }), rmsNorm(x, gamma), softmax(x)])
      for (const name of await expectEveryKernelAgrees(y, tolerance))
        names.add(name.replace(/^[a-zA-Z]*(?=Subgroup)/, ''));
  }
  expect([...names].filter((name) => /Subgroup| (64|256|1024)$/.test(name))).toHaveLength(names.size);
  // SwiftShader has no workgroups of 1024.
  expect(names.size).toBeGreaterThanOrEqual(7);
});
