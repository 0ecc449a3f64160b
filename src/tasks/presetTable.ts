import * as E from 'fp-ts/lib/Either.js';
import { isJsonObject } from '../models/configReader.ts';
import type { KerasBackboneLayout } from '../models/kerasLayout.ts';
import { quantizedTable, readPolicies } from '../models/kerasQuantized.ts';
import type { WeightTable } from '../models/weightEntry.ts';
import { type Preset, toPresetError } from '../weights/index.ts';

/**
 * A backbone's table as a preset's files hold it: with matrices in few bits where its config says so.
 *
 * @throws {PresetError} If it says so of what is no layer with a matrix.
 */
export const presetTable = <Config>(
  preset: Preset,
  layout: Pick<KerasBackboneLayout<Config>, 'layers' | 'einsumLayers'>,
  config: Config,
  table: WeightTable,
): WeightTable => {
  const { config: own } = preset.config;
  if (preset.layout !== 'keras' || !isJsonObject(own)) return table;
  const quantized = E.chain((policies: Parameters<typeof quantizedTable>[3]) =>
    quantizedTable(table, layout, config, policies),
  )(readPolicies(own.dtype));
  if (E.isRight(quantized)) return quantized.right;
  const path = `${preset.path}/config.json`;
  throw toPresetError({ _tag: 'WrongConfig', message: `${path}: ${quantized.left}`, path });
};
