import type { PresetInfo } from '../presetInfo.ts';
import type { AlbertConfig } from './config.ts';

const preset = (
  id: string,
  params: number,
  [numLayers, numHeads, hiddenDim]: readonly [number, number, number],
  version = 3,
): readonly [string, PresetInfo<AlbertConfig>] => [
  id,
  {
    metadata: {
      description: `ALBERT of ${numLayers} layers that share their parameters, lower case, trained on English Wikipedia and BooksCorpus`,
      params,
      path: 'albert',
    },
    kaggleHandle: `kaggle://keras/albert/keras/${id}/${version}`,
    config: {
      vocabularySize: 30000,
      numLayers,
      numHeads,
      numGroups: 1,
      numInnerRepetitions: 1,
      embeddingDim: 128,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0,
      maxSequenceLength: 512,
      numSegments: 2,
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'geluApproximate',
      headLayerNormEpsilon: 1e-5,
    },
  },
];

/** The built-in ALBERT presets of KerasHub's pages by id. */
export const albertPresets: ReadonlyMap<string, PresetInfo<AlbertConfig>> = new Map([
  preset('albert_base_en_uncased', 11_683_584, [12, 12, 768], 5),
  preset('albert_large_en_uncased', 17_683_968, [24, 16, 1024]),
  preset('albert_extra_large_en_uncased', 58_724_864, [24, 16, 2048]),
  preset('albert_extra_extra_large_en_uncased', 222_595_584, [12, 64, 4096]),
]);
