import { readFileSync } from 'node:fs';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { type DebertaV3Options, makeDebertaV3Config, parseDebertaV3Config } from '../../src/models/debertaV3/config.ts';
import { debertaV3KerasLayout } from '../../src/models/debertaV3/kerasLayout.ts';
import { debertaV3Presets } from '../../src/models/debertaV3/presets.ts';
import { parseFNetConfig } from '../../src/models/fNet/config.ts';
import { fNetKerasLayout } from '../../src/models/fNet/kerasLayout.ts';
import { DebertaV3Backbone } from '../../src/tasks/debertaV3.ts';
import { FNetBackbone } from '../../src/tasks/fNet.ts';
import { presetPath } from '../support/fixtures.ts';

const jsonOf = (preset: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${presetPath(preset)}/config.json`, 'utf8'));

const keras = jsonOf('keras/deberta_v3_masked_lm') as { readonly config: Record<string, unknown> };
const transformers = jsonOf('transformers/deberta_v3_text_classifier');
const fNetKeras = jsonOf('keras/f_net_masked_lm') as { readonly config: Record<string, unknown> };
const fNetTransformers = jsonOf('transformers/f_net_masked_lm');

const right = <A>(either: E.Either<{ readonly message: string }, A>): A => {
  if (E.isLeft(either)) throw new Error(either.left.message);
  return either.right;
};

/** What is wrong with transformers' config where some of its fields are others. */
const problem = (changes: Readonly<Record<string, unknown>>): string | undefined => {
  const parsed = parseDebertaV3Config('transformers', { ...transformers, ...changes });
  return E.isLeft(parsed) ? parsed.left.message.replace('config.json of DeBERTa V3: ', '') : undefined;
};

const sizes = { vocabularySize: 131, numLayers: 2, numHeads: 3, hiddenDim: 12, intermediateDim: 10 } as const;

describe('the config of a DeBERTa V3', () => {
  it('is KerasHub’s in KerasHub’s layout', () => {
    const config = right(parseDebertaV3Config('keras', keras));
    expect(config).toEqual({
      ...sizes,
      dropout: 0.1,
      maxSequenceLength: 16,
      bucketSize: 6,
      maxRelativePositions: 16,
      bucketRounding: 'keras',
      layerNormEpsilon: 1e-7,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
      poolerActivation: 'gelu',
    });
    expect(right(debertaV3KerasLayout.config(config))).toEqual(
      Object.fromEntries(
        Object.entries(keras.config).filter(([name]) => !['name', 'trainable', 'dtype'].includes(name)),
      ),
    );
  });

  it('is transformers’ in transformers’ layout', () => {
    expect(right(parseDebertaV3Config('transformers', transformers))).toEqual({
      ...sizes,
      vocabularySize: 190,
      numLayers: 1,
      dropout: 0.1,
      maxSequenceLength: 40,
      bucketSize: 6,
      maxRelativePositions: 40,
      bucketRounding: 'transformers',
      layerNormEpsilon: 1e-3,
      activation: 'geluApproximate',
      headActivation: 'geluApproximate',
      headLayerNormEpsilon: 1e-3,
      poolerActivation: 'relu',
    });
    const other = right(parseDebertaV3Config('transformers', { ...transformers, max_relative_positions: 9 }));
    expect([other.maxSequenceLength, other.maxRelativePositions]).toEqual([40, 9]);
    expect(E.isLeft(debertaV3KerasLayout.config(other))).toBe(true);
  });

  it('takes both spellings of what attends to what', () => {
    for (const pos_att_type of ['c2p|p2c', 'p2c | C2P', ['p2c', 'c2p']])
      expect(problem({ pos_att_type })).toBeUndefined();
  });

  // DeBERTa V2 has the same model_type.
  it.each([
    [{ pos_att_type: 'c2p' }, 'pos_att_type: expected c2p and p2c, got "c2p"'],
    [{ pos_att_type: null }, 'pos_att_type: expected c2p and p2c, got null'],
    [
      { relative_attention: false },
      'relative_attention: expected true, got false (attention without relative positions',
    ],
    [{ share_att_key: false }, 'share_att_key: expected true, got false (positions with projections of their own'],
    [{ share_att_key: undefined }, 'share_att_key: expected true, got nothing'],
    [{ position_biased_input: true }, 'position_biased_input: expected false, got true (a table of absolute positions'],
    [{ norm_rel_ebd: 'none' }, 'norm_rel_ebd: expected "layer_norm", got "none"'],
    [{ type_vocab_size: 2 }, 'type_vocab_size: expected 0, got 2 (segments'],
    [{ conv_kernel_size: 3 }, 'conv_kernel_size: expected 0, got 3 (a convolution'],
    [{ embedding_size: 8 }, 'embedding_size: expected 12, as hidden_size says, got 8'],
    [{ pooler_hidden_size: 8 }, 'pooler_hidden_size: expected 12, as hidden_size says, got 8'],
    [{ attention_head_size: 5 }, 'attention_head_size: expected 4, as hidden_size says, got 5'],
    [{ position_buckets: -1 }, 'position_buckets: expected a whole number from 2 to 16777216, got -1'],
    [{ hidden_act: 'mish' }, 'hidden_act: expected one of gelu_new, '],
  ])('refuses %j by name', (changes, message) => expect(problem(changes)).toContain(message));

  it('can be said in KerasHub’s layout where the buckets are the same', () => {
    const own = right(makeDebertaV3Config({ ...sizes, bucketRounding: 'transformers' }));
    expect(E.isRight(debertaV3KerasLayout.config(own))).toBe(true);
    const edge = debertaV3KerasLayout.config({ ...own, bucketSize: 64 });
    expect(E.isLeft(edge) && edge.left.message).toBe(
      'DebertaV3Backbone: expected bucketRounding "keras", the only one that KerasHub\'s layout can say, got "transformers"; write transformers\' layout instead',
    );
  });

  it('has KerasHub’s defaults, which are the released models’', () => {
    const { config } = debertaV3Presets.get('deberta_v3_base_en')!;
    const { vocabularySize, numLayers, numHeads, hiddenDim, intermediateDim } = config;
    expect(right(makeDebertaV3Config({ vocabularySize, numLayers, numHeads, hiddenDim, intermediateDim }))).toEqual(
      config,
    );
  });

  it('says all that is wrong with options at once', () => {
    expect(() => DebertaV3Backbone({ ...sizes, numHeads: 5 })).toThrow(
      'the hidden size must be a multiple of the number of heads, got 12 and 5',
    );
    const wrong = { ...sizes, bucketSize: 1, bucketRounding: 'up' } as unknown as DebertaV3Options;
    expect(() => DebertaV3Backbone(wrong)).toThrow(
      /bucketSize: expected a whole number from 2 to 16777216, got 1; bucketRounding: expected one of keras, transformers, got "up"/,
    );
  });
});

describe('the config of an FNet', () => {
  it('is each library’s in its layout', () => {
    const { numHeads: _, ...own } = sizes;
    const config = right(parseFNetConfig('keras', fNetKeras));
    expect(config).toEqual({
      ...own,
      dropout: 0.1,
      maxSequenceLength: 16,
      numSegments: 4,
      layerNormEpsilon: 1e-12,
      activation: 'geluApproximate',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-5,
    });
    expect(right(fNetKerasLayout.config(config))).toEqual(
      Object.fromEntries(
        Object.entries(fNetKeras.config).filter(([name]) => !['name', 'trainable', 'dtype'].includes(name)),
      ),
    );
    expect(right(parseFNetConfig('transformers', fNetTransformers))).toEqual({
      ...config,
      vocabularySize: 180,
      maxSequenceLength: 40,
      layerNormEpsilon: 1e-3,
      activation: 'gelu',
      headActivation: 'gelu',
      headLayerNormEpsilon: 1e-3,
    });
  });

  it('passes over what transformers says of TPUs, which are other ways to the same numbers', () => {
    const tpu = { ...fNetTransformers, use_tpu_fourier_optimizations: true, tpu_short_seq_length: 128 };
    expect(right(parseFNetConfig('transformers', tpu))).toEqual(
      right(parseFNetConfig('transformers', fNetTransformers)),
    );
  });

  it('knows no padding and no heads', () => {
    const { numHeads: _, ...own } = sizes;
    const backbone = FNetBackbone({ ...own, maxSequenceLength: 4 });
    expect(backbone.model.hasPaddingMask).toBe(false);
    expect(() => FNetBackbone(sizes as typeof own)).toThrow('numHeads');
    expect(() => backbone.apply({ tokenIds: [[1, 2, 3, 4, 5]] })).toThrow('4');
  });
});
