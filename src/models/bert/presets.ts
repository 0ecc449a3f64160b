import type { PresetInfo } from '../presetInfo.ts';
import type { BertConfig } from './config.ts';

const preset = (
  id: string,
  description: string,
  params: number,
  [numLayers, numHeads, hiddenDim, vocabularySize]: readonly [number, number, number, number],
  version = 3,
): readonly [string, PresetInfo<BertConfig>] => [
  id,
  {
    metadata: { description, params, path: 'bert' },
    kaggleHandle: `kaggle://keras/bert/keras/${id}/${version}`,
    config: {
      vocabularySize,
      numLayers,
      numHeads,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 512,
      numSegments: 2,
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    },
  },
];

const wikipedia = 'trained on English Wikipedia and BooksCorpus';

/** The built-in BERT presets of KerasHub's pages by id. */
export const bertPresets: ReadonlyMap<string, PresetInfo<BertConfig>> = new Map([
  preset('bert_tiny_en_uncased', `BERT of 2 layers, lower case, ${wikipedia}`, 4_385_920, [2, 2, 128, 30522]),
  preset('bert_small_en_uncased', `BERT of 4 layers, lower case, ${wikipedia}`, 28_763_648, [4, 8, 512, 30522]),
  preset('bert_medium_en_uncased', `BERT of 8 layers, lower case, ${wikipedia}`, 41_373_184, [8, 8, 512, 30522]),
  preset('bert_base_en_uncased', `BERT of 12 layers, lower case, ${wikipedia}`, 109_482_240, [12, 12, 768, 30522]),
  preset('bert_base_en', `BERT of 12 layers, cased, ${wikipedia}`, 108_310_272, [12, 12, 768, 28996]),
  preset('bert_base_zh', 'BERT of 12 layers, trained on Chinese Wikipedia', 102_267_648, [12, 12, 768, 21128]),
  preset(
    'bert_base_multi',
    'BERT of 12 layers, cased, trained on the Wikipedias of 104 languages',
    177_853_440,
    [12, 12, 768, 119547],
  ),
  preset('bert_large_en_uncased', `BERT of 24 layers, lower case, ${wikipedia}`, 335_141_888, [24, 16, 1024, 30522]),
  preset('bert_large_en', `BERT of 24 layers, cased, ${wikipedia}`, 333_579_264, [24, 16, 1024, 28996]),
  preset(
    'bert_tiny_en_uncased_sst2',
    'bert_tiny_en_uncased, trained on to tell good film reviews from bad ones (SST-2)',
    4_385_920,
    [2, 2, 128, 30522],
    5,
  ),
]);
