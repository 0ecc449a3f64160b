import { type ConfigReader, preview } from './configReader.ts';
import type { PresetLayout } from './weightEntry.ts';

/** Fields of transformers' configs that change no number of a forward pass, by what they are for. */
const harmless = {
  bookkeeping: [
    '_attn_implementation',
    '_attn_implementation_autoset',
    '_commit_hash',
    '_name_or_path',
    '_num_labels',
    'architectures',
    'attn_implementation',
    'auto_map',
    'custom_pipelines',
    'dtype',
    'finetuning_task',
    'id2label',
    'label2id',
    'language',
    'model_type',
    'num_labels',
    'prefix',
    'problem_type',
    'save_step',
    'sentence_transformers',
    'task_specific_params',
    'tokenizer_class',
    'torch_dtype',
    'transformers.js_config',
    'transformers_version',
    'unsloth_fixed',
    'unsloth_version',
  ],
  // Which outputs there are, and ways to the same numbers.
  running: [
    'chunk_size_feed_forward',
    'output_attentions',
    'output_hidden_states',
    'output_past',
    'output_scores',
    'pretraining_tp',
    'return_dict',
    'slow_but_exact',
    'tf_legacy_loss',
    'torchscript',
    'use_bfloat16',
    'use_cache',
    'xla_device',
  ],
  // Tokens that tokenizers and generation put in or leave out.
  tokens: [
    'bos_token_id',
    'cls_token_id',
    'decoder_start_token_id',
    'eos_token_id',
    'mask_token_id',
    'pad_token_id',
    'sep_token_id',
    'unk_token_id',
  ],
  // How weights start, what is dropped in training, and heads that are not ours.
  training: [
    'activation_dropout',
    'attention_dropout',
    'attention_probs_dropout_prob',
    'attn_pdrop',
    'classif_dropout',
    'classifier_dropout',
    'classifier_dropout_prob',
    'decoder_layerdrop',
    'dropout',
    'embd_pdrop',
    'encoder_layerdrop',
    'gradient_checkpointing',
    'hidden_dropout',
    'hidden_dropout_prob',
    'init_std',
    'initializer_factor',
    'initializer_range',
    'pooler_dropout',
    'qa_dropout',
    'resid_pdrop',
    'seq_classif_dropout',
    'summary_activation',
    'summary_first_dropout',
    'summary_last_dropout',
    'summary_proj_to_labels',
    'summary_type',
    'summary_use_proj',
  ],
  // transformers 4 and older kept these with the model.
  generation: [
    'bad_words_ids',
    'begin_suppress_tokens',
    'cache_implementation',
    'diversity_penalty',
    'do_sample',
    'early_stopping',
    'encoder_no_repeat_ngram_size',
    'exponential_decay_length_penalty',
    'force_bos_token_to_be_generated',
    'forced_bos_token_id',
    'forced_eos_token_id',
    'length_penalty',
    'max_length',
    'max_new_tokens',
    'min_length',
    'no_repeat_ngram_size',
    'num_beam_groups',
    'num_beams',
    'num_return_sequences',
    'remove_invalid_values',
    'repetition_penalty',
    'return_dict_in_generate',
    'suppress_tokens',
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
  ],
} as const;

const everywhere: ReadonlySet<string> = new Set(Object.values(harmless).flat());

