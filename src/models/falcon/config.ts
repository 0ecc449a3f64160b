import { type Activation, transformersActivations as sharedActivations } from '../activations.ts';
import { atMostParams, type ConfigRule, headsDivide, makeConfig, parseConfig } from '../configParser.ts';
import { type ConfigReader, preview } from '../configReader.ts';
import { aboveZero, flag, mostLayers, mostWidth, positive, probability, ropeBase } from '../configRules.ts';

/** The feedforward activation: GELU by the error function or in its tanh form, ReLU, or SiLU. */
export type FalconActivation = Activation | 'silu';

/**
 * How a Falcon knows places: ALiBi; ALiBi with places and biases rounded to bfloat16, as transformers computes it; or
 * rotary.
 */
export type FalconPositions = 'alibi' | 'alibiBfloat16' | 'rotary';

/** The sizes of a Falcon, by KerasHub's names, and what transformers' configs can ask for besides. */
export interface FalconConfig {
  /** How many tokens there are. */
  readonly vocabularySize: number;
  /** How many decoder layers. */
  readonly numLayers: number;
  /** Attention heads a layer; divides `hiddenDim`. */
  readonly numAttentionHeads: number;
  /** Width of the residual stream. */
  readonly hiddenDim: number;
  /** Width between the two feedforward layers. */
  readonly intermediateDim: number;
  /** Added to the variance in the final layer norm; 1e-5 if not given. */
  readonly layerNormEpsilon: number;
  /** Dropout of the attention pattern and of what attention adds, from 0 to below 1; 0 if not given. */
  readonly attentionDropoutRate: number;
  /** Dropout of what the MLP adds, from 0 to below 1; 0 if not given. */
  readonly feedforwardDropoutRate: number;
  /** Heads of keys and values, each for as many query heads; divides `numAttentionHeads`, and is as many if not given. */
  readonly numKeyValueHeads: number;
  /** Added to the variance in the layers' norms; 1e-5 in KerasHub, whatever `layerNormEpsilon` is. */
  readonly blockLayerNormEpsilon: number;
  /** Whether the MLP reads what attention reads, rather than what attention leaves; false in KerasHub. */
  readonly parallelAttention: boolean;
  /** With `parallelAttention`: whether both read one norm, or each its own. 1 if not given. */
  readonly numParallelNorms: 1 | 2;
  /** Whether dense layers have biases; true in KerasHub. */
  readonly useBias: boolean;
  /** `gelu` in KerasHub. */
  readonly activation: FalconActivation;
  /** `alibi` in KerasHub. */
  readonly positions: FalconPositions;
  /** With rotary positions: the base of the wavelengths, transformers' `rope_theta`; 10000 if not given. */
  readonly ropeMaxWavelength: number;
  /** Whether the token table is the output table too; true in KerasHub. */
  readonly tieWordEmbeddings: boolean;
}

/** What `FalconBackbone` takes: the fields with a default may be left out. */
export type FalconOptions = Pick<
  FalconConfig,
  'vocabularySize' | 'numLayers' | 'numAttentionHeads' | 'hiddenDim' | 'intermediateDim'
> &
  Partial<FalconConfig>;

const named = <Name extends string>(...names: readonly Name[]): ReadonlyMap<unknown, Name> =>
  new Map(names.map((name) => [name, name]));

/** transformers' names for the activations whose arithmetic we have. */
const transformersActivations: ReadonlyMap<unknown, FalconActivation> = new Map([
  ...sharedActivations,
  ['silu', 'silu'] as const,
  ['swish', 'silu'] as const,
]);

