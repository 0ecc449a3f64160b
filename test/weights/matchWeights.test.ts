import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeGPT2Config } from '../../src/models/gpt2/config.ts';
import { gpt2Weights } from '../../src/models/gpt2/weightNames.ts';
import { countParams, formatPath, type PresetLayout } from '../../src/models/weightEntry.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import { type Checkpoint, matchWeights, type StoredDType, type StoredTensor } from '../../src/weights/index.ts';
import { fixture, left, readPreset, right } from './helpers.ts';

const config = right(
  makeGPT2Config({
    vocabularySize: 97,
    numLayers: 2,
    numHeads: 3,
    hiddenDim: 24,
    intermediateDim: 40,
    maxSequenceLength: 16,
  }),
);
const table = gpt2Weights(config);

const checkpointOf = (tensors: Iterable<readonly [name: string, shape: Shape, dtype?: StoredDType]>): Checkpoint => ({
  path: 'model.safetensors',
  tensors: new Map(
    [...tensors].map(([name, shape, dtype = 'float32']): readonly [string, StoredTensor] => [
      name,
      { name, shape, dtype, byteLength: 0, read: () => Promise.reject(new Error('not read')) },
    ]),
  ),
  close: async () => undefined,
});

/** Every tensor that a file of this layout holds. */
const sources = (layout: PresetLayout): ReadonlyMap<string, Shape> =>
  new Map(table.entries.map(({ sources }) => [sources[layout].name, sources[layout].shape]));

const layouts = fc.constantFrom<PresetLayout>('keras', 'transformers');

describe('gpt2Weights', () => {
  it('has a path, a Keras name and a part of a transformers tensor for each parameter, no two alike', () => {
    const { entries } = table;
    expect(new Set(entries.map(({ path }) => formatPath(path))).size).toBe(entries.length);
    expect(sources('keras').size).toBe(entries.length);
    const parts = entries.map(({ sources: { transformers } }) =>
      JSON.stringify([transformers.name, transformers.part]),
    );
    expect(new Set(parts).size).toBe(entries.length);
  });

  it('names parameters as KerasHub names its layers', () => {
    const paths = table.entries.map(({ path, shape }) => `${formatPath(path)} ${shape.join('x')}`);
    for (const path of [
      'tokenEmbedding.embeddings 97x24',
      'positionEmbedding.embeddings 16x24',
      'transformerLayers[0].selfAttentionLayerNorm.gamma 24',
      'transformerLayers[0].selfAttention.query.kernel 24x3x8',
      'transformerLayers[1].selfAttention.value.bias 3x8',
      'transformerLayers[1].selfAttention.output.kernel 3x8x24',
      'transformerLayers[1].feedforwardLayerNorm.beta 24',
      'transformerLayers[1].feedforwardIntermediateDense.kernel 24x40',
      'transformerLayers[1].feedforwardOutputDense.bias 24',
      'layerNorm.beta 24',
    ])
      expect(paths).toContain(path);
  });

  it('covers each transformers tensor whole: the parts of one tensor are all there', () => {
    const elements = [...sources('transformers').values()].reduce(
      (total, shape) => total + shape.reduce((a, b) => a * b, 1),
      0,
    );
    expect(elements).toBe(countParams(table));
  });

  it('takes query, key and value from the columns of c_attn', async () => {
    const { params } = await readPreset(fixture('transformers/a_float32'));
    const keras = await readPreset(fixture('keras/a_float32'));
    for (const name of ['query', 'key', 'value'])
      expect(params.get(`transformerLayers[1].selfAttention.${name}.kernel`)).toEqual(
        keras.params.get(`transformerLayers[1].selfAttention.${name}.kernel`),
      );
  });
});

describe('matchWeights', () => {
  it('finds every parameter in the order of the table, whatever the order of the file', () =>
    fc.assert(
      fc.property(
        layouts.chain((layout) =>
          fc.tuple(fc.constant(layout), fc.shuffledSubarray([...sources(layout)], { minLength: sources(layout).size })),
        ),
        ([layout, tensors]) => {
          const matched = right(matchWeights(layout, table, checkpointOf(tensors)));
          expect(matched.map(({ entry }) => entry)).toEqual(table.entries);
          for (const { entry, source, part } of matched) {
            expect(source.name).toBe(entry.sources[layout].name);
            expect(part).toBe(entry.sources[layout].part);
          }
        },
      ),
    ));

  it('names a tensor that is missing, unknown, or of another shape or dtype', () =>
    fc.assert(
      fc.property(
        layouts,
        fc.nat(),
        fc.constantFrom('missing', 'unknown', 'shape', 'dtype', 'more axes'),
        (layout, pick, fault) => {
          const tensors = [...sources(layout)];
          const [name, shape] = tensors[pick % tensors.length]!;
          const others = tensors.filter(([other]) => other !== name);
          const given: Readonly<Record<typeof fault, readonly (readonly [string, Shape, StoredDType?])[]>> = {
            missing: others,
            unknown: [...tensors, [`${name}.extra`, shape]],
            shape: [...others, [name, [...shape.slice(0, -1), shape.at(-1)! + 1]]],
            dtype: [...others, [name, shape, 'int64']],
            'more axes': [...others, [name, [1, ...shape]]],
          };
          const error = left(matchWeights(layout, table, checkpointOf(given[fault])));
          expect(error._tag).toBe('WrongTensors');
          expect(error.message).toContain(fault === 'unknown' ? `unknown: "${name}.extra"` : name);
        },
      ),
    ));

  it('takes transformers names with and without their prefix, and the extra tensors that old files have', () => {
    const prefixed = [...sources('transformers')].map(([name, shape]) => [`transformer.${name}`, shape] as const);
    const extra = [
      ['lm_head.weight', [97, 24]],
      ['transformer.h.0.attn.bias', [1, 1, 16, 16], 'uint8'],
      ['transformer.h.1.attn.masked_bias', []],
    ] as const;
    right(matchWeights('transformers', table, checkpointOf(prefixed)));
    right(matchWeights('transformers', table, checkpointOf([...prefixed, ...extra])));
    right(matchWeights('transformers', table, checkpointOf([...sources('transformers'), ['h.0.attn.bias', [1]]])));
    const beyond = [...prefixed, ['transformer.h.2.attn.bias', [1]]] as const;
    expect(left(matchWeights('transformers', table, checkpointOf(beyond))).message).toContain('h.2.attn.bias');
    const twice = [...prefixed, ['wte.weight', [97, 24]]] as const;
    expect(left(matchWeights('transformers', table, checkpointOf(twice))).message).toContain('there twice');
    expect(
      left(matchWeights('keras', table, checkpointOf([...sources('keras'), ['h.0.attn.bias', [1]]]))).message,
    ).toContain('unknown');
  });

  it('lists the first few of many and counts the rest', () => {
    const { message } = left(matchWeights('keras', table, checkpointOf([['x', [1]]])));
    expect(message).toContain('missing: layers/reversible_embedding/vars/0 (for tokenEmbedding.embeddings), ');
    expect(message).toContain(`and ${table.entries.length - 4} more; unknown: "x"`);
    expect(message.length).toBeLessThan(800);
  });
});
