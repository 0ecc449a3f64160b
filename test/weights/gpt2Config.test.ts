import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { type GPT2Options, makeGPT2Config, parseGPT2Config } from '../../src/models/gpt2/config.ts';
import { gpt2Presets } from '../../src/models/gpt2/presets.ts';
import { gpt2Weights } from '../../src/models/gpt2/weightNames.ts';
import { countParams } from '../../src/models/weightEntry.ts';
import { fixture, left, right } from './helpers.ts';

const sizes: GPT2Options = { vocabularySize: 97, numLayers: 2, numHeads: 3, hiddenDim: 24, intermediateDim: 96 };
const kerasSizes = { vocabulary_size: 97, num_layers: 2, num_heads: 3, hidden_dim: 24, intermediate_dim: 96 };
const keras = (change: object = {}): unknown => ({ config: { ...kerasSizes, ...change } });
const transformers = (change: object = {}): unknown => ({
  model_type: 'gpt2',
  vocab_size: 97,
  n_layer: 2,
  n_head: 3,
  n_embd: 24,
  n_positions: 16,
  ...change,
});

describe('GPT2Config', () => {
  it("has KerasHub's defaults", () => {
    const config = right(makeGPT2Config(sizes));
    expect(config).toEqual({
      ...sizes,
      dropout: 0.1,
      maxSequenceLength: 1024,
      layerNormEpsilon: 1e-5,
      activation: 'geluApproximate',
    });
    expect(right(parseGPT2Config('keras', keras()))).toEqual(config);
  });

  it('S116 reads what KerasHub and transformers write', async () => {
    for (const layout of ['keras', 'transformers'] as const) {
      const text = await readFile(join(fixture(`${layout}/a_float32`), 'config.json'), 'utf8');
      const { vocabularySize, numHeads, hiddenDim } = right(parseGPT2Config(layout, JSON.parse(text)));
      expect([vocabularySize, numHeads, hiddenDim]).toEqual([97, 3, 24]);
    }
  });

  it("has transformers' defaults and second names in a transformers folder", () => {
    expect(right(parseGPT2Config('transformers', {}))).toEqual(gpt2Presets.get('gpt2_base_en')!.config);
    expect(right(parseGPT2Config('transformers', transformers({ n_inner: null }))).intermediateDim).toBe(96);
    expect(right(parseGPT2Config('transformers', transformers({ n_inner: 40 }))).intermediateDim).toBe(40);
    const second = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 4, max_position_embeddings: 8 };
    expect(right(parseGPT2Config('transformers', second))).toMatchObject({
      hiddenDim: 32,
      numLayers: 1,
      numHeads: 4,
      maxSequenceLength: 8,
    });
    const { layerNormEpsilon } = right(parseGPT2Config('transformers', transformers({ layer_norm_epsilon: 1e-6 })));
    expect(layerNormEpsilon).toBe(1e-6);
  });

  it.each([
    ['gelu_new', 'geluApproximate'],
    ['gelu_pytorch_tanh', 'geluApproximate'],
    ['gelu_fast', 'geluApproximate'],
    ['gelu', 'gelu'],
    ['relu', 'relu'],
  ])('computes activation_function %s as %s', (name, activation) => {
    expect(right(parseGPT2Config('transformers', transformers({ activation_function: name }))).activation).toBe(
      activation,
    );
  });

  it.each([
    ['activation_function', 'silu'],
    ['activation_function', 'toString'],
    ['activation_function', null],
    ['scale_attn_weights', false],
    ['scale_attn_by_inverse_layer_idx', true],
    ['add_cross_attention', true],
    ['tie_word_embeddings', false],
    ['n_layer', 1e9],
    ['n_head', 0],
    ['n_head', 5],
    ['n_embd', -24],
    ['n_positions', 1.5],
    ['vocab_size', '97'],
    ['vocab_size', null],
    ['n_inner', 0],
    ['layer_norm_epsilon', 0],
    ['resid_pdrop', 1],
  ])('refuses a transformers config with %s = %s, by name', (name, value) => {
    const { _tag, message } = left(parseGPT2Config('transformers', transformers({ [name]: value })));
    expect(_tag).toBe('WrongConfig');
    expect(message).toContain(name === 'n_head' && value === 5 ? 'must be a multiple of the number of heads' : name);
  });

  it.each([
    ['num_layers', 1_000_000_000],
    ['num_layers', 0],
    ['num_heads', 0],
    ['num_heads', -3],
    ['hidden_dim', 25],
    ['hidden_dim', 24.5],
    ['hidden_dim', Number.NaN],
    ['intermediate_dim', null],
    ['intermediate_dim', undefined],
    ['vocabulary_size', '97'],
    ['max_sequence_length', 0],
    ['dropout', -0.1],
    ['dropout', 'none'],
    ['dtype', { class_name: 'QuantizedDTypePolicy', config: { mode: 'int8' } }],
    ['dtype', 'int8_from_float32'],
  ])('refuses a Keras config with %s = %s, by name', (name, value) => {
    const { message } = left(parseGPT2Config('keras', keras({ [name]: value })));
    expect(message).toContain(
      name === 'hidden_dim' && value === 25 ? 'must be a multiple of the number of heads' : name,
    );
  });

  it('says everything that is wrong at once', () => {
    const { message } = left(makeGPT2Config({ ...sizes, numLayers: 0, numHeads: 2.5, dropout: 2 }));
    expect(message).toBe(
      'GPT2Backbone: numLayers: expected a whole number from 1 to 4096, got 0; numHeads: expected a whole number from 1 to 16777216, got 2.5; dropout: expected a number from 0 to below 1, got 2',
    );
  });

  it('refuses sizes that are each possible but together absurd', () => {
    const huge = { ...sizes, numLayers: 4096, numHeads: 1, hiddenDim: 2 ** 24, intermediateDim: 2 ** 24 };
    expect(left(makeGPT2Config(huge)).message).toContain('expected at most');
  });

  it('never throws on any JSON, and what it accepts has whole positive sizes', () =>
    fc.assert(
      fc.property(
        fc.constantFrom('keras' as const, 'transformers' as const),
        fc.oneof(
          fc.jsonValue(),
          fc.dictionary(
            fc.constantFrom(...Object.keys(kerasSizes), 'n_embd', 'n_head', '__proto__', 'config'),
            fc.jsonValue(),
          ),
        ),
        (layout, json) => {
          for (const value of [json, { config: json }]) {
            const parsed = parseGPT2Config(layout, value);
            if (E.isRight(parsed)) expect(parsed.right.hiddenDim % parsed.right.numHeads).toBe(0);
            else expect(parsed.left.message.length).toBeLessThan(2000);
          }
        },
      ),
    ));

  it('takes nothing from what every object inherits', () => {
    const inherited: unknown = { config: Object.create(kerasSizes) };
    expect(left(parseGPT2Config('keras', inherited)).message).toContain('got nothing');
  });
});

describe('gpt2Presets', () => {
  it('S25 has the five ids of KerasHub', () => {
    expect([...gpt2Presets.keys()]).toEqual([
      'gpt2_base_en',
      'gpt2_medium_en',
      'gpt2_large_en',
      'gpt2_extra_large_en',
      'gpt2_base_en_cnn_dailymail',
    ]);
  });

  it.each([...gpt2Presets])(
    'S25 %s has exactly the registered number of parameters',
    (id, { metadata, kaggleHandle, config }) => {
      expect(countParams(gpt2Weights(config))).toBe(metadata.params);
      expect(kaggleHandle).toBe(`kaggle://keras/gpt2/keras/${id}/3`);
      expect(right(makeGPT2Config(config))).toEqual(config);
    },
  );
});
