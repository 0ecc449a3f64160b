import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import type { Lora } from '../models/lora.ts';
import { formatPath, type WeightTable } from '../models/weightEntry.ts';
import { cast } from '../ops/cast.ts';
import type { Device } from '../runtime/device.ts';
import { bfloat16Bits, type DType, float16Bits } from '../tensor/dtype.ts';
import { ArgumentError } from '../tensor/errors.ts';
import type { NDArray } from '../tensor/ndarray.ts';
import { count } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import { type FileToWrite, type H5Dataset, writeKerasPreset } from '../weights/index.ts';
import type { BackboneModel } from './backbone.ts';
import type { SavedEncoderTask } from './encoderFamily.ts';
import { encoderFamilies } from './encoders.ts';
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

/** What is saved: any task has these. */
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

/** The storage that most numbers have. */
const commonDType = (tensors: readonly Tensor[]): DType => {
  const counts = new Map<Tensor['dtype'], number>();
  for (const { dtype, shape } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + count(shape));
  return [...counts].sort(([, a], [, b]) => b - a)[0]![0];
};

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
  task: SavableTask,
  { savedAt = new Date(), extra = [] }: SaveKerasPresetOptions = {},
): Promise<void> => {
  const { backbone, preprocessor } = task;
  const { config, model } = backbone;
  if (backbone.lora !== undefined)
    throw new ArgumentError(
      'saveKerasPreset: expected a model without LoRA, got one with; call mergeLora first, or saveLoraWeights for the factors alone',
    );
  const isOwn = ({ layout }: { readonly layout: KerasBackboneLayout<unknown> }): boolean =>
    layout.backbone.className === model.name;
  const decoder = [...causalFamilies.values(), ...seq2seqFamilies.values()].find(isOwn);
  const encoder = [...encoderFamilies.values()].find(isOwn);
  const layout = decoder?.layout ?? encoder?.layout;
  if (layout === undefined)
    throw new ArgumentError(`saveKerasPreset: expected a backbone of a family that is known, got ${model.name}`);
  const device = await deviceOf(backbone);
  const described: SavedEncoderTask =
    decoder === undefined ? encoder!.kerasTask(task) : { ...decoder.kerasTask(preprocessor), head: undefined };
  const { head, ...saved } = described;
  const held = (own: Tree): Promise<ReadonlyMap<string, Tensor>> =>
    heldParams(device, own).then((values) => new Map(paths(values)));
  const params = await held(backbone.params);
  // All weights are stored alike, as most of them are: a sum of two halves is float32, for one.
  const dtype = commonDType([...params.values()]);
  const datasets = (table: WeightTable, values: ReadonlyMap<string, Tensor>) =>
    table.entries.map(
      ({ path, sources }) =>
        [
          sources.keras.name,
          dataset(device, dtype as H5Dataset['dtype'], cast(values.get(formatPath(path))!, dtype)),
        ] as const,
    );
  const headWeights = head && datasets(head.table, await held(head.params));
  orReject(
    await writeKerasPreset(
      folder,
      {
        layout,
        config,
        dtype: dtype as H5Dataset['dtype'],
        weights: datasets(model.weights, params),
        task: { ...saved, ...(head && headWeights && { head: { weights: headWeights, groups: head.groups } }) },
        savedAt,
      },
      extra,
    )(),
  );
};
