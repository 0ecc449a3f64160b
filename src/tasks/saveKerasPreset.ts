import type { Lora } from '../models/lora.ts';
import { formatPath } from '../models/weightEntry.ts';
import type { Device } from '../runtime/device.ts';
import { bfloat16Bits, float16Bits } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import { type FileToWrite, type H5Dataset, type KerasPreset, writeKerasPreset } from '../weights/index.ts';
import type { BackboneModel } from './backbone.ts';
import { causalFamilies, seq2seqFamilies } from './families.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { orReject } from './presets.ts';

/** What a saved preset has besides the model. */
export interface SaveKerasPresetOptions {
  /** What metadata.json gives as date. Default: now. */
  readonly savedAt?: Date;
  /** Further files for the folder. */
  readonly extra?: readonly FileToWrite[];
}

/** Numbers as the file holds them: halves as their bits. */
const bytesOf = ({ data }: NDArray, dtype: H5Dataset['dtype']): Uint8Array => {
  const stored =
    dtype === 'float32' || data instanceof Uint16Array
      ? data
      : Uint16Array.from(data, dtype === 'float16' ? float16Bits : bfloat16Bits);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
};

/** A parameter as a dataset, read from the device when its turn has come. */
const dataset = (device: Device, dtype: H5Dataset['dtype'], tensor: Tensor): H5Dataset => ({
  dtype,
  shape: tensor.shape,
  data: async function* () {
    const [array] = await device.evaluate([tensor]);
    yield bytesOf(array!, dtype);
  },
});

/** What is saved: any task has these two. */
export interface SavableTask {
  readonly backbone: {
    readonly config: unknown;
    readonly model: BackboneModel;
    readonly params: Tree;
    readonly device: Device | undefined;
    readonly lora: Lora | undefined;
  };
  readonly preprocessor: object | null;
}

/**
 * Writes a task as a preset folder in KerasHub's layout, which KerasHub and `fromPreset` read. Whole or not at all.
 *
 * @param folder - Where to. A preset that is there is replaced; a folder that holds anything else is left alone.
 * @throws {ArgumentError} By rejection, if there is LoRA: KerasHub keeps its factors in a file of their own.
 * @throws {PresetError} By rejection, if KerasHub's layout cannot say the config, or the folder cannot be written.
 * @see keras_hub.models.Task.save_to_preset
 */
export const saveKerasPreset = async (
  folder: string,
  { backbone, preprocessor }: SavableTask,
  { savedAt = new Date(), extra = [] }: SaveKerasPresetOptions = {},
): Promise<void> => {
  const { config, model } = backbone;
  if (backbone.lora !== undefined)
    throw new ArgumentError(
      'saveKerasPreset: expected a model without LoRA, got one with; call mergeLora first, or saveLoraWeights for the factors alone',
    );
  const family = [...causalFamilies.values(), ...seq2seqFamilies.values()].find(
    ({ layout }) => layout.backbone.className === model.name,
  );
  if (family === undefined)
    throw new ArgumentError(`saveKerasPreset: expected a backbone of a family that is known, got ${model.name}`);
  const device = await deviceOf(backbone);
  const params = new Map(paths(await heldParams(device, backbone.params)));
  const [first] = params.values();
  const dtype = first!.dtype as KerasPreset<unknown>['dtype'];
  const other = [...params].find(([, tensor]) => tensor.dtype !== dtype);
  if (other !== undefined)
    throw new ArgumentError(`saveKerasPreset: expected all weights of ${dtype}, got ${other[0]} of ${other[1].dtype}`);
  orReject(
    await writeKerasPreset(
      folder,
      {
        layout: family.layout,
        config,
        dtype,
        weights: model.weights.entries.map(({ path, sources }) => [
          sources.keras.name,
          dataset(device, dtype, params.get(formatPath(path))!),
        ]),
        task: family.kerasTask(preprocessor),
        savedAt,
      },
      extra,
    )(),
  );
};
