import { evaluateReference } from '../../src/runtime/reference/evaluate.ts';
import type { WebGPU } from '../../src/runtime/webgpu/device.ts';
import { evaluate } from '../../src/runtime/webgpu/execute.ts';
import { plan } from '../../src/runtime/webgpu/plan.ts';
import { type Choosable, tuneWith } from '../../src/runtime/webgpu/tune.ts';
import type { KernelChoice, KernelTraits } from '../../src/tensor/kernel.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { expectClose, type Tolerance } from './agree.ts';
import { testDevice } from './device.ts';

/** The device under test with other traits; pipelines are shared. */
export const deviceWith = async (traits: Partial<KernelTraits>): Promise<WebGPU> => {
  const own = await testDevice();
  return { ...own, traits: { ...own.traits, ...traits } };
};

/** The first choice that planning an expression comes to. */
export const choiceOf = (expression: Tensor, traits: KernelTraits): Choosable => {
  const met: Choosable[] = [];
  plan([expression], { traits, onChoice: (choice, node) => met.push({ choice, node }) });
  if (met[0] === undefined) throw new Error(`expected a choice of kernels for ${expression.op.name}, got none`);
  return met[0];
};

/**
 * Fails unless every kernel that may compute an expression, on an adapter of the device's kind or on a GPU, agrees with the
 * reference; gives their names.
 */
export const expectEveryKernelAgrees = async (expression: Tensor, tolerance: Tolerance): Promise<readonly string[]> => {
  const [expected] = evaluateReference([expression]);
  const seen = new Set<string>();
  const own = (await testDevice()).traits;
  for (const kind of [{}, { isSoftware: !own.isSoftware }]) {
    const { shapes, names } = choiceOf(expression, { ...own, ...kind }).choice;
    for (const name of names) {
      if (seen.has(name)) continue;
      seen.add(name);
      const gpu = await deviceWith({ ...kind, tuning: new Map([[shapes, name]]) });
      const [actual] = await evaluate(gpu, [expression]);
      try {
        expectClose(actual!, expected!, tolerance);
      } catch (cause) {
        throw new Error(`${name} for ${shapes}: ${cause instanceof Error ? cause.message : String(cause)}`);
      }
    }
  }
  return [...seen];
};

/** Devices that compute a row's product by the usual kernel of an adapter of either kind, or by every kernel for rows; with its name. */
export const devicesForRow = async (
  product: Tensor,
  { every }: { readonly every: boolean },
): Promise<readonly (readonly [kernel: string, gpu: WebGPU])[]> => {
  const own = (await testDevice()).traits;
  const found = new Map<string, Promise<WebGPU>>();
  for (const isSoftware of [true, false]) {
    const { shapes, names } = choiceOf(product, { ...own, isSoftware }).choice;
    const forRows = names.filter((name) => /matvec/i.test(name) && !found.has(name));
    for (const name of every ? forRows : forRows.slice(0, 1))
      found.set(name, deviceWith({ isSoftware, tuning: new Map([[shapes, name]]) }));
  }
  return Promise.all([...found].map(async ([name, gpu]) => [name, await gpu] as const));
};

/** The choices that compiled functions come to on a device while something is done; nothing is measured. */
export const choicesDuring = async (
  gpu: WebGPU,
  work: () => Promise<unknown>,
): Promise<readonly KernelChoice<object>[]> => {
  const met = new Map<string, KernelChoice<object>>();
  tuneWith(gpu, {
    measure: async (all) => {
      for (const { choice } of all) met.set(choice.shapes, choice);
      return false;
    },
  });
  await work();
  return [...met.values()];
};
