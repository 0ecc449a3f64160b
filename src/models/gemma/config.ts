import { type Activation, ownActivations, transformersActivations } from '../activations.ts';
import { atMostParams, type ConfigRule, makeConfig, parseConfig } from '../configParser.ts';
import { type ConfigReader, preview } from '../configReader.ts';
import { aboveZero, flag, mostLayers, mostParams, mostWidth, positive, probability, ropeBase } from '../configRules.ts';

/** The sizes of a Gemma, by KerasHub's names, and what transformers' configs can say besides. */
export interface GemmaConfig {
  /** How many tokens there are. */
  readonly vocabularySize: number;
  /** How many decoder layers. */
  readonly numLayers: number;
  /** Heads of queries. */
  readonly numQueryHeads: number;
  /** Heads of keys and values; divides `numQueryHeads`, and each serves as many query heads as the other. */
  readonly numKeyValueHeads: number;
  /** Width of the residual stream. */
  readonly hiddenDim: number;
  /** Twice the neurons of the MLP, as KerasHub counts them: half is the gate. Even. */
  readonly intermediateDim: number;
  /** Width of a head; even. */
  readonly headDim: number;
  /** KerasHub keeps it and does not read it: scores are always divided by `sqrt(headDim)`. True if not given. */
  readonly queryHeadDimNormalize: boolean;
  /** Whether there is a norm behind the MLP, as in Gemma 2. False if not given. */
  readonly usePostFfwNorm: boolean;
  /** Whether there is a norm behind attention, as in Gemma 2. False if not given. */
  readonly usePostAttentionNorm: boolean;
  /** Bends scores: `cap * tanh(score / cap)`; null, as if not given: they stay straight. */
  readonly attentionLogitSoftCap: number | null;
  /** Bends logits the same way. */
  readonly finalLogitSoftCap: number | null;
  /** Whether every other layer, from the first, sees only the last `slidingWindowSize` places. False if not given. */
  readonly useSlidingWindowAttention: boolean;
  /** How many places such a layer sees, its own among them. 4096 if not given. */
  readonly slidingWindowSize: number;
  /** Added to the mean square in the final norm. 1e-6 if not given. */
  readonly layerNormEpsilon: number;
  /** Dropout of the attention pattern and of what attention adds, from 0 to below 1; 0 if not given. */
  readonly dropout: number;
  /** The longest text in tokens; null, as if not given: rotary positions know no end. KerasHub's layout cannot say it. */
  readonly maxSequenceLength: number | null;
  /** The same in the layers' norms; 1e-6 in KerasHub, whatever `layerNormEpsilon` is. */
  readonly blockNormEpsilon: number;
  /** Factor of the scores; `1 / sqrt(headDim)` in KerasHub. */
  readonly queryScale: number;
  /** Which layers have the window; the first, the third and so on in KerasHub, if there is one. */
  readonly slidingLayers: readonly boolean[];
  /** What makes gates of their projection; `geluApproximate` in KerasHub. */
  readonly activation: Activation;
  /** The base of the rotary wavelengths; 10000 in KerasHub. */
  readonly ropeMaxWavelength: number;
  /** Whether attention's projections have biases; false in KerasHub. */
  readonly attentionBias: boolean;
}

/**
 * What `GemmaBackbone` takes: the fields with a default may be left out. `numHeads` stands for `numQueryHeads` and
 * `numKeyValueHeads`, and then `headDim` may be left out too: it is `hiddenDim / numHeads`.
 */
export type GemmaOptions = Pick<GemmaConfig, 'vocabularySize' | 'numLayers' | 'hiddenDim' | 'intermediateDim'> &
  Partial<GemmaConfig> & {
    /** As many heads of queries as of keys and values. */
    readonly numHeads?: number;
  };

/** A number above 0, or null for none. */
const optionalNumber = (reader: ConfigReader, name: string, fallback: number | null): number | null => {
  const stored = reader.value(name);
  const found = stored === undefined ? fallback : stored;
  if (found === null || (typeof found === 'number' && Number.isFinite(found) && found > 0)) return found;
  reader.complain(`${name}: expected a number above 0 or null, got ${preview(found)}`);
  return null;
};

/** The layers that have the window in KerasHub. */
const everyOther = (numLayers: number, use: boolean): readonly boolean[] =>
  Array.from({ length: Math.min(numLayers, mostLayers) }, (_, index) => use && index % 2 === 0);

