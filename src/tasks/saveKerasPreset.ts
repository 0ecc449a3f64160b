import * as E from 'fp-ts/lib/Either.js';
import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import { layerPaths, quantizedTable } from '../models/kerasQuantized.ts';
import { formatPath, type WeightTable } from '../models/weightEntry.ts';
import { cast } from '../ops/cast.ts';
import { isQuantized } from '../ops/dequantize.ts';
import type { Device } from '../runtime/device.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree } from '../tensor/tree.ts';
import {
  type FileToWrite,
  type H5Dataset,
  isPresetFile,
  kerasPresetFiles,
  type StoredDType,
  writeFolderAtomically,
} from '../weights/index.ts';
import { commonDType, deviceBytes } from './deviceBytes.ts';
import type { SavedEncoderTask } from './encoderFamily.ts';
import { encoderFamilies } from './encoders.ts';
import { causalFamilies, seq2seqFamilies } from './families.ts';
import { deviceOf, heldParams } from './heldParams.ts';
import { orReject } from './presets.ts';
import { familyOfBackbone, refuseLora, type SavableBackbone, type SavableTask } from './savable.ts';

import { policiesOf, quantizedDatasets } from './storedQuantized.ts';

/** What saving in KerasHub's layout depends on. */
export interface KerasFilesOptions {
  /** What metadata.json gives as date. Default: now. */
  readonly savedAt?: Date | undefined;
  readonly maxShardBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a saved preset has besides the model. */
export interface SaveKerasPresetOptions extends KerasFilesOptions {
  /** Further files for the folder. */
  readonly extra?: readonly FileToWrite[];
}

/** A parameter as a dataset, read from the device when its turn has come. */
const dataset = (device: Device, tensor: Tensor, signal: AbortSignal | undefined): H5Dataset => ({
  dtype: tensor.dtype as StoredDType,
  shape: tensor.shape,
  data: deviceBytes(device, tensor, signal),
});

/** How KerasHub writes a family down, and a task of it, or, for a backbone alone, the bases of its tasks. */
const described = (
  backbone: SavableBackbone,
  task: Omit<SavableTask, 'name'> | undefined,
): {
  readonly layout: KerasBackboneLayout<unknown>;
  readonly task: SavedEncoderTask | undefined;
  readonly bases?: readonly string[];
} => {
  const family = familyOfBackbone(backbone.model.name);
  const decoder = causalFamilies.get(family) ?? seq2seqFamilies.get(family);
  if (decoder !== undefined) {
    const own = decoder.kerasTask(task?.preprocessor ?? null);
    return { layout: decoder.layout, task: task && { ...own, head: undefined }, bases: own.bases };
  }
  const encoder = encoderFamilies.get(family)!;
  return { layout: encoder.layout, task: task && encoder.kerasTask(task), bases: encoder.bases };
};

/**
 * All files of a task, or of a backbone alone, in KerasHub's layout.
 *
 * @param folder - Where they are to stand.
 * @throws {ArgumentError} By rejection, if there is LoRA: KerasHub keeps its factors in a file of their own.
 * @throws {PresetError} By rejection, if KerasHub's layout cannot say the config.
 */
export const kerasFiles = async (
  folder: string,
  { backbone, task }: { readonly backbone: SavableBackbone; readonly task?: Omit<SavableTask, 'name'> | undefined },
  { savedAt = new Date(), maxShardBytes, signal }: KerasFilesOptions = {},
): Promise<readonly FileToWrite[]> => {
  refuseLora(backbone);
  const { layout, task: saved, bases } = described(backbone, task);
  const device = await deviceOf(backbone);
  const held = (own: Tree): Promise<ReadonlyMap<string, Tensor>> =>
    heldParams(device, own).then((values) => new Map(paths(values)));
  const params = await held(backbone.params);
  // All weights are stored alike, as most of them are: a sum of two halves is float32, for one.
  const dtype = commonDType([...params.values()].filter((param) => !isQuantized(param)));
  const datasets = (table: WeightTable, values: ReadonlyMap<string, Tensor>) =>
    table.entries.flatMap(({ path, sources: { keras } }) => {
      const param = values.get(formatPath(path))!;
      return keras.quantized === undefined
        ? [[keras.name, dataset(device, cast(param, isQuantized(param) ? 'float32' : dtype), signal)] as const]
        : quantizedDatasets(device, keras, keras.quantized, param, signal);
    });
  const policies = policiesOf(backbone.model.weights, layerPaths(layout, backbone.config), params);
  const table = orReject(
    E.mapLeft((message: string) => ({ _tag: 'WrongConfig' as const, message }))(
      quantizedTable(backbone.model.weights, layout, backbone.config, policies),
    ),
  );
  const head = saved?.head && {
    weights: datasets(saved.head.table, await held(saved.head.params)),
    groups: saved.head.groups,
  };
  return orReject(
    kerasPresetFiles(folder, {
      layout,
      config: backbone.config,
      dtype: dtype as StoredDType,
      policies,
      weights: datasets(table, params),
      task: saved && { ...saved, head },
      bases,
      savedAt,
      maxShardBytes,
    }),
  );
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
  task: Omit<SavableTask, 'name'>,
  { extra = [], ...options }: SaveKerasPresetOptions = {},
): Promise<void> => {
  const files = await kerasFiles(folder, { backbone: task.backbone, task }, options);
  orReject(await writeFolderAtomically(folder, [...files, ...extra], isPresetFile)());
};
