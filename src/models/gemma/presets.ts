import type { PresetInfo } from '../presetInfo.ts';
import type { GemmaConfig } from './config.ts';

/** The sizes in which Gemmas come. */
type Size = Pick<
  GemmaConfig,
  'numLayers' | 'numQueryHeads' | 'numKeyValueHeads' | 'hiddenDim' | 'intermediateDim' | 'headDim'
> & { readonly params: number; readonly isSecond: boolean };

const size = (
  params: number,
  isSecond: boolean,
  [numLayers, numQueryHeads, numKeyValueHeads, headDim, hiddenDim, intermediateDim]: readonly [
    number,
    number,
    number,
    number,
    number,
    number,
  ],
): Size => ({
  params,
  isSecond,
  numLayers,
  numQueryHeads,
  numKeyValueHeads,
  headDim,
  hiddenDim,
  intermediateDim,
});

const first2b = size(2_506_172_416, false, [18, 8, 1, 256, 2048, 32768]);
const first7b = size(8_537_680_896, false, [28, 16, 16, 256, 3072, 49152]);
const second2b = size(2_614_341_888, true, [26, 8, 4, 256, 2304, 18432]);
const second9b = size(9_241_705_984, true, [42, 16, 8, 256, 3584, 28672]);
// 46 layers: the registry's count of parameters fits no other number, whatever its description says.
const second27b = size(27_227_128_320, true, [46, 32, 16, 128, 4608, 73728]);

const configOf = ({ isSecond, params: _, ...sizes }: Size): GemmaConfig => ({
  vocabularySize: 256_000,
  ...sizes,
  // True Gemma 2 of 27 billion parameters divides by sqrt(hiddenDim / numQueryHeads); KerasHub does not.
  queryHeadDimNormalize: sizes.headDim === 256,
  usePostFfwNorm: isSecond,
  usePostAttentionNorm: isSecond,
  attentionLogitSoftCap: isSecond ? 50 : null,
  finalLogitSoftCap: isSecond ? 30 : null,
  useSlidingWindowAttention: isSecond,
  slidingWindowSize: 4096,
  layerNormEpsilon: 1e-6,
  dropout: 0,
  maxSequenceLength: null,
  blockNormEpsilon: 1e-6,
  queryScale: 1 / Math.sqrt(sizes.headDim),
  slidingLayers: Array.from({ length: sizes.numLayers }, (_, index) => isSecond && index % 2 === 0),
  activation: 'geluApproximate',
  ropeMaxWavelength: 10000,
  attentionBias: false,
});

const preset = (
  id: string,
  handle: string,
  sizes: Size,
  description: string,
): readonly [string, PresetInfo<GemmaConfig>] => [
  id,
  {
    metadata: { description, params: sizes.params, path: 'gemma' },
    kaggleHandle: `kaggle://${handle}`,
    config: configOf(sizes),
  },
];

const better = 'whose 1.1 update improves its quality';
const code = 'trained to fill in the middle of code';

/** The built-in Gemma presets by id, as KerasHub registers them, in its order. */
export const gemmaPresets: ReadonlyMap<string, PresetInfo<GemmaConfig>> = new Map([
  preset('gemma_2b_en', 'keras/gemma/keras/gemma_2b_en/3', first2b, 'Gemma of 18 layers, 2 billion parameters'),
  preset(
    'gemma_instruct_2b_en',
    'keras/gemma/keras/gemma_instruct_2b_en/3',
    first2b,
    'Gemma of 18 layers, 2 billion parameters, tuned to follow instructions',
  ),
  preset(
    'gemma_1.1_instruct_2b_en',
    'keras/gemma/keras/gemma_1.1_instruct_2b_en/4',
    first2b,
    `Gemma of 18 layers, 2 billion parameters, tuned to follow instructions, ${better}`,
  ),
  preset(
    'code_gemma_1.1_2b_en',
    'keras/codegemma/keras/code_gemma_1.1_2b_en/2',
    first2b,
    `CodeGemma of 18 layers, 2 billion parameters, ${code}, ${better}`,
  ),
  preset(
    'code_gemma_2b_en',
    'keras/codegemma/keras/code_gemma_2b_en/2',
    first2b,
    `CodeGemma of 18 layers, 2 billion parameters, ${code}`,
  ),
  preset('gemma_7b_en', 'keras/gemma/keras/gemma_7b_en/4', first7b, 'Gemma of 28 layers, 7 billion parameters'),
  preset(
    'gemma_instruct_7b_en',
    'keras/gemma/keras/gemma_instruct_7b_en/4',
    first7b,
    'Gemma of 28 layers, 7 billion parameters, tuned to follow instructions',
  ),
  preset(
    'gemma_1.1_instruct_7b_en',
    'keras/gemma/keras/gemma_1.1_instruct_7b_en/5',
    first7b,
    `Gemma of 28 layers, 7 billion parameters, tuned to follow instructions, ${better}`,
  ),
  preset(
    'code_gemma_7b_en',
    'keras/codegemma/keras/code_gemma_7b_en/3',
    first7b,
    `CodeGemma of 28 layers, 7 billion parameters, ${code}`,
  ),
  preset(
    'code_gemma_instruct_7b_en',
    'keras/codegemma/keras/code_gemma_instruct_7b_en/3',
    first7b,
    'CodeGemma of 28 layers, 7 billion parameters, trained to talk about code',
  ),
  preset(
    'code_gemma_1.1_instruct_7b_en',
    'keras/codegemma/keras/code_gemma_1.1_instruct_7b_en/3',
    first7b,
    `CodeGemma of 28 layers, 7 billion parameters, trained to talk about code, ${better}`,
  ),
  preset('gemma2_2b_en', 'keras/gemma2/keras/gemma2_2b_en/2', second2b, 'Gemma 2 of 26 layers, 2 billion parameters'),
  preset(
    'gemma2_instruct_2b_en',
    'keras/gemma2/keras/gemma2_instruct_2b_en/2',
    second2b,
    'Gemma 2 of 26 layers, 2 billion parameters, tuned to follow instructions',
  ),
  preset('gemma2_9b_en', 'keras/gemma2/keras/gemma2_9b_en/4', second9b, 'Gemma 2 of 42 layers, 9 billion parameters'),
  preset(
    'gemma2_instruct_9b_en',
    'keras/gemma2/keras/gemma2_instruct_9b_en/4',
    second9b,
    'Gemma 2 of 42 layers, 9 billion parameters, tuned to follow instructions',
  ),
  preset(
    'gemma2_27b_en',
    'keras/gemma2/keras/gemma2_27b_en/3',
    second27b,
    'Gemma 2 of 46 layers, 27 billion parameters',
  ),
  preset(
    'gemma2_instruct_27b_en',
    'keras/gemma2/keras/gemma2_instruct_27b_en/3',
    second27b,
    'Gemma 2 of 46 layers, 27 billion parameters, tuned to follow instructions',
  ),
  preset(
    'shieldgemma_2b_en',
    'google/shieldgemma/keras/shieldgemma_2b_en/2',
    second2b,
    'ShieldGemma of 26 layers, 2 billion parameters',
  ),
  preset(
    'shieldgemma_9b_en',
    'google/shieldgemma/keras/shieldgemma_9b_en/2',
    second9b,
    'ShieldGemma of 42 layers, 9 billion parameters',
  ),
  preset(
    'shieldgemma_27b_en',
    'google/shieldgemma/keras/shieldgemma_27b_en/2',
    second27b,
    'ShieldGemma of 46 layers, 27 billion parameters',
  ),
]);