const slidingLayersOf = (reader: ConfigReader, numLayers: number, use: boolean): readonly boolean[] => {
  const found = reader.value('slidingLayers');
  if (found === undefined) return everyOther(numLayers, use);
  if (Array.isArray(found) && found.length === numLayers && found.every((value) => typeof value === 'boolean')) {
    if (!use && found.includes(true))
      reader.complain('useSlidingWindowAttention: expected true where slidingLayers has a layer, got false');
    return found as readonly boolean[];
  }
  reader.complain(`slidingLayers: expected true or false for each of ${numLayers} layers, got ${preview(found)}`);
  return [];
};

const fromOptions = (reader: ConfigReader): GemmaConfig => {
  const numLayers = reader.integer('numLayers', { high: mostLayers });
  const hiddenDim = reader.integer('hiddenDim', { high: mostWidth });
  const numHeads = reader.value('numHeads') === undefined ? undefined : reader.integer('numHeads', { high: mostWidth });
  const heads = (name: 'numQueryHeads' | 'numKeyValueHeads'): number => {
    if (numHeads !== undefined && reader.value(name) !== undefined)
      reader.complain(`numHeads: expected it without ${name}, which it stands for, got both`);
    return reader.integer(name, { high: mostWidth, ...(numHeads === undefined ? {} : { fallback: numHeads }) });
  };
  const numQueryHeads = heads('numQueryHeads');
  const numKeyValueHeads = heads('numKeyValueHeads');
  if (numHeads !== undefined && reader.value('headDim') === undefined && hiddenDim % numHeads !== 0)
    reader.complain(
      `numHeads: expected a divisor of hiddenDim where headDim is not given, got ${numHeads} and ${hiddenDim}`,
    );
  const headDim = reader.integer('headDim', {
    high: mostWidth,
    ...(numHeads === undefined ? {} : { fallback: Math.max(1, Math.floor(hiddenDim / numHeads)) }),
  });
  const useSlidingWindowAttention = flag(reader, 'useSlidingWindowAttention', false);
  return {
    vocabularySize: reader.integer('vocabularySize', { high: mostWidth }),
    numLayers,
    numQueryHeads,
    numKeyValueHeads,
    hiddenDim,
    intermediateDim: reader.integer('intermediateDim', { low: 2, high: 2 * mostWidth }),
    headDim,
    queryHeadDimNormalize: flag(reader, 'queryHeadDimNormalize', true),
    usePostFfwNorm: flag(reader, 'usePostFfwNorm', false),
    usePostAttentionNorm: flag(reader, 'usePostAttentionNorm', false),
    attentionLogitSoftCap: optionalNumber(reader, 'attentionLogitSoftCap', null),
    finalLogitSoftCap: optionalNumber(reader, 'finalLogitSoftCap', null),
    useSlidingWindowAttention,
    slidingWindowSize: reader.integer('slidingWindowSize', { high: mostParams, fallback: 4096 }),
    layerNormEpsilon: reader.number('layerNormEpsilon', { fallback: 1e-6, ...positive }),
    dropout: reader.number('dropout', { fallback: 0, ...probability }),
    maxSequenceLength:
      (reader.value('maxSequenceLength') ?? null) === null
        ? null
        : reader.integer('maxSequenceLength', { high: mostWidth }),
    blockNormEpsilon: reader.number('blockNormEpsilon', { fallback: 1e-6, ...positive }),
    queryScale: reader.number('queryScale', { fallback: 1 / Math.sqrt(headDim), ...aboveZero }),
    slidingLayers: slidingLayersOf(reader, numLayers, useSlidingWindowAttention),
    activation: reader.oneOf('activation', ownActivations, 'geluApproximate'),
    ropeMaxWavelength: reader.number('ropeMaxWavelength', { fallback: 10000, ...aboveZero }),
    attentionBias: flag(reader, 'attentionBias', false),
  };
};

