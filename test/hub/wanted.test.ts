import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { indexOf, isInside, layoutOf, type Selection, wantedFiles } from '../../src/hub/wanted.ts';

const wanted = (
  selection: Omit<Selection, 'names' | 'weights'> & { readonly names: readonly string[]; readonly weights?: boolean },
) => wantedFiles('hf://a/b', { weights: true, ...selection, names: new Set(selection.names) });

const sorted = (result: E.Either<unknown, readonly string[]>): readonly string[] =>
  E.isRight(result) ? [...result.right].sort() : [];

describe('layoutOf', () => {
  it('S17: reads the key that each library writes, KerasHub’s first, and none that is inherited', () => {
    expect(layoutOf({ registered_name: 'keras_hub>GPT2Backbone', model_type: 'gpt2' })).toBe('keras');
    expect(layoutOf({ model_type: 'gpt2' })).toBe('transformers');
    for (const none of [{}, { architecture: 'resnet' }, null, [], 'x', Object.create({ model_type: 'x' })])
      expect(layoutOf(none)).toBeUndefined();
  });
});

describe('wantedFiles', () => {
  const keras = ['config.json', 'tokenizer.json', 'assets/tokenizer/vocabulary.spm', 'README.md', 'assets/other/x'];

  it('takes KerasHub’s weights whole or by their index, and the task’s with them', () => {
    const whole = wanted({ layout: 'keras', names: [...keras, 'model.weights.h5', 'task.weights.h5', 'task.json'] });
    expect(sorted(whole)).toEqual([
      'assets/tokenizer/vocabulary.spm',
      'config.json',
      'model.weights.h5',
      'task.json',
      'task.weights.h5',
      'tokenizer.json',
    ]);
    const names = [...keras, 'model.weights.json', 'model_00000.weights.h5', 'model_00001.weights.h5'];
    expect(indexOf('keras', new Set(names))).toBe('model.weights.json');
    const index = {
      weight_map: { '/a': ['model_00000.weights.h5', 'model_00001.weights.h5'], '/b': 'model_00001.weights.h5' },
    };
    expect(sorted(wanted({ layout: 'keras', names, index }))).toContain('model_00001.weights.h5');
  });

  it('takes of transformers’ folders safetensors, tokenizers of every kind, and what sentence-transformers adds', () => {
    const names = [
      ...[
        'config.json',
        'model.safetensors',
        'pytorch_model.bin',
        'tf_model.h5',
        'flax_model.msgpack',
        'rust_model.ot',
      ],
      ...[
        'onnx/model.onnx',
        'openvino/openvino_model.bin',
        'coreml/model.mlpackage/x',
        'model.fp16.safetensors',
        'logo.png',
      ],
      ...['vocab.txt', 'tokenizer.model', 'modules.json', '1_Pooling/config.json', '2_Dense/model.safetensors'],
      ...['training_args.bin', 'optimizer.pt', 'original/consolidated.00.pth', '.gitattributes'],
    ];
    expect(sorted(wanted({ layout: 'transformers', names }))).toEqual([
      '1_Pooling/config.json',
      'config.json',
      'model.safetensors',
      'modules.json',
      'tokenizer.model',
      'vocab.txt',
    ]);
    expect(sorted(wanted({ layout: 'transformers', names, weights: false }))).not.toContain('model.safetensors');
  });

  it('refuses where there are no weights that it reads', () => {
    expect(
      wanted({ layout: 'transformers', names: ['config.json', 'pytorch_model-00001-of-00002.bin'] }),
    ).toMatchObject({
      left: { _tag: 'NotAPreset', message: expect.stringContaining('found only pytorch_model-00001-of-00002.bin') },
    });
    expect(wanted({ layout: 'keras', names: ['config.json'] })).toMatchObject({
      left: { message: 'hf://a/b: expected weights in model.weights.h5 or model.weights.json, found neither' },
    });
  });

  const names = ['config.json', 'model.safetensors.index.json', 'a.safetensors'];
  it.each([
    [{ weight_map: { x: '../a.safetensors' } }],
    [{ weight_map: { x: '/etc/passwd' } }],
    [{ weight_map: { x: 'b.safetensors' } }],
    [{ weight_map: { x: 'a.safetensors', y: 'C:\\x' } }],
    [{ weight_map: { x: ['a.safetensors', 3] } }],
    [{ weight_map: { x: null } }],
    [{ weight_map: {} }],
    [{ weight_map: ['a.safetensors'] }],
    [{}],
    [undefined],
    [JSON.parse('{"__proto__": {"weight_map": {"x": "a.safetensors"}}}')],
  ])('refuses the index %j', (index: unknown) => {
    expect(wanted({ layout: 'transformers', names, index })).toMatchObject({ left: { _tag: 'Corrupt' } });
  });
});

describe('isInside', () => {
  it('takes names below a folder and no others', () => {
    for (const inside of ['a', 'a/b.c', '.gitattributes', 'a b', 'ä', '...'])
      expect(isInside(inside), inside).toBe(true);
    for (const outside of [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      './a',
      'a\\b',
      'C:a',
      'a\0b',
      'a\nb',
      'x'.repeat(2000),
    ])
      expect(isInside(outside), outside).toBe(false);
  });

  it('agrees with where a name leads', () =>
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', 'b') }), (name) => {
        const leads = new URL(`https://x/folder/${name}`).pathname === `/folder/${name}`;
        if (isInside(name)) expect(leads).toBe(true);
      }),
    ));
});
