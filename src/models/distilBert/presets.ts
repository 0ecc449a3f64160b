import type { PresetInfo } from '../presetInfo.ts';
import type { DistilBertConfig } from './config.ts';

const preset = (
  id: string,
  description: string,
  params: number,
  vocabularySize: number,
): readonly [string, PresetInfo<DistilBertConfig>] => [
  id,
  {
    metadata: { description: `DistilBERT of 6 layers, ${description}, taught by BERT`, params, path: 'distil_bert' },
    kaggleHandle: `kaggle://keras/distil_bert/keras/${id}/3`,
    config: {
      vocabularySize,
      numLayers: 6,
      numHeads: 12,
      hiddenDim: 768,
      intermediateDim: 3072,
      dropout: 0.1,
      maxSequenceLength: 512,
      layerNormEpsilon: 1e-12,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    },
  },
];

const corpora = 'trained on English Wikipedia and BooksCorpus';

/** The built-in DistilBERT presets of KerasHub's pages by id. */
export const distilBertPresets: ReadonlyMap<string, PresetInfo<DistilBertConfig>> = new Map([
  preset('distil_bert_base_en_uncased', `lower case, ${corpora}`, 66_362_880, 30522),
  preset('distil_bert_base_en', `cased, ${corpora}`, 65_190_912, 28996),
  preset('distil_bert_base_multi', 'cased, trained on the Wikipedias of 104 languages', 134_734_080, 119547),
]);