const fromOptions = (reader: ConfigReader): FalconConfig => {
  const numAttentionHeads = reader.integer('numAttentionHeads', { high: mostWidth });
  return {
    vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
    numLayers: reader.integer('numLayers', { high: mostLayers }),
    numAttentionHeads,
    hiddenDim: reader.integer('hiddenDim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediateDim', { high: mostWidth }),
    layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-5, ...positive }),
    attentionDropoutRate: reader.number('attentionDropoutRate', { fallback: 0, ...probability }),
    feedforwardDropoutRate: reader.number('feedforwardDropoutRate', { fallback: 0, ...probability }),
    numKeyValueHeads: reader.integer('numKeyValueHeads', { high: mostWidth, fallback: numAttentionHeads }),
    blockLayerNormEpsilon: reader.number('blockLayerNormEpsilon', { fallback: 1e-5, ...positive }),
    parallelAttention: flag(reader, 'parallelAttention', false),
    numParallelNorms: reader.integer('numParallelNorms', { high: 2, fallback: 1 }) === 2 ? 2 : 1,
    useBias: flag(reader, 'useBias', true),
    activation: reader.oneOf('activation', named('gelu', 'geluApproximate', 'relu', 'silu'), 'gelu'),
    positions: reader.oneOf('positions', named('alibi', 'alibiBfloat16', 'rotary'), 'alibi'),
    ropeMaxWavelength: reader.number('ropeMaxWavelength', { fallback: 10000, ...aboveZero }),
    tieWordEmbeddings: flag(reader, 'tieWordEmbeddings', true),
  };
};

const fromKeras = (reader: ConfigReader): FalconConfig => {
  const numAttentionHeads = reader.integer('num_attention_heads', { high: mostWidth });
  return {
    vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
    numLayers: reader.integer('num_layers', { high: mostLayers }),
    numAttentionHeads,
    hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediate_dim', { high: mostWidth }),
    layerNormEpsilon: reader.number('layer_norm_epsilon', { fallback: 1e-5, ...positive }),
    attentionDropoutRate: reader.number('attention_dropout_rate', { fallback: 0, ...probability }),
    feedforwardDropoutRate: reader.number('feedforward_dropout_rate', { fallback: 0, ...probability }),
    numKeyValueHeads: numAttentionHeads,
    blockLayerNormEpsilon: 1e-5,
    parallelAttention: false,
    numParallelNorms: 1,
    useBias: true,
    activation: 'gelu',
    positions: 'alibi',
    ropeMaxWavelength: 10000,
    tieWordEmbeddings: true,
  };
};

/** How many norms a layer's attention and MLP read, by three flags of which transformers can run only some together. */
const parallelNorms = (reader: ConfigReader, isNew: boolean, isParallel: boolean): 1 | 2 => {
  const found = reader.value('num_ln_in_parallel_attn') ?? (isNew ? 2 : 1);
  if (isNew && !isParallel)
    reader.complain(
      'parallel_attn: expected true with new_decoder_architecture, got false (transformers cannot run it either)',
    );
  else if (found !== 1 && !(found === 2 && isNew))
    reader.complain(
      `num_ln_in_parallel_attn: expected ${isNew ? '1 or 2' : '1 or none without new_decoder_architecture'}, got ${preview(found)}`,
    );
  return found === 2 ? 2 : 1;
};