const fromKeras = (reader: ConfigReader): GemmaConfig => {
  const numLayers = reader.integer('num_layers', { high: mostLayers });
  const headDim = reader.integer('head_dim', { high: mostWidth });
  const useSlidingWindowAttention = flag(reader, 'use_sliding_window_attention', false);
  return {
    vocabularySize: reader.integer('vocabulary_size', { high: mostWidth }),
    numLayers,
    numQueryHeads: reader.integer('num_query_heads', { high: mostWidth }),
    numKeyValueHeads: reader.integer('num_key_value_heads', { high: mostWidth }),
    hiddenDim: reader.integer('hidden_dim', { high: mostWidth }),
    intermediateDim: reader.integer('intermediate_dim', { low: 2, high: 2 * mostWidth }),
    headDim,
    queryHeadDimNormalize: flag(reader, 'query_head_dim_normalize', true),
    usePostFfwNorm: flag(reader, 'use_post_ffw_norm', false),
    usePostAttentionNorm: flag(reader, 'use_post_attention_norm', false),
    attentionLogitSoftCap: optionalNumber(reader, 'attention_logit_soft_cap', null),
    finalLogitSoftCap: optionalNumber(reader, 'final_logit_soft_cap', null),
    useSlidingWindowAttention,
    slidingWindowSize: reader.integer('sliding_window_size', { high: mostParams, fallback: 4096 }),
    layerNormEpsilon: reader.number('layer_norm_epsilon', { fallback: 1e-6, ...positive }),
    dropout: reader.number('dropout', { fallback: 0, ...probability }),
    maxSequenceLength: null,
    blockNormEpsilon: 1e-6,
    queryScale: 1 / Math.sqrt(headDim),
    slidingLayers: everyOther(numLayers, useSlidingWindowAttention),
    activation: 'geluApproximate',
    ropeMaxWavelength: 10000,
    attentionBias: false,
  };
};

/** Which layers have the window in a `gemma2` of transformers. */
const layerTypes = (reader: ConfigReader, numLayers: number): readonly boolean[] => {
  const found = reader.value('layer_types') ?? null;
  if (found === null) return everyOther(numLayers, true);
  if (
    Array.isArray(found) &&
    found.length === numLayers &&
    found.every((type) => type === 'sliding_attention' || type === 'full_attention')
  )
    return found.map((type) => type === 'sliding_attention');
  reader.complain(
    `layer_types: expected "sliding_attention" or "full_attention" for each of ${numLayers} layers, got ${preview(found)}`,
  );
  return [];
};

/** The activation of a first Gemma: they say "gelu" and mean its tanh form, and transformers reads them so. */
const firstActivation = (reader: ConfigReader, named: (field: string) => Activation): Activation => {
  const own = reader.value('hidden_act') === 'gelu' ? 'geluApproximate' : named('hidden_act');
  const other = reader.value('hidden_activation') ?? null;
  if (other !== null && transformersActivations.get(other) !== own)
    reader.complain(
      `hidden_activation: expected null or what hidden_act says, got ${preview(other)} (versions of transformers differ on which they read)`,
    );
  return own;
};

// Absent fields have the defaults of transformers' GemmaConfig and Gemma2Config.
const fromTransformers = (reader: ConfigReader): GemmaConfig => {
  const isSecond = reader.value('model_type') === 'gemma2';
  const sized = (names: string, fallback: number): number => reader.integer(names, { high: mostWidth, fallback });
  const named = (field: string): Activation => reader.oneOf(field, transformersActivations, 'gelu_pytorch_tanh');
  const numLayers = reader.integer('num_hidden_layers', { high: mostLayers, fallback: isSecond ? 26 : 28 });
  const headDim = sized('head_dim', 256);
  reader.fixed('tie_word_embeddings', true, 'an output table of its own is not supported');
  if ((reader.value('use_bidirectional_attention') ?? false) !== false)
    reader.complain(
      `use_bidirectional_attention: expected false, got ${preview(reader.value('use_bidirectional_attention'))} (a Gemma that looks ahead writes no text)`,
    );
  const epsilon = reader.number('rms_norm_eps', { fallback: 1e-6, ...positive });
  const slidingLayers = isSecond ? layerTypes(reader, numLayers) : everyOther(numLayers, false);
  const useSlidingWindowAttention = slidingLayers.includes(true);
  const queryScalar = isSecond ? reader.number('query_pre_attn_scalar', { fallback: 256, ...aboveZero }) : headDim;
  return {
    vocabularySize: sized('vocab_size', 256000),
    numLayers,
    numQueryHeads: sized('num_attention_heads', isSecond ? 8 : 16),
    numKeyValueHeads: sized('num_key_value_heads', isSecond ? 4 : 16),
    hiddenDim: sized('hidden_size', isSecond ? 2304 : 3072),
    intermediateDim: 2 * sized('intermediate_size', isSecond ? 9216 : 24576),
    headDim,
    queryHeadDimNormalize: queryScalar === headDim,
    usePostFfwNorm: isSecond,
    usePostAttentionNorm: isSecond,
    attentionLogitSoftCap: isSecond ? optionalNumber(reader, 'attn_logit_softcapping', 50) : null,
    finalLogitSoftCap: isSecond ? optionalNumber(reader, 'final_logit_softcapping', 30) : null,
    useSlidingWindowAttention,
    slidingWindowSize: useSlidingWindowAttention
      ? reader.integer('sliding_window', { high: mostParams, fallback: 4096 })
      : 4096,
    layerNormEpsilon: epsilon,
    dropout:
      reader.value('attention_dropout') === null
        ? 0
        : reader.number('attention_dropout', { fallback: 0, ...probability }),
    maxSequenceLength: null,
    blockNormEpsilon: epsilon,
    queryScale: 1 / Math.sqrt(queryScalar),
    slidingLayers,
    activation: isSecond ? named('hidden_activation') : firstActivation(reader, named),
    ropeMaxWavelength: ropeBase(reader),
    attentionBias: flag(reader, 'attention_bias', false),
  };
};

