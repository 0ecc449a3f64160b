import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it, vi } from 'vitest';
import type { ConfigParser } from '../../src/models/configParser.ts';
import {
  parseAlbertConfig,
  parseBartConfig,
  parseBertConfig,
  parseDebertaV3Config,
  parseDistilBertConfig,
  parseFalconConfig,
  parseFNetConfig,
  parseGemmaConfig,
  parseGPT2Config,
  parseRobertaConfig,
  parseXLMRobertaConfig,
} from '../../src/models/index.ts';
import type { PresetLayout } from '../../src/models/weightEntry.ts';
import { BertBackbone } from '../../src/tasks/bert.ts';
import { GPT2Backbone } from '../../src/tasks/gpt2.ts';
import { fixture, presetPath } from '../support/fixtures.ts';

type Json = Readonly<Record<string, unknown>>;

const parsers: ReadonlyMap<unknown, ConfigParser<object>> = new Map<unknown, ConfigParser<object>>([
  ['gpt2', parseGPT2Config],
  ['bart', parseBartConfig],
  ['bert', parseBertConfig],
  ['albert', parseAlbertConfig],
  ['distilbert', parseDistilBertConfig],
  ['roberta', parseRobertaConfig],
  ['xlm-roberta', parseXLMRobertaConfig],
  ['deberta-v2', parseDebertaV3Config],
  ['fnet', parseFNetConfig],
  ['falcon', parseFalconConfig],
  ['gemma', parseGemmaConfig],
  ['gemma2', parseGemmaConfig],
]);

/** What parsing says: the complaint, or the warnings. */
const said = (json: Json, layout: PresetLayout = 'transformers', family: unknown = json.model_type): string => {
  const warnings: string[] = [];
  const parsed = parsers.get(family)!(layout, json, (message) => warnings.push(message));
  return E.isLeft(parsed) ? parsed.left.message : warnings.join('\n');
};

/** What transformers 5 writes: of each family the defaults, and then with labels. */
const { configs } = fixture<{ readonly configs: readonly Json[] }>('configs');
const defaults: readonly Json[] = configs.filter((_, index) => index % 2 === 0);

/** Fields that every config of transformers 4.46 has besides, with their defaults. */
const older = {
  _attn_implementation_autoset: false,
  _name_or_path: '',
  architectures: null,
  bad_words_ids: null,
  begin_suppress_tokens: null,
  chunk_size_feed_forward: 0,
  cross_attention_hidden_size: null,
  diversity_penalty: 0,
  do_sample: false,
  early_stopping: false,
  encoder_no_repeat_ngram_size: 0,
  exponential_decay_length_penalty: null,
  finetuning_task: null,
  forced_bos_token_id: null,
  length_penalty: 1,
  max_length: 20,
  min_length: 0,
  no_repeat_ngram_size: 0,
  num_beam_groups: 1,
  num_beams: 1,
  num_return_sequences: 1,
  output_attentions: false,
  output_scores: false,
  prefix: null,
  pruned_heads: {},
  remove_invalid_values: false,
  repetition_penalty: 1,
  return_dict: true,
  return_dict_in_generate: false,
  sep_token_id: null,
  suppress_tokens: null,
  task_specific_params: null,
  temperature: 1,
  tf_legacy_loss: false,
  tie_encoder_decoder: false,
  tokenizer_class: null,
  top_k: 50,
  top_p: 1,
  torch_dtype: 'float32',
  torchscript: false,
  typical_p: 1,
  use_bfloat16: false,
};

/** What released files of older versions say besides, by family. */
const released: Readonly<Record<string, Json>> = {
  gpt2: {
    n_ctx: 1024,
    task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
    gradient_checkpointing: false,
    _num_labels: 1,
  },
  bart: {
    _num_labels: 3,
    add_bias_logits: false,
    add_final_layer_norm: false,
    classif_dropout: 0,
    early_stopping: true,
    extra_pos_embeddings: 2,
    force_bos_token_to_be_generated: true,
    gradient_checkpointing: false,
    normalize_before: false,
    normalize_embedding: true,
    num_hidden_layers: 12,
    output_past: true,
    prefix: ' ',
    save_step: 58,
    static_position_embeddings: false,
  },
  bert: {
    directionality: 'bidi',
    gradient_checkpointing: false,
    pooler_fc_size: 768,
    pooler_num_attention_heads: 12,
    pooler_num_fc_layers: 3,
    pooler_size_per_head: 128,
    pooler_type: 'first_token_transform',
    position_embedding_type: 'absolute',
  },
  albert: { down_scale_factor: 1, gap_size: 0, layers_to_keep: [], net_structure_type: 0, num_memory_blocks: 0 },
  distilbert: { finetuning_task: 'sst-2', tie_weights_: true, output_past: true },
  roberta: { gradient_checkpointing: false, position_embedding_type: 'absolute' },
  'xlm-roberta': { output_past: true, position_embedding_type: 'absolute' },
  'deberta-v2': { pooler_dropout: 0, summary_last_dropout: 0.1, padding_idx: 0, use_cache: false },
  fnet: { use_cache: true },
  falcon: {
    auto_map: { AutoConfig: 'configuration_falcon.FalconConfig' },
    ff_factor: 4,
    rope_scaling: null,
    rope_theta: 10000,
  },
  gemma: { hidden_act: 'gelu', hidden_activation: null, rope_scaling: null, rope_theta: 10000 },
  gemma2: {
    cache_implementation: 'hybrid',
    hidden_act: 'gelu_pytorch_tanh',
    sliding_window_size: 4096,
    rope_theta: 10000,
  },
};

