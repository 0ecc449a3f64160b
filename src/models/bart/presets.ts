import type { PresetInfo } from '../presetInfo.ts';
import type { BartConfig } from './config.ts';

const preset = (
  id: string,
  description: string,
  params: number,
  [vocabularySize, numLayers, numHeads, hiddenDim]: readonly [number, number, number, number],
): readonly [string, PresetInfo<BartConfig>] => [
  id,
  {
    metadata: { description, params, path: 'bart' },
    kaggleHandle: `kaggle://keras/bart/keras/${id}/3`,
    config: {
      vocabularySize,
      numLayers,
      numHeads,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 1024,
      decoderNumLayers: numLayers,
      decoderNumHeads: numHeads,
      decoderIntermediateDim: 4 * hiddenDim,
      activation: 'gelu',
      scaleEmbedding: false,
      finalLogitsBias: false,
    },
  },
];

/** The built-in BART presets by id, as KerasHub registers them, in its order. */
export const bartPresets: ReadonlyMap<string, PresetInfo<BartConfig>> = new Map([
  preset(
    'bart_base_en',
    'BART of 6 and 6 layers, cased, trained on BookCorpus, English Wikipedia and CommonCrawl',
    139_417_344,
    [50265, 6, 12, 768],
  ),
  preset(
    'bart_large_en',
    'BART of 12 and 12 layers, cased, trained on BookCorpus, English Wikipedia and CommonCrawl',
    406_287_360,
    [50265, 12, 16, 1024],
  ),
  preset(
    'bart_large_en_cnn',
    'bart_large_en, trained on summaries of CNN and Daily Mail articles after that',
    406_287_360,
    [50264, 12, 16, 1024],
  ),
]);