/** How many numbers the parameters are, from the sizes alone. */
const paramCount = (config: GemmaConfig): number => {
  const { vocabularySize, numLayers, numQueryHeads, numKeyValueHeads, hiddenDim: h, intermediateDim, headDim } = config;
  const norms = 2 + Number(config.usePostAttentionNorm) + Number(config.usePostFfwNorm);
  const projections = 2 * (numQueryHeads + numKeyValueHeads) * headDim * h + 1.5 * intermediateDim * h;
  const biases = config.attentionBias ? (numQueryHeads + 2 * numKeyValueHeads) * headDim + h : 0;
  return vocabularySize * h + numLayers * (projections + biases + norms * h) + h;
};

const rules: readonly ConfigRule<GemmaConfig>[] = [
  ({ numQueryHeads, numKeyValueHeads }) =>
    numQueryHeads % numKeyValueHeads === 0
      ? undefined
      : `the number of query heads must be a multiple of the number of key-value heads, got ${numQueryHeads} and ${numKeyValueHeads}`,
  ({ headDim }) =>
    headDim % 2 === 0
      ? undefined
      : `rotary positions turn heads in two halves: expected heads of an even width, got ${headDim}`,
  ({ intermediateDim }) =>
    intermediateDim % 2 === 0
      ? undefined
      : `the intermediate size is twice the MLP's width: expected an even number, got ${intermediateDim}`,
  atMostParams(paramCount),
];

/** A config from options, with KerasHub's defaults, or everything that is wrong with them. */
export const makeGemmaConfig = makeConfig<GemmaOptions, GemmaConfig>('GemmaBackbone', fromOptions, rules);

/** The names of all options of `GemmaBackbone`. */
export const gemmaOptionNames: readonly (keyof GemmaOptions)[] = [
  'vocabularySize',
  'numLayers',
  'numHeads',
  'numQueryHeads',
  'numKeyValueHeads',
  'hiddenDim',
  'intermediateDim',
  'headDim',
  'queryHeadDimNormalize',
  'usePostFfwNorm',
  'usePostAttentionNorm',
  'attentionLogitSoftCap',
  'finalLogitSoftCap',
  'useSlidingWindowAttention',
  'slidingWindowSize',
  'layerNormEpsilon',
  'dropout',
  'maxSequenceLength',
  'blockNormEpsilon',
  'queryScale',
  'slidingLayers',
  'activation',
  'ropeMaxWavelength',
  'attentionBias',
];

/**
 * The config of a preset, of a Gemma or a Gemma 2.
 *
 * A KerasHub preset follows KerasHub: blocks norm with epsilon 1e-6 and divide scores by `sqrt(headDim)`, whatever the config
 * says. A transformers folder follows transformers: `rms_norm_eps`, `query_pre_attn_scalar`, `layer_types`, `hidden_act` and
 * `hidden_activation`, `rope_theta` and `attention_bias` are honoured, and what we cannot compute is refused by name.
 *
 * @param layout - Which library wrote it.
 * @param json - The parsed config.json.
 * @param warn - Hears of fields that are unknown and passed over.
 * @see keras_hub.models.GemmaBackbone, transformers.GemmaConfig, transformers.Gemma2Config
 */
export const parseGemmaConfig = parseConfig<GemmaConfig>(
  'Gemma',
  { keras: fromKeras, transformers: fromTransformers },
  rules,
);
