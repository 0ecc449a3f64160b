import type { PresetInfo } from '../presetInfo.ts';
import type { DebertaV3Config } from './config.ts';

const preset = (
  id: string,
  description: string,
  params: number,
  [numLayers, numHeads, hiddenDim, vocabularySize]: readonly [number, number, number, number],
): readonly [string, PresetInfo<DebertaV3Config>] => [
  id,
  {
    metadata: { description, params, path: 'deberta_v3' },
    kaggleHandle: `kaggle://keras/deberta_v3/keras/${id}/3`,
    config: {
      vocabularySize,
      numLayers,
      numHeads,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 512,
      bucketSize: 256,
      maxRelativePositions: 512,
      bucketRounding: 'keras',
      layerNormEpsilon: 1e-7,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
      poolerActivation: 'gelu',
    },
  },
];

const english = 'cased, trained on English Wikipedia, BookCorpus and OpenWebText';

/** The built-in DeBERTa V3 presets of KerasHub's pages by id. */
export const debertaV3Presets: ReadonlyMap<string, PresetInfo<DebertaV3Config>> = new Map([
  preset('deberta_v3_extra_small_en', `DeBERTa V3 of 12 layers, ${english}`, 70_682_112, [12, 6, 384, 128100]),
  preset('deberta_v3_small_en', `DeBERTa V3 of 6 layers, ${english}`, 141_304_320, [6, 12, 768, 128100]),
  preset('deberta_v3_base_en', `DeBERTa V3 of 12 layers, ${english}`, 183_831_552, [12, 12, 768, 128100]),
  preset('deberta_v3_large_en', `DeBERTa V3 of 24 layers, ${english}`, 434_012_160, [24, 16, 1024, 128100]),
  preset(
    'deberta_v3_base_multi',
    'DeBERTa V3 of 12 layers, cased, trained on the 100 languages of CC100',
    278_218_752,
    [12, 12, 768, 251000],
  ),
]);
