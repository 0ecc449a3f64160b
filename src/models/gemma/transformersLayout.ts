import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type GemmaConfig, parseGemmaConfig } from './config.ts';

const isSecond = ({ usePostAttentionNorm, usePostFfwNorm }: GemmaConfig): boolean =>
  usePostAttentionNorm || usePostFfwNorm;

/** The whole number whose root a score is divided by, if there is one that gives this very factor. */
const queryScalar = ({ queryScale }: GemmaConfig): number => {
  const exact = 1 / queryScale ** 2;
  const whole = Math.round(exact);
  return 1 / Math.sqrt(whole) === queryScale ? whole : exact;
};

/** How transformers writes a Gemma or a Gemma 2 down. @see transformers.GemmaConfig, transformers.Gemma2Config */
export const gemmaTransformersLayout: TransformersLayout<GemmaConfig> = {
  classes: (config) => {
    const name = isSecond(config) ? 'Gemma2' : 'Gemma';
    return { backbone: `${name}Model`, causalLM: `${name}ForCausalLM` };
  },
  parse: parseGemmaConfig,
  // KerasHub's flag is not read; transformers takes a length for a hint.
  free: ['queryHeadDimNormalize', 'maxSequenceLength'],
  isSame: (field, { useSlidingWindowAttention }) => field === 'slidingWindowSize' && !useSlidingWindowAttention,
  config: (config) => {
    const activation = config.activation === 'geluApproximate' ? 'gelu_pytorch_tanh' : undefined;
    const shared = {
      vocab_size: config.vocabularySize,
      num_hidden_layers: config.numLayers,
      num_attention_heads: config.numQueryHeads,
      num_key_value_heads: config.numKeyValueHeads,
      hidden_size: config.hiddenDim,
      intermediate_size: config.intermediateDim / 2,
      head_dim: config.headDim,
      rms_norm_eps: config.layerNormEpsilon,
      attention_dropout: config.dropout,
      attention_bias: config.attentionBias,
      max_position_embeddings: config.maxSequenceLength ?? 8192,
      rope_parameters: { rope_type: 'default', rope_theta: config.ropeMaxWavelength },
      tie_word_embeddings: true,
    };
    if (!isSecond(config))
      return {
        model_type: 'gemma',
        ...shared,
        // The first Gemmas' "gelu" means the tanh form.
        hidden_act:
          activation ?? (config.activation === 'gelu' ? 'gelu_python' : transformersActivation[config.activation]),
      };
    const scalar = queryScalar(config);
    return {
      model_type: 'gemma2',
      ...shared,
      hidden_activation: activation ?? transformersActivation[config.activation],
      // Anything but a whole number is no config of transformers'.
      query_pre_attn_scalar: Number.isInteger(scalar) ? scalar : Math.max(1, Math.round(scalar)),
      attn_logit_softcapping: config.attentionLogitSoftCap,
      final_logit_softcapping: config.finalLogitSoftCap,
      sliding_window: config.slidingWindowSize,
      layer_types: config.slidingLayers.map((slides) => (slides ? 'sliding_attention' : 'full_attention')),
    };
  },
};
