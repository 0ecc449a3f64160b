import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { makeAlbertConfig, parseAlbertConfig } from '../../src/models/albert/config.ts';
import { makeBertConfig, parseBertConfig } from '../../src/models/bert/config.ts';
import type { ConfigError } from '../../src/models/configReader.ts';
import { makeDistilBertConfig, parseDistilBertConfig } from '../../src/models/distilBert/config.ts';
import { makeRobertaConfig, parseRobertaConfig } from '../../src/models/roberta/config.ts';
import { roberta } from '../../src/models/roberta/roberta.ts';
import type { PresetLayout, WeightTable } from '../../src/models/weightEntry.ts';
import { makeXLMRobertaConfig, parseXLMRobertaConfig } from '../../src/models/xlmRoberta/config.ts';
import { XLMRobertaTextClassifier } from '../../src/tasks/xlmRoberta.ts';
import { type Checkpoint, matchWeights, type StoredTensor } from '../../src/weights/index.ts';
import { encoderCases } from '../families/encoderFamilies.ts';
import { presetPath } from '../support/fixtures.ts';

type Parse = (layout: PresetLayout, json: unknown) => E.Either<ConfigError, object>;

const families: readonly (readonly [string, Parse, (options: never) => E.Either<ConfigError, object>])[] = [
  ['BERT', parseBertConfig, makeBertConfig],
  ['RoBERTa', parseRobertaConfig, makeRobertaConfig],
  ['XLM-RoBERTa', parseXLMRobertaConfig, makeXLMRobertaConfig],
  ['DistilBERT', parseDistilBertConfig, makeDistilBertConfig],
  ['ALBERT', parseAlbertConfig, makeAlbertConfig],
];

const keras = {
  vocabulary_size: 50,
  num_layers: 2,
  num_heads: 2,
  embedding_dim: 6,
  hidden_dim: 8,
  intermediate_dim: 12,
};

const messageOf = (result: E.Either<ConfigError, object>): string =>
  E.isLeft(result) ? result.left.message : `no complaint: ${JSON.stringify(result.right)}`;

describe.each(families)('configs of %s', (_name, parse, make) => {
  it('have the defaults of their library', () => {
    expect(E.isRight(parse('transformers', {}))).toBe(true);
    expect(E.isRight(parse('keras', { config: keras }))).toBe(true);
  });

  it('are refused whole, with all that is wrong, and never throw', () => {
    const wrong = fc.oneof(
      fc.constantFrom(0, -1, 1.5, 2 ** 31, 1e300, Number.NaN, Number.POSITIVE_INFINITY, null, '12', [], {}, true),
      fc.json().map((text): unknown => JSON.parse(text)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(keras)), wrong, (field, value) => {
        const result = parse('keras', { config: { ...keras, [field]: value } });
        if (E.isLeft(result)) expect(result.left._tag).toBe('WrongConfig');
      }),
    );
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom('keras', 'transformers'), (json, layout) => {
        parse(layout, json);
        parse(layout, { config: json });
      }),
    );
    expect(messageOf(parse('keras', { config: { ...keras, num_layers: 1e9, num_heads: 0 } }))).toMatch(
      /num_layers: expected a whole number from 1 to 4096, got 1000000000; num_heads: expected a whole number/,
    );
    expect(messageOf(make({ vocabularySize: 5, dropout: 1 } as never))).toMatch(
      /numLayers: .*dropout: expected a number from 0 to below 1, got 1/,
    );
    expect(messageOf(parse('keras', { config: { ...keras, num_heads: 3 } }))).toContain(
      'the hidden size must be a multiple of the number of heads, got 8 and 3',
    );
    expect(
      messageOf(parse('keras', { config: { ...keras, dtype: { config: { name: 'int8_from_float32' } } } })),
    ).toContain('expected a float policy');
  });
});

describe('configs of transformers', () => {
  it('are refused by name where the arithmetic is another', () => {
    for (const [, parse] of families.filter(([name]) => name !== 'DistilBERT')) {
      expect(messageOf(parse('transformers', { is_decoder: true }))).toContain('is_decoder: expected false, got true');
      expect(messageOf(parse('transformers', { add_cross_attention: true }))).toContain('add_cross_attention');
      expect(messageOf(parse('transformers', { position_embedding_type: 'relative_key_query' }))).toContain(
        'position_embedding_type: expected "absolute", got "relative_key_query"',
      );
      expect(messageOf(parse('transformers', { hidden_act: 'silu' }))).toContain('hidden_act: expected one of');
    }
    expect(messageOf(parseDistilBertConfig('transformers', { activation: 'tanh' }))).toContain('activation: expected');
    expect(messageOf(parseAlbertConfig('transformers', { num_hidden_layers: 5, num_hidden_groups: 2 }))).toContain(
      'the number of layers must be a multiple of the number of groups, got 5 and 2',
    );
    expect(messageOf(parseAlbertConfig('transformers', { num_hidden_layers: 4000, inner_group_num: 4000 }))).toContain(
      'expected at most 4096 layers in all, got 4000 of groups with 4000 inner layers',
    );
    expect(messageOf(parseRobertaConfig('transformers', { max_position_embeddings: 2 }))).toContain(
      'max_position_embeddings: expected more than 2, since rows up to pad_token_id are no places, got 2',
    );
  });

  it('say what KerasHub cannot: epsilon, activations, where places begin', () => {
    expect(
      parseRobertaConfig('transformers', {
        layer_norm_eps: 1e-3,
        hidden_act: 'gelu_new',
        pad_token_id: 4,
        max_position_embeddings: 21,
        type_vocab_size: 10,
      }),
    ).toMatchObject({
      right: {
        layerNormEpsilon: 1e-3,
        headLayerNormEpsilon: 1e-3,
        activation: 'geluApproximate',
        headActivation: 'gelu',
        maxSequenceLength: 16,
        reservedPositions: 5,
        tokenTypes: 10,
      },
    });
    expect(
      parseDistilBertConfig('transformers', { hidden_size: 24, num_attention_heads: 3, n_layers: 2 }),
    ).toMatchObject({
      right: { hiddenDim: 24, numHeads: 3, numLayers: 2 },
    });
  });
});

