import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject } from '../models/configReader.ts';
import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import { quantizedTable, readPolicies } from '../models/kerasQuantized.ts';
import { readQuantization, tableOfModules } from '../models/transformersQuantized.ts';
import type { WeightTable } from '../models/weightEntry.ts';
import { type Preset, toPresetError } from '../weights/index.ts';

/**
 * A backbone's table as a preset's files hold it: with matrices in few bits where its config says so.
 *
 * @throws {PresetError} If it says so of what is no layer with a matrix.
 */
export const presetTable = <Config>(
  { layout, config: json, path: folder }: Preset,
  kerasLayout: Pick<KerasBackboneLayout<Config>, 'layers' | 'einsumLayers'>,
  config: Config,
  table: WeightTable,
): WeightTable => {
  const asKeras = (dtype: unknown): E.Either<string, WeightTable> => {
    const policies = readPolicies(dtype);
    return E.isLeft(policies) ? policies : quantizedTable(table, kerasLayout, config, policies.right);
  };
  const asTransformers = (quantization: unknown): E.Either<string, WeightTable> => {
    const modules = readQuantization(quantization);
    if (E.isLeft(modules)) return modules;
    return modules.right === undefined ? E.right(table) : tableOfModules(table, modules.right);
  };
  const own = isJsonObject(json.config) ? json.config : {};
  const quantized = layout === 'keras' ? asKeras(own.dtype) : asTransformers(json.quantization_config);
  if (E.isRight(quantized)) return quantized.right;
  const path = `${folder}/config.json`;
  throw toPresetError({ _tag: 'WrongConfig', message: `${path}: ${quantized.left}`, path });
};