describe('fields of a config', () => {
  it('pass without a word where transformers writes them', () => {
    expect(configs.length).toBe(24);
    for (const config of configs) {
      expect(said(config)).toBe('');
      expect(said({ ...config, ...older, ...released[String(config.model_type)] })).toBe('');
    }
  });

  it('pass without a word in every recorded preset, and what we write ourselves', async () => {
    for (const name of ['gemma_b_float32', 'falcon_c_float32', 'bart_a_float32', 'bert_text_classifier', 'a_float32'])
      for (const layout of ['keras', 'transformers'] as const) {
        const json: Json = JSON.parse(await readFile(join(presetPath(`${layout}/${name}`), 'config.json'), 'utf8'));
        const family = name.includes('_') ? name.split('_')[0] : 'gpt2';
        expect(said(json, layout, family === 'a' ? 'gpt2' : family)).toBe('');
      }
  });

  it('are named once where they are unknown and none that matters', () => {
    for (const config of defaults)
      expect(said({ ...config, foo: 1, constructor: 2, bar: null })).toMatch(
        /^config\.json: "foo", "constructor", "bar": unknown in a config of [\w -]+, passed over$/,
      );
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}\n${'x'.repeat(1000)}`, i]));
    const message = said({ ...defaults[0], ...many });
    expect(message).toContain(' and 4992 more: unknown in a config of GPT-2');
    expect(message.length).toBeLessThan(1200);
    expect(message).not.toContain('\n');
    expect(
      said(
        { config: { vocabulary_size: 9, num_layers: 1, num_heads: 1, hidden_dim: 2, intermediate_dim: 2, foo: 1 } },
        'keras',
        'gpt2',
      ),
    ).toBe('config.json: "foo": unknown in a config of GPT-2, passed over');
  });

  it('are refused by name where they ask for another arithmetic, in every family', () => {
    const wrong: Json = {
      quantization_config: { bits: 4, quant_method: 'gptq' },
      tie_encoder_decoder: true,
      add_cross_attention: true,
      cross_attention_hidden_size: 12,
      pruned_heads: { '1': [0] },
      position_embedding_type: 'relative_key',
    };
    for (const config of defaults)
      for (const [name, value] of Object.entries(wrong))
        expect(said({ ...config, [name]: value })).toMatch(new RegExp(`^config\\.json of [^:]+: ${name}: expected`));
    const refusing = (name: string, value: unknown): unknown =>
      defaults
        .filter((config) => said({ ...config, [name]: value }).includes(`${name}: expected`))
        .map((c) => c.model_type);
    const all = defaults.map(({ model_type }) => model_type);
    const but = (...names: readonly string[]): unknown => all.filter((name) => !names.includes(String(name)));
    expect(refusing('tie_word_embeddings', false)).toEqual(but('falcon'));
    expect(refusing('is_encoder_decoder', true)).toEqual(but('bart'));
    expect(refusing('is_decoder', true)).toEqual(but('gpt2', 'falcon', 'gemma', 'gemma2'));
    expect(refusing('alibi', true)).toEqual(but('falcon'));
    expect(refusing('rope_theta', 5000)).toEqual(but('falcon', 'gemma', 'gemma2'));
    expect(refusing('rope_scaling', { type: 'linear', factor: 2 })).toEqual(all);
  });

  it('are refused by name where they ask for another arithmetic, in one family', () => {
    const of = (family: string): Json => defaults.find(({ model_type }) => model_type === family)!;
    for (const [family, name, value] of [
      ['gpt2', 'scale_attn_by_inverse_layer_idx', true],
      ['gpt2', 'scale_attn_weights', false],
      ['bart', 'extra_pos_embeddings', 0],
      ['bart', 'normalize_before', true],
      ['bart', 'is_encoder_decoder', false],
      ['falcon', 'apply_residual_connection_post_layernorm', true],
      ['gemma', 'hidden_activation', 'gelu'],
      ['gemma', 'use_bidirectional_attention', true],
      ['gemma2', 'hidden_activation', 'silu'],
      ['deberta-v2', 'conv_kernel_size', 3],
      ['bert', 'hidden_act', 'silu'],
      ['fnet', 'hidden_act', 'tanh'],
    ] as const)
      expect(said({ ...of(family), [name]: value })).toContain(`: ${name}: expected`);
    const keras = { vocabulary_size: 9, num_layers: 1, num_heads: 1, hidden_dim: 2, intermediate_dim: 2 };
    for (const name of ['layer_norm_epsilon', 'activation', 'rope_max_wavelength', 'quantization_config'])
      expect(said({ config: { ...keras, [name]: 1e-3 } }, 'keras', 'bert')).toContain(
        `${name}: expected null, got 0.001`,
      );
  });

  it('that are unknown are said on the console when a preset is opened, the first time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'purelm-keys-'));
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      await cp(presetPath('transformers/a_float32'), folder, { recursive: true });
      const path = join(folder, 'config.json');
      const config: Json = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...config, attention_sinks: 4 }));
      for (let time = 0; time < 2; time++) await GPT2Backbone.fromPreset(folder, { loadWeights: false });
      expect(warn.mock.calls).toEqual([
        [`purelm: ${folder}: config.json: "attention_sinks": unknown in a config of GPT-2, passed over`],
      ]);
      await writeFile(path, JSON.stringify({ ...config, quantization_config: { quant_method: 'awq' } }));
      await expect(GPT2Backbone.fromPreset(folder, { loadWeights: false })).rejects.toThrow('quantization_config');
      warn.mockClear();
      await BertBackbone.fromPreset(presetPath('transformers/bert_backbone'), { loadWeights: false });
      expect(warn).not.toHaveBeenCalled();
    } finally {
      warn.mockRestore();
      await rm(folder, { recursive: true });
    }
  });
});