/** A checkpoint that has tensors of these names and shapes, and no numbers. */
const checkpointOf = (shapes: ReadonlyMap<string, readonly number[]>): Checkpoint => ({
  path: 'model.safetensors',
  tensors: new Map(
    [...shapes].map(([name, shape]) => {
      const byteLength = 4 * shape.reduce((a, b) => a * b, 1);
      const tensor: StoredTensor = { name, dtype: 'float32', shape, byteLength, read: async () => new Uint8Array(0) };
      return [name, tensor];
    }),
  ),
  close: async () => {},
});

/** What transformers' file holds of a table, under names that are changed. */
const storedOf = ({ entries }: WeightTable, rename: (name: string) => string): Map<string, readonly number[]> =>
  new Map(
    entries.flatMap(({ sources: { transformers: source } }) =>
      [source, ...(source.plus ? [source.plus] : [])].map(({ name, shape }) => [rename(name), shape] as const),
    ),
  );

describe.each(encoderCases)('weights of $name in transformers’ files', ({ backbone, name, maskedLMHead }) => {
  const table = backbone.model.weights;
  const problem = (stored: ReadonlyMap<string, readonly number[]>): string | undefined => {
    const result = matchWeights('transformers', table, checkpointOf(stored));
    return E.isLeft(result) ? result.left.message : undefined;
  };

  it('are found with the prefix and without, and where norms have their old names', () => {
    expect(problem(storedOf(table, (own) => own))).toBeUndefined();
    expect(problem(storedOf(table, (own) => `${table.transformersPrefix}${own}`))).toBeUndefined();
    if (name === 'bert')
      expect(
        problem(
          storedOf(table, (own) =>
            own.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
          ),
        ),
      ).toBeUndefined();
  });

  it('may stand beside heads, and beside nothing that is unknown', () => {
    const head = storedOf(maskedLMHead(backbone.config).weights, (own) => own);
    expect(problem(new Map([...storedOf(table, (own) => own), ...head]))).toBeUndefined();
    expect(problem(storedOf(table, (own) => own).set('encoder.layer.9.extra', [1]))).toContain(
      'unknown: "encoder.layer.9.extra"',
    );
  });

  it('may lack the pooler, and nothing else', () => {
    const whole = [...storedOf(table, (own) => own)];
    for (const [own] of whole)
      expect(problem(new Map(whole.filter(([other]) => other !== own)))).toEqual(
        own.startsWith('pooler.') ? undefined : expect.stringContaining(`missing: ${own}`),
      );
  });
});

describe('RoBERTa', () => {
  it('reads its positions from the row behind padding’s, and adds the first token type', () => {
    const config = makeRobertaConfig({
      vocabularySize: 9,
      numLayers: 1,
      numHeads: 1,
      hiddenDim: 4,
      intermediateDim: 4,
      maxSequenceLength: 6,
      reservedPositions: 3,
      tokenTypes: 2,
    });
    if (E.isLeft(config)) throw new Error(config.left.message);
    const entry = roberta(config.right).weights.entries.find(({ path }) => path[0] === 'positionEmbedding');
    expect(entry).toMatchObject({
      shape: [6, 4],
      sources: {
        transformers: {
          shape: [9, 4],
          part: { slice: { axis: 0, start: 3, end: 9 } },
          plus: { shape: [2, 4], part: { slice: { axis: 0, start: 0, end: 1 } } },
        },
      },
    });
  });
});

describe('a classifier that KerasHub saved with options of its own', () => {
  const path = presetPath('keras/xlm_roberta_text_classifier');

  it('S23, S24: has them again, and a new head where the number of classes is said', async () => {
    const saved = await XLMRobertaTextClassifier.fromPreset(path);
    expect(saved.activation).toBe('softmax');
    expect(saved.numClasses).toBe(5);
    expect(saved.params.head.pooledDense?.kernel.shape).toEqual([12, 7]);
    const other = await XLMRobertaTextClassifier.fromPreset(path, { numClasses: 3, activation: 'linear' });
    expect(other.activation).toBe('linear');
    expect(other.params.head.logits.kernel.shape).toEqual([7, 3]);
  });

  it('refuses options that are none', async () => {
    for (const hiddenDim of [0, 1.5, Number.NaN])
      await expect(XLMRobertaTextClassifier.fromPreset(path, { numClasses: 3, hiddenDim })).rejects.toThrow(
        'hiddenDim to be a whole number from 1',
      );
  });
});
