import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type FalconConfig, parseFalconConfig } from './config.ts';

/** How transformers writes a Falcon down. @see transformers.FalconConfig */
export const falconTransformersLayout: TransformersLayout<FalconConfig> = {
  // An output table of its own stands beside the base model.
  classes: ({ tieWordEmbeddings }) => ({
    backbone: tieWordEmbeddings ? 'FalconModel' : 'FalconForCausalLM',
    causalLM: 'FalconForCausalLM',
  }),
  parse: parseFalconConfig,
  outside: ['lm_head.weight'],
  config: (config) => {
    const { numAttentionHeads, numKeyValueHeads, numParallelNorms, parallelAttention } = config;
    // Without the newer architecture transformers knows one head of keys and values, or as many as of queries.
    const isNew =
      (numKeyValueHeads !== 1 && numKeyValueHeads !== numAttentionHeads) ||
      (parallelAttention && numParallelNorms === 2);
    const isMultiQuery = !isNew && numKeyValueHeads === 1;
    return {
      model_type: 'falcon',
      vocab_size: config.vocabularySize,
      num_hidden_layers: config.numLayers,
      num_attention_heads: numAttentionHeads,
      num_kv_heads: numKeyValueHeads,
      hidden_size: config.hiddenDim,
      ffn_hidden_size: config.intermediateDim,
      layer_norm_epsilon: config.layerNormEpsilon,
      attention_dropout: config.attentionDropoutRate,
      hidden_dropout: config.feedforwardDropoutRate,
      new_decoder_architecture: isNew,
      multi_query: isMultiQuery,
      parallel_attn: parallelAttention,
      num_ln_in_parallel_attn: isNew ? numParallelNorms : null,
      bias: config.useBias,
      activation: config.activation === 'silu' ? 'silu' : transformersActivation[config.activation],
      alibi: config.positions !== 'rotary',
      rope_parameters: { rope_type: 'default', rope_theta: config.ropeMaxWavelength },
      tie_word_embeddings: config.tieWordEmbeddings,
    };
  },
};
