import { type Lora, loraTrainable } from '../models/lora.ts';
import { cast } from '../ops/cast.ts';
import { tensor } from '../ops/constant.ts';
import { multiply } from '../ops/multiply.ts';
import { getDevice } from '../runtime/device.ts';
import type { DType } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import { widen } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths } from '../tensor/tree.ts';
import { holdsFactorsOnly, openLora, type StoredTensor, writeLora } from '../weights/index.ts';
import type { BackboneModel, CausalBackbone } from './backbone.ts';
import { orReject } from './presets.ts';

// Files hold `b` as it is with alpha = rank, which is all that KerasHub knows: the same file means the same function.

const isFactorB = (path: string): boolean => path.endsWith('.loraKernelB');

/** Writes a backbone's LoRA weights. */
export const saveLora = async (
  path: string,
  { params, lora, device }: Pick<CausalBackbone, 'params' | 'lora' | 'device'>,
): Promise<void> => {
  if (lora === undefined)
    throw new ArgumentError(
      'saveLoraWeights: expected a backbone with LoRA, got one without; call enableLora({ rank }) first',
    );
  const factorsOnly = holdsFactorsOnly(path);
  const trainable = loraTrainable(params, lora);
  const wanted = paths(params).filter(([own]) => trainable.has(own) && (!factorsOnly || /\.loraKernel[AB]$/.test(own)));
  const scale = lora.alpha / lora.rank;
  const values = await (device ?? (await getDevice())).evaluate(
    wanted.map(([own, each]) => {
      const value = cast(each, 'float32');
      return isFactorB(own) && scale !== 1 ? multiply(value, scale) : value;
    }),
  );
  orReject(
    await writeLora(
      path,
      lora,
      wanted.map(([own, { shape }], i) => ({ path: own, shape, data: Float32Array.from(values[i]!.data) })),
    )(),
  );
};

/** A stored tensor's numbers times a factor, float32. */
const numbersOf = async ({ dtype, shape, byteLength, read }: StoredTensor, scale: number): Promise<Float32Array> => {
  const { buffer } = (await read(0, byteLength)).slice();
  const data = dtype === 'float32' ? new Float32Array(buffer) : new Uint16Array(buffer);
  return Float32Array.from(widen({ data, shape, dtype: dtype as DType }), (value) => value * scale);
};

/** What a file holds for a model: which layers have factors, and the values by path. */
export const loadLora = async (
  path: string,
  { model, lora }: { readonly model: BackboneModel; readonly lora: Lora | undefined },
): Promise<{ readonly lora: Lora; readonly values: ReadonlyMap<string, Tensor> }> => {
  const opened = orReject(await openLora(path, model.weights, lora)());
  const scale = opened.lora.rank / opened.lora.alpha;
  try {
    const values = new Map<string, Tensor>();
    for (const [own, stored] of opened.tensors)
      values.set(own, tensor(await numbersOf(stored, isFactorB(own) ? scale : 1), { shape: stored.shape }));
    return { lora: opened.lora, values };
  } finally {
    await opened.close();
  }
};
