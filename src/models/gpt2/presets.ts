import type { PresetInfo } from '../presetInfo.ts';
import type { GPT2Config } from './config.ts';

const preset = (
  id: string,
  description: string,
  params: number,
  [numLayers, numHeads, hiddenDim]: readonly [number, number, number],
): readonly [string, PresetInfo<GPT2Config>] => [
  id,
  {
    metadata: { description, params, path: 'gpt2' },
    kaggleHandle: `kaggle://keras/gpt2/keras/${id}/3`,
    config: {
      vocabularySize: 50257,
      numLayers,
      numHeads,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 1024,
      layerNormEpsilon: 1e-5,
      activation: 'geluApproximate',
    },
  },
];

/** The built-in GPT-2 presets by id, as KerasHub registers them, in its order. */
export const gpt2Presets: ReadonlyMap<string, PresetInfo<GPT2Config>> = new Map([
  preset('gpt2_base_en', 'GPT-2 of 12 layers, cased, trained on WebText', 124_439_808, [12, 12, 768]),
  preset('gpt2_medium_en', 'GPT-2 of 24 layers, cased, trained on WebText', 354_823_168, [24, 16, 1024]),
  preset('gpt2_large_en', 'GPT-2 of 36 layers, cased, trained on WebText', 774_030_080, [36, 20, 1280]),
  preset('gpt2_extra_large_en', 'GPT-2 of 48 layers, cased, trained on WebText', 1_557_611_200, [48, 25, 1600]),
  preset(
    'gpt2_base_en_cnn_dailymail',
    'GPT-2 of 12 layers, cased, trained on WebText and then on summaries of CNN and Daily Mail articles',
    124_439_808,
    [12, 12, 768],
  ),
]);
