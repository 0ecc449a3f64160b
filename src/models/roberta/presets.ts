import type { PresetInfo } from '../presetInfo.ts';
import type { RobertaConfig } from './config.ts';

/** A preset of RoBERTa's architecture, by what differs between them. */
export const robertaPreset = (
  path: string,
  id: string,
  description: string,
  params: number,
  [numLayers, numHeads, hiddenDim, vocabularySize]: readonly [number, number, number, number],
): readonly [string, PresetInfo<RobertaConfig>] => [
  id,
  {
    metadata: { description, params, path },
    kaggleHandle: `kaggle://keras/${path}/keras/${id}/3`,
    config: {
      vocabularySize,
      numLayers,
      numHeads,
      hiddenDim,
      intermediateDim: 4 * hiddenDim,
      dropout: 0.1,
      maxSequenceLength: 512,
      layerNormEpsilon: 1e-5,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
      reservedPositions: 2,
      tokenTypes: 1,
    },
  },
];

const corpora = 'cased, trained on English Wikipedia, BooksCorpus, CommonCrawl and OpenWebText';

/** The built-in RoBERTa presets of KerasHub's pages by id. */
export const robertaPresets: ReadonlyMap<string, PresetInfo<RobertaConfig>> = new Map([
  robertaPreset('roberta', 'roberta_base_en', `RoBERTa of 12 layers, ${corpora}`, 124_052_736, [12, 12, 768, 50265]),
  robertaPreset('roberta', 'roberta_large_en', `RoBERTa of 24 layers, ${corpora}`, 354_307_072, [24, 16, 1024, 50265]),
]);
