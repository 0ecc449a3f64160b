import type { PresetInfo } from '../presetInfo.ts';
import type { FalconConfig } from './config.ts';

/** The built-in Falcon presets by id, as KerasHub registers them. */
export const falconPresets: ReadonlyMap<string, PresetInfo<FalconConfig>> = new Map([
  [
    'falcon_refinedweb_1b_en',
    {
      metadata: {
        description: 'Falcon of 24 layers, trained on 350 billion tokens of RefinedWeb',
        params: 1_311_625_216,
        path: 'falcon',
      },
      kaggleHandle: 'kaggle://keras/falcon/keras/falcon_refinedweb_1b_en/2',
      config: {
        vocabularySize: 50304,
        numLayers: 24,
        numAttentionHeads: 32,
        hiddenDim: 2048,
        intermediateDim: 8192,
        layerNormEpsilon: 1e-5,
        attentionDropoutRate: 0,
        feedforwardDropoutRate: 0,
        numKeyValueHeads: 32,
        blockLayerNormEpsilon: 1e-5,
        parallelAttention: false,
        numParallelNorms: 1,
        useBias: true,
        activation: 'gelu',
        positions: 'alibi',
        ropeMaxWavelength: 10000,
        tieWordEmbeddings: true,
      },
    },
  ],
]);
