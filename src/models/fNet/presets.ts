import type { PresetInfo } from '../presetInfo.ts';
import type { FNetConfig } from './config.ts';

const preset = (
  id: string,
  params: number,
  [numLayers, hiddenDim]: readonly [number, number],
): readonly [string, PresetInfo<FNetConfig>] => [
  id,
  {
    metadata: { description: `FNet of ${numLayers} layers, cased, trained on C4`, params, path: 'f_net' },
    kaggleHandle: `kaggle://keras/f_net/keras/${id}/3`,
    config: {
      vocabularySize: 32000,
      numLayers,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 512,
      numSegments: 4,
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    },
  },
];

/** The built-in FNet presets of KerasHub's pages by id. */
export const fNetPresets: ReadonlyMap<string, PresetInfo<FNetConfig>> = new Map([
  preset('f_net_base_en', 82_861_056, [12, 768]),
  preset('f_net_large_en', 236_945_408, [24, 1024]),
]);