// Absent fields have the defaults of transformers' FalconConfig: those of Falcon-7B.
const fromTransformers = (reader: ConfigReader): FalconConfig => {
  const hiddenDim = reader.integer(['n_embed', 'hidden_size'], { high: mostWidth, fallback: 4544 });
  const numAttentionHeads = reader.integer('num_attention_heads', { high: mostWidth, fallback: 71 });
  reader.fixed(
    'apply_residual_connection_post_layernorm',
    false,
    'the residual stream after the norm is not supported',
  );
  const isNew = flag(reader, 'new_decoder_architecture', false);
  const isParallel = flag(reader, 'parallel_attn', true);
  const multiQuery = flag(reader, 'multi_query', true);
  const optional = (name: string, fallback: number): number =>
    reader.value(name) === null ? fallback : reader.integer(name, { high: mostWidth, fallback });
  const numKeyValueHeads = isNew
    ? optional('num_kv_heads', numAttentionHeads)
    : multiQuery
      ? 1
      : optional('num_kv_heads', numAttentionHeads);
  if (!isNew && !multiQuery && numKeyValueHeads !== numAttentionHeads)
    reader.complain(
      `num_kv_heads: expected ${numAttentionHeads}, one for each query head, without new_decoder_architecture, got ${numKeyValueHeads}`,
    );
  const epsilon = reader.number('layer_norm_epsilon', { fallback: 1e-5, ...positive });
  return {
    vocabularySize: reader.integer('vocab_size', { high: mostWidth, fallback: 65024 }),
    numLayers: reader.integer('num_hidden_layers', { high: mostLayers, fallback: 32 }),
    numAttentionHeads,
    hiddenDim,
    intermediateDim: optional('ffn_hidden_size', 4 * hiddenDim),
    layerNormEpsilon: epsilon,
    attentionDropoutRate: reader.number('attention_dropout', { fallback: 0, ...probability }),
    feedforwardDropoutRate: reader.number('hidden_dropout', { fallback: 0, ...probability }),
    numKeyValueHeads,
    blockLayerNormEpsilon: epsilon,
    parallelAttention: isParallel,
    numParallelNorms: parallelNorms(reader, isNew, isParallel),
    useBias: flag(reader, 'bias', false),
    activation: reader.oneOf('activation', transformersActivations, 'gelu'),
    positions: flag(reader, 'alibi', false) ? 'alibiBfloat16' : 'rotary',
    ropeMaxWavelength: ropeBase(reader),
    tieWordEmbeddings: flag(reader, 'tie_word_embeddings', true),
  };
};

/** How many numbers the parameters are, from the sizes alone. */
const paramCount = (config: FalconConfig): number => {
  const { vocabularySize, numLayers, numAttentionHeads, numKeyValueHeads, hiddenDim: h, intermediateDim: f } = config;
  const keysAndValues = 2 * numKeyValueHeads * (h / numAttentionHeads);
  const norms = config.parallelAttention && config.numParallelNorms === 1 ? 1 : 2;
  const biases = config.useBias ? 3 * h + keysAndValues + f : 0;
  const layer = 2 * h * h + h * keysAndValues + 2 * h * f + biases + 2 * h * norms;
  return (config.tieWordEmbeddings ? 1 : 2) * vocabularySize * h + numLayers * layer + 2 * h;
};

const rules: readonly ConfigRule<FalconConfig>[] = [
  ({ hiddenDim, numAttentionHeads }) => headsDivide({ hiddenDim, numHeads: numAttentionHeads }),
  ({ numAttentionHeads, numKeyValueHeads }) =>
    numAttentionHeads % numKeyValueHeads === 0
      ? undefined
      : `the number of heads must be a multiple of the number of key-value heads, got ${numAttentionHeads} and ${numKeyValueHeads}`,
  ({ hiddenDim, numAttentionHeads, positions }) =>
    positions !== 'rotary' || (hiddenDim / numAttentionHeads) % 2 === 0
      ? undefined
      : `rotary positions turn heads in two halves: expected heads of an even width, got ${hiddenDim / numAttentionHeads} (${hiddenDim} for ${numAttentionHeads} heads)`,
  ({ parallelAttention, numParallelNorms }) =>
    parallelAttention || numParallelNorms === 1
      ? undefined
      : 'numParallelNorms: expected 1 without parallelAttention, got 2',
  atMostParams(paramCount),
];

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeFalconConfig = makeConfig<FalconOptions, FalconConfig>('FalconBackbone', fromOptions, rules);

/**
 * The config of a preset.
 *
 * A KerasHub preset follows KerasHub: `layer_norm_epsilon` is the final norm's alone, and ALiBi is not rounded. A
 * transformers folder follows transformers: all of its flags are honoured, and what we cannot compute is refused by name.
 *
 * @param layout - Which library wrote it.
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.FalconBackbone, transformers.FalconConfig
 */
export const parseFalconConfig = parseConfig<FalconConfig>(
  'Falcon',
  { keras: fromKeras, transformers: fromTransformers },
  rules,
);
