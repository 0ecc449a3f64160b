import { readFileSync } from 'node:fs';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { type GemmaOptions, makeGemmaConfig, parseGemmaConfig } from '../../src/models/gemma/config.ts';
import { gemmaKerasLayout } from '../../src/models/gemma/kerasLayout.ts';
import { gemmaPresets } from '../../src/models/gemma/presets.ts';
import type { PresetLayout } from '../../src/models/weightEntry.ts';
import { GemmaBackbone } from '../../src/tasks/gemma.ts';
import { presetPath } from '../support/fixtures.ts';

const jsonOf = (preset: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${presetPath(preset)}/config.json`, 'utf8'));

const own = jsonOf('transformers/gemma_own_float32');
const first = jsonOf('transformers/gemma_a_float32');
const keras = jsonOf('keras/gemma_b_float32') as { readonly config: Record<string, unknown> };

const right = <A>(either: E.Either<{ readonly message: string }, A>): A => {
  if (E.isLeft(either)) throw new Error(either.left.message);
  return either.right;
};

const problem = (layout: PresetLayout, json: unknown): string | undefined => {
  const parsed = parseGemmaConfig(layout, json);
  return E.isLeft(parsed) ? parsed.left.message : undefined;
};

const sizes = {
  vocabularySize: 131,
  numLayers: 2,
  numQueryHeads: 3,
  numKeyValueHeads: 1,
  hiddenDim: 12,
  intermediateDim: 8,
  headDim: 4,
} as const;

describe('the config of a preset', () => {
  it('is KerasHub’s in KerasHub’s layout, whatever its epsilon and query scaling say', () => {
    const config = { ...keras.config, layer_norm_epsilon: 1e-3, query_head_dim_normalize: false };
    expect(right(parseGemmaConfig('keras', { ...keras, config }))).toEqual({
      vocabularySize: 131,
      numLayers: 2,
      numQueryHeads: 3,
      numKeyValueHeads: 1,
      hiddenDim: 21,
      intermediateDim: 28,
      headDim: 6,
      queryHeadDimNormalize: false,
      usePostFfwNorm: true,
      usePostAttentionNorm: true,
      attentionLogitSoftCap: 5,
      finalLogitSoftCap: 8,
      useSlidingWindowAttention: true,
      slidingWindowSize: 4,
      layerNormEpsilon: 1e-3,
      dropout: 0,
      maxSequenceLength: null,
      blockNormEpsilon: 1e-6,
      queryScale: 1 / Math.sqrt(6),
      slidingLayers: [true, false],
      activation: 'geluApproximate',
      ropeMaxWavelength: 10000,
      attentionBias: false,
    });
  });

  it('is transformers’ in transformers’ layout', () => {
    expect(right(parseGemmaConfig('transformers', own))).toMatchObject({
      intermediateDim: 20,
      queryHeadDimNormalize: false,
      usePostFfwNorm: true,
      attentionLogitSoftCap: 5,
      slidingWindowSize: 3,
      layerNormEpsilon: 1e-2,
      blockNormEpsilon: 1e-2,
      queryScale: 1 / Math.sqrt(11),
      slidingLayers: [false, true],
      activation: 'gelu',
      ropeMaxWavelength: 50,
      attentionBias: true,
    });
    expect(right(parseGemmaConfig('transformers', first))).toMatchObject({
      intermediateDim: 40,
      usePostFfwNorm: false,
      attentionLogitSoftCap: null,
      useSlidingWindowAttention: false,
      queryScale: 1 / Math.sqrt(8),
    });
  });

  it('has transformers’ defaults, its older names and its legacy "gelu"', () => {
    const second = right(parseGemmaConfig('transformers', { model_type: 'gemma2' }));
    expect(second).toMatchObject({
      vocabularySize: 256000,
      numLayers: 26,
      hiddenDim: 2304,
      intermediateDim: 18432,
      finalLogitSoftCap: 30,
      attentionLogitSoftCap: 50,
      slidingWindowSize: 4096,
      queryScale: 1 / 16,
      queryHeadDimNormalize: true,
    });
    expect(second.slidingLayers.slice(0, 3)).toEqual([true, false, true]);
    const older = { ...first, hidden_act: 'gelu', rope_parameters: undefined, rope_theta: 500, rope_scaling: null };
    expect(right(parseGemmaConfig('transformers', older))).toMatchObject({
      activation: 'geluApproximate',
      ropeMaxWavelength: 500,
    });
    expect(
      right(parseGemmaConfig('transformers', { ...own, final_logit_softcapping: null, attn_logit_softcapping: null })),
    ).toMatchObject({ finalLogitSoftCap: null, attentionLogitSoftCap: null });
  });

  it.each([
    [{ ...own, use_bidirectional_attention: true }, 'use_bidirectional_attention: expected false, got true'],
    [{ ...own, tie_word_embeddings: false }, 'tie_word_embeddings: expected true, got false'],
    [{ ...own, rope_parameters: { rope_type: 'linear', factor: 2 } }, 'expected the rope_type "default", got "linear"'],
    [{ ...own, rope_scaling: { type: 'dynamic' } }, 'rope_scaling: expected the rope_type "default", got "dynamic"'],
    [{ ...own, rope_parameters: { rope_theta: 0 } }, 'rope_theta: expected a number above 0, got 0'],
    [{ ...own, hidden_activation: 'silu_and_more' }, 'hidden_activation: expected one of'],
    [{ ...own, layer_types: ['full_attention'] }, 'layer_types: expected "sliding_attention" or "full_attention"'],
    [{ ...own, sliding_window: 0 }, 'sliding_window: expected a whole number from 1'],
    [{ ...own, sliding_window: null }, 'sliding_window: expected a whole number from 1'],
    [{ ...own, num_key_value_heads: 3 }, 'must be a multiple of the number of key-value heads, got 2 and 3'],
    [{ ...own, head_dim: 5 }, 'expected heads of an even width, got 5'],
    [{ ...own, attn_logit_softcapping: 0 }, 'attn_logit_softcapping: expected a number above 0 or null, got 0'],
    [{ ...own, query_pre_attn_scalar: -1 }, 'query_pre_attn_scalar: expected a number above 0, got -1'],
    [{ ...own, attention_bias: 'yes' }, 'attention_bias: expected true or false, got "yes"'],
    [{ ...own, num_hidden_layers: 1e9 }, 'num_hidden_layers: expected a whole number from 1 to 4096'],
    [[], 'expected an object, got []'],
  ])('is refused by the name of what is wrong: %#', (json, message) => {
    expect(problem('transformers', json)).toContain(message);
  });

  it.each([
    [{ sliding_window_size: 0 }, 'sliding_window_size: expected a whole number from 1'],
    [{ num_key_value_heads: 2 }, 'must be a multiple of the number of key-value heads, got 3 and 2'],
    [{ intermediate_dim: 27 }, "twice the MLP's width: expected an even number, got 27"],
    [{ head_dim: 7 }, 'expected heads of an even width, got 7'],
    [{ dtype: { class_name: 'QuantizedDTypePolicy' } }, 'dtype: expected a float policy'],
    [{ hidden_dim: undefined }, 'hidden_dim: expected a whole number'],
    [{ use_post_ffw_norm: 1 }, 'use_post_ffw_norm: expected true or false, got 1'],
    [{ vocabulary_size: 2 ** 24, hidden_dim: 2 ** 24 }, 'expected at most 8796093022208 parameters'],
  ])('of KerasHub is refused by the name of what is wrong: %#', (fields, message) => {
    expect(problem('keras', { ...keras, config: { ...keras.config, ...fields } })).toContain(message);
  });
});

describe('the options of GemmaBackbone', () => {
  const refused = (options: object): string | undefined => {
    const config = makeGemmaConfig(options as GemmaOptions);
    return E.isLeft(config) ? config.left.message : undefined;
  };

  it('S134: take numHeads for heads of both kinds, and then need no headDim', () => {
    const page = {
      vocabularySize: 30552,
      numLayers: 4,
      numHeads: 4,
      hiddenDim: 256,
      intermediateDim: 512,
      maxSequenceLength: 128,
    };
    expect(right(makeGemmaConfig(page))).toMatchObject({
      numQueryHeads: 4,
      numKeyValueHeads: 4,
      headDim: 64,
      maxSequenceLength: 128,
    });
    expect(refused({ ...page, numQueryHeads: 4 })).toContain('numHeads: expected it without numQueryHeads');
    expect(refused({ ...page, numHeads: 3 })).toContain('numHeads: expected a divisor of hiddenDim');
    expect(right(makeGemmaConfig({ ...page, numHeads: 3, headDim: 10 })).headDim).toBe(10);
  });

  it('say all that is wrong in one message', () => {
    expect(refused({ ...sizes, slidingWindowSize: 0, dropout: 1 })).toMatch(/slidingWindowSize: .*; dropout: /);
    expect(refused({})).toMatch(/vocabularySize: .*numLayers: |numLayers: .*vocabularySize: /);
    expect(refused({ ...sizes, slidingLayers: [true] })).toContain(
      'slidingLayers: expected true or false for each of 2',
    );
    expect(refused({ ...sizes, slidingLayers: [true, false] })).toContain('useSlidingWindowAttention: expected true');
    expect(() => GemmaBackbone({ ...sizes, headdim: 4 } as never)).toThrow('GemmaBackbone: expected options among');
    expect(() => GemmaBackbone({ ...sizes, numKeyValueHeads: 2 })).toThrow('got 3 and 2');
  });

  it('limit the length of texts where maxSequenceLength is given', () => {
    const backbone = GemmaBackbone({ ...sizes, maxSequenceLength: 3 });
    expect(backbone.model.maxSequenceLength).toBe(3);
    expect(() => backbone.apply({ tokenIds: [[1, 2, 3, 4]] })).toThrow(
      'a length of at most 3 (maxSequenceLength), got 4',
    );
    expect(GemmaBackbone(sizes).model.maxSequenceLength).toBeUndefined();
  });
});

describe('KerasHub’s layout', () => {
  it('says a config that KerasHub can have, and is read as the same', () => {
    for (const preset of ['keras/gemma_a_float32', 'keras/gemma_b_float32']) {
      const json = jsonOf(preset) as { readonly config: Record<string, unknown> };
      const config = right(parseGemmaConfig('keras', json));
      const { name: _, trainable: __, dtype: ___, ...fields } = json.config;
      expect(right(gemmaKerasLayout.config(config))).toEqual(fields);
    }
  });

  it('refuses what it cannot say, by name', () => {
    const config = right(parseGemmaConfig('transformers', own));
    const said = gemmaKerasLayout.config(config);
    expect(E.isLeft(said) && said.left.message).toContain(
      "expected blockNormEpsilon 0.000001, the only one that KerasHub's",
    );
    for (const [field, value] of Object.entries({ queryScale: 1, activation: 'gelu', attentionBias: true })) {
      const other = gemmaKerasLayout.config({ ...right(makeGemmaConfig(sizes)), [field]: value });
      expect(E.isLeft(other) && other.left.message).toContain(`expected ${field} `);
    }
  });
});

describe('the built-in presets', () => {
  it('S25: are the 20 of the page, those of 27 billion parameters with 46 layers (D7)', () => {
    expect([...gemmaPresets.keys()]).toHaveLength(20);
    for (const id of ['gemma2_27b_en', 'gemma2_instruct_27b_en', 'shieldgemma_27b_en'])
      expect(gemmaPresets.get(id)).toMatchObject({ metadata: { params: 27_227_128_320 }, config: { numLayers: 46 } });
    for (const [id, { kaggleHandle }] of gemmaPresets) expect(kaggleHandle).toMatch(new RegExp(`/keras/${id}/\\d+$`));
  });
});