/** Besides, by family: what its class of transformers passes over or never reads, or reads for a case that is not this one. */
const harmlessIn: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'ALBERT',
    ['down_scale_factor', 'gap_size', 'layers_to_keep', 'net_structure_type', 'num_memory_blocks', 'pooler_type'],
  ],
  // A bias of the logits stands in the weights, whatever the config says.
  ['BART', ['add_bias_logits']],
  [
    'BERT',
    [
      'directionality',
      'pooler_fc_size',
      'pooler_num_attention_heads',
      'pooler_num_fc_layers',
      'pooler_size_per_head',
      'pooler_type',
    ],
  ],
  ['DeBERTa V3', ['conv_act', 'legacy', 'padding_idx']],
  // Places by sinus are stored like any others.
  ['DistilBERT', ['sinusoidal_pos_embds', 'tie_weights_']],
  ['FNet', ['tpu_short_seq_length', 'use_tpu_fourier_optimizations']],
  // Rotary positions and ALiBi know no end. Keys and values have one head with multi_query, whatever their number says.
  ['Falcon', ['ff_factor', 'is_decoder', 'max_position_embeddings', 'num_kv_heads']],
  // A Gemma 2 goes by hidden_activation and sliding_window.
  ['Gemma', ['hidden_act', 'is_decoder', 'max_position_embeddings', 'sliding_window', 'sliding_window_size']],
  // Scores and softmax are float32 in any case.
  ['GPT-2', ['is_decoder', 'n_ctx', 'reorder_and_upcast_attn']],
]);

/** Fields of KerasHub's configs that say nothing of the arithmetic. */
const harmlessInKeras: ReadonlySet<string> = new Set(['name', 'trainable']);

/** With which values a field is harmless, and what it would ask for with others. */
interface Arithmetic {
  readonly name: string;
  readonly values: readonly unknown[];
  readonly why: string;
}

const rotary = (name: string): Arithmetic => ({ name, values: [null], why: 'rotary positions are not supported here' });
const fixedInKeras = (name: string): Arithmetic => ({
  name,
  values: [null],
  why: 'KerasHub has one arithmetic for this family, and no such field',
});

/** Fields that change the arithmetic of any family which does not read them itself. */
const arithmetic: Readonly<Record<PresetLayout, readonly Arithmetic[]>> = {
  transformers: [
    { name: 'compression_config', values: [null], why: 'weights that another library quantized are not supported' },
    { name: 'tie_word_embeddings', values: [true], why: 'an output table of its own is not supported' },
    { name: 'tie_encoder_decoder', values: [false, null], why: 'stacks of the same weights are not supported' },
    { name: 'is_encoder_decoder', values: [false, null], why: 'two stacks are not supported here' },
    { name: 'add_cross_attention', values: [false, null], why: 'cross-attention is not supported here' },
    { name: 'cross_attention_hidden_size', values: [null], why: 'cross-attention is not supported here' },
    { name: 'pruned_heads', values: [{}, null], why: 'layers with heads of their own are not supported' },
    { name: 'position_embedding_type', values: ['absolute', null], why: 'other positions are not supported' },
    { name: 'alibi', values: [false, null], why: 'ALiBi is not supported here' },
    rotary('rope_theta'),
    rotary('rope_scaling'),
    rotary('rope_parameters'),
  ],
  keras: [
    { name: 'quantization_config', values: [null], why: 'save the preset before quantizing it' },
    ...['activation', 'layer_norm_epsilon', 'rope_max_wavelength', 'rope_scaling_factor'].map(fixedInKeras),
  ],
};

/** Complains of fields that ask for another arithmetic and that nobody has read. */
export const refuseArithmetic = (layout: PresetLayout, reader: ConfigReader): void => {
  const unread = new Set(reader.unread());
  for (const { name, values, why } of arithmetic[layout])
    if (unread.has(name)) {
      const found = preview(reader.value(name));
      const expected = values.map(preview);
      if (!expected.includes(found))
        reader.complain(`${name}: expected ${expected.join(' or ')}, got ${found} (${why})`);
    }
};

/** Names that a message has room for. */
const mostNames = 8;

/** The fields of a config that nobody has read and that are not known to be harmless, in one sentence; undefined for none. */
export const unknownFields = (family: string, layout: PresetLayout, reader: ConfigReader): string | undefined => {
  const known = layout === 'keras' ? harmlessInKeras : everywhere;
  const own = layout === 'keras' ? [] : (harmlessIn.get(family) ?? []);
  const names = reader.unread().filter((name) => !known.has(name) && !own.includes(name));
  if (names.length === 0) return undefined;
  const shown = names.slice(0, mostNames).map(preview).join(', ');
  const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : '';
  return `${shown}${more}: unknown in a config of ${family}, passed over`;
};
