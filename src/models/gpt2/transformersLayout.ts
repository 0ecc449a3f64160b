import { type TransformersLayout, transformersActivation } from '../transformersLayout.ts';
import { type GPT2Config, parseGPT2Config } from './config.ts';

/** How transformers writes a GPT-2 down. @see transformers.GPT2Config */
export const gpt2TransformersLayout: TransformersLayout<GPT2Config> = {
  classes: () => ({ backbone: 'GPT2Model', causalLM: 'GPT2LMHeadModel' }),
  parse: parseGPT2Config,
  config: (config) => ({
    model_type: 'gpt2',
    vocab_size: config.vocabularySize,
    n_layer: config.numLayers,
    n_head: config.numHeads,
    n_embd: config.hiddenDim,
    n_inner: config.intermediateDim,
    n_positions: config.maxSequenceLength,
    resid_pdrop: config.dropout,
    embd_pdrop: config.dropout,
    attn_pdrop: config.dropout,
    layer_norm_epsilon: config.layerNormEpsilon,
    activation_function: transformersActivation[config.activation],
    tie_word_embeddings: true,
  }),
};
