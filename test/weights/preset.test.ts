import { copyFile, cp, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import * as O from 'fp-ts/lib/Option.js';
import { describe, expect, it } from 'vitest';
import { openPreset, PresetError, toPresetError } from '../../src/weights/index.ts';
import { fixture, left, readPreset, refused, right, safetensorsBytes, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();
let serial = 0;

/** A new folder with these files; what is neither text nor bytes becomes JSON. */
const folderWith = async (files: Readonly<Record<string, unknown>>): Promise<string> => {
  const path = join(folder, `preset${serial++}`);
  await mkdir(path);
  for (const [name, content] of Object.entries(files))
    await writeFile(
      join(path, name),
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content),
    );
  return path;
};

/** A copy of a committed preset, to be damaged. */
const copyOf = async (name: string): Promise<string> => {
  const path = join(folder, `preset${serial++}`);
  await cp(fixture(name), path, { recursive: true });
  return path;
};

const keras = { registered_name: 'keras_hub>GPT2Backbone', config: {} };
const transformers = { model_type: 'gpt2' };

describe('committed presets of both layouts', () => {
  it.each([
    ['keras/a_float32', 'transformers/a_float32'],
    ['keras/a_float32', 'keras/a_float32_sharded'],
    ['keras/a_float32', 'transformers/a_float32_sharded'],
    ['keras/a_float32', 'transformers/a_float32_bare'],
    ['keras/a_float32', 'keras/a_float32_backbone_only'],
    ['keras/a_float16', 'transformers/a_float16'],
    ['keras/a_bfloat16', 'transformers/a_bfloat16'],
    ['keras/b_float32', 'transformers/b_float32'],
    ['keras/c_float32', 'transformers/c_float32'],
    ['keras/c_float32', 'keras/c_float32_sharded'],
    ['keras/c_bfloat16', 'transformers/c_bfloat16'],
  ])('S14 S113 S117 give the same numbers: %s and %s', async (a, b) => {
    const [first, second] = [await readPreset(fixture(a)), await readPreset(fixture(b))];
    expect(second.config).toEqual(first.config);
    expect(second.params).toEqual(first.params);
  });

  it('keep the dtype of the file', async () => {
    for (const layout of ['keras', 'transformers'])
      for (const dtype of ['float32', 'float16', 'bfloat16']) {
        const preset = right(await openPreset(fixture(`${layout}/a_${dtype}`))());
        const checkpoint = right(await preset.openWeights()());
        expect(new Set([...checkpoint.tensors.values()].map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
        await checkpoint.close();
      }
  });
});

describe('openPreset', () => {
  it('S17 takes the layout and the family from config.json', async () => {
    const first = right(await openPreset(fixture('keras/c_float32'))());
    expect([first.layout, first.family]).toEqual(['keras', 'gpt2']);
    const second = right(await openPreset(fixture('transformers/c_float32'))());
    expect([second.layout, second.family]).toEqual(['transformers', 'gpt2']);
    const old = right(
      await openPreset(await folderWith({ 'config.json': { ...keras, registered_name: 'keras_nlp>GPT2Backbone' } }))(),
    );
    expect([old.layout, old.family]).toEqual(['keras', 'gpt2']);
    // KerasHub looks for registered_name first.
    const both = right(await openPreset(await folderWith({ 'config.json': { ...transformers, ...keras } }))());
    expect(both.layout).toBe('keras');
  });

  it('S112 S114 takes the task and the sequence length from the files that KerasHub saves', async () => {
    const preset = right(await openPreset(fixture('keras/c_float32'))());
    expect(preset.taskClass).toEqual(O.some('GPT2CausalLM'));
    expect(preset.sequenceLength).toEqual(
      O.some(
        JSON.parse(await readFile(join(fixture('keras/c_float32'), 'preprocessor.json'), 'utf8')).config
          .sequence_length,
      ),
    );
    const bare = right(await openPreset(fixture('keras/a_float32_backbone_only'))());
    expect([bare.taskClass, bare.sequenceLength]).toEqual([O.none, O.none]);
    const other = right(await openPreset(fixture('transformers/c_float32'))());
    expect([other.taskClass, other.sequenceLength]).toEqual([O.none, O.none]);
  });

  it('S114 reads tokenizer.json as what it is in each layout', async () => {
    const layer = right(await right(await openPreset(fixture('keras/c_float32'))()).readJson('tokenizer.json')());
    expect(layer).toMatchObject({ registered_name: 'keras_hub>GPT2Tokenizer' });
    const tokenizer = right(
      await right(await openPreset(fixture('transformers/c_float32'))()).readJson('tokenizer.json')(),
    );
    expect(tokenizer).toMatchObject({ model: { type: 'BPE' } });
  });

  it('reads other files of the folder and none outside it', async () => {
    const preset = right(await openPreset(fixture('keras/c_float32'))());
    expect(right(await preset.readText('assets/tokenizer/merges.txt')()).split('\n').length).toBeGreaterThan(10);
    expect(await preset.has('assets/tokenizer/vocabulary.json')()).toBe(true);
    expect(await preset.has('assets')()).toBe(false);
    expect(await preset.has('vocabulary.spm')()).toBe(false);
    expect(left(await preset.readText('vocabulary.spm')())).toMatchObject({ _tag: 'MissingFile' });
    for (const name of [
      '../a_float32/config.json',
      '/etc/hostname',
      'assets/../config.json',
      '',
      '.',
      'C:\\x',
      'a\\b',
      'a\0',
    ]) {
      expect(left(await preset.readText(name)()).message).toContain('expected names of files in the same folder');
      expect(left(await preset.readJson(name)())._tag).toBe('BrokenFile');
      expect(await preset.has(name)()).toBe(false);
    }
  });

  it('S16 names the accepted forms when it is given something else', async () => {
    const missing = left(await openPreset(join(folder, 'nowhere'))());
    expect(missing).toMatchObject({ _tag: 'NotAPreset', path: join(folder, 'nowhere') });
    expect(missing.message).toContain('no such folder');
    expect(missing.message).toContain('model.safetensors');
    expect(missing.message).toContain('gpt2_base_en');
    const file = join(fixture('keras/a_float32'), 'config.json');
    expect(left(await openPreset(file)()).message).toContain(`${file}: not a folder`);
    expect(left(await openPreset('gpt2_medium_en')()).message).toContain('kaggle://keras/gpt2/keras/gpt2_medium_en/3');
    expect(left(await openPreset('hf://openai-community/gpt2')()).message).toContain('download it first');
    expect(left(await openPreset('')())._tag).toBe('NotAPreset');
  });

  it('S17 refuses folders whose config.json says nothing that it knows', async () => {
    expect(left(await openPreset(await folderWith({}))())).toMatchObject({
      _tag: 'NotAPreset',
      message: expect.stringContaining('has no config.json'),
    });
    for (const [config, tag, problem] of [
      [{ a: 1 }, 'UnknownFormat', 'Unrecognized format'],
      [{ architecture: 'resnet18' }, 'UnknownFormat', 'timm'],
      [{ registered_name: 'keras_hub>BloomBackbone' }, 'WrongConfig', 'GPT2Backbone'],
      [{ registered_name: 'someone>GPT2Backbone' }, 'WrongConfig', 'someone>GPT2Backbone'],
      [{ registered_name: null }, 'WrongConfig', 'got registered_name null'],
      [{ model_type: 'bloom' }, 'WrongConfig', 'got "bloom"'],
      [{ model_type: 'bloom' }, 'WrongConfig', 'expected a model_type that is supported (gpt2, falcon'],
      [{ model_type: ['gpt2'] }, 'WrongConfig', 'model_type'],
      [[keras], 'BrokenFile', 'expected a JSON object'],
      ['{', 'BrokenFile', 'expected JSON'],
      ['', 'BrokenFile', 'expected JSON'],
      ['{"__proto__": {"model_type": "gpt2"}}', 'UnknownFormat', 'Unrecognized format'],
      [Uint8Array.of(0xff, 0xfe), 'BrokenFile', 'UTF-8'],
    ] as const) {
      const path = await folderWith({ 'config.json': config });
      const error = left(await openPreset(path)());
      expect([error._tag, error.path]).toEqual([tag, join(path, 'config.json')]);
      expect(error.message).toContain(problem);
    }
  });

  it('refuses broken task.json and preprocessor.json, and passes over transformers files of these names', async () => {
    for (const [name, content] of [
      ['task.json', '{'],
      ['task.json', {}],
      ['preprocessor.json', { config: { sequence_length: 0 } }],
      ['preprocessor.json', { config: { sequence_length: 1.5 } }],
      ['preprocessor.json', { config: { sequence_length: '16' } }],
      ['preprocessor.json', []],
    ] as const) {
      expect(left(await openPreset(await folderWith({ 'config.json': keras, [name]: content }))()).path).toContain(
        name,
      );
      right(await openPreset(await folderWith({ 'config.json': transformers, [name]: content }))());
    }
    const none = await folderWith({ 'config.json': keras, 'preprocessor.json': { config: { sequence_length: null } } });
    expect(right(await openPreset(none)()).sequenceLength).toEqual(O.none);
  });

  it('never throws, whatever config.json holds', () =>
    fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        const opened = await openPreset(await folderWith({ 'config.json': text }))();
        expect(E.isLeft(opened)).toBe(true);
      }),
      { numRuns: 50 },
    ));

  it('becomes an Error that keeps tag and path', async () => {
    const error = toPresetError(left(await openPreset(join(folder, 'nowhere'))()));
    expect(error).toBeInstanceOf(PresetError);
    expect([error.name, error._tag, error.path]).toEqual(['PresetError', 'NotAPreset', join(folder, 'nowhere')]);
  });
});

describe('openWeights', () => {
  const weightsOf = async (path: string) => right(await openPreset(path)()).openWeights();

  it('says which files are expected when there are none', async () => {
    for (const [config, names] of [
      [keras, 'model.weights.h5 or model.weights.json'],
      [transformers, 'model.safetensors or model.safetensors.index.json'],
    ] as const) {
      const error = await refused(await weightsOf(await folderWith({ 'config.json': config })));
      expect(error._tag).toBe('MissingFile');
      expect(error.message).toContain(names);
    }
  });

  it('does not read pickles', async () => {
    const error = await refused(
      await weightsOf(await folderWith({ 'config.json': transformers, 'pytorch_model.bin': 'x' })),
    );
    expect(error._tag).toBe('UnknownFormat');
    expect(error.message).toContain('pickle');
  });

  it('follows links within the folder and, in a hub’s cache, to its blobs', async () => {
    const cache = await temporaryFolder();
    const path = join(cache, 'snapshots', 'abc');
    await mkdir(join(cache, 'blobs'));
    await cp(fixture('transformers/a_float32'), path, { recursive: true });
    await rename(join(path, 'model.safetensors'), join(cache, 'blobs', 'weights'));
    await symlink('../../blobs/weights', join(path, 'model.safetensors'));
    await rename(join(path, 'config.json'), join(path, 'own.json'));
    await symlink('own.json', join(path, 'config.json'));
    const checkpoint = right(await (await weightsOf(path))());
    expect(checkpoint.tensors.size).toBeGreaterThan(20);
    await checkpoint.close();
    // The whole folder may be a link, too.
    const link = join(await temporaryFolder(), 'link');
    await symlink(path, link);
    await right(await (await weightsOf(link))()).close();
  });

  it('refuses links that lead out of the folder, wherever they stand in a name', async () => {
    const outside = join(fixture('transformers/a_float32'), 'model.safetensors');
    for (const name of ['config.json', 'model.safetensors', 'tokenizer_config.json']) {
      const path = await copyOf('transformers/a_float32');
      await rm(join(path, name), { force: true });
      await symlink(
        join(fixture('transformers/a_float32'), name === 'config.json' ? name : 'model.safetensors'),
        join(path, name),
      );
      const error = left(await openPreset(path)());
      expect([error._tag, error.path]).toEqual(['BrokenFile', join(path, name)]);
      expect(error.message).toContain('a symbolic link that leads out of it');
    }
    const sharded = await folderWith({
      'config.json': transformers,
      'model.safetensors.index.json': { weight_map: { a: 'below/model.safetensors' } },
    });
    await symlink(join(outside, '..'), join(sharded, 'below'));
    expect((await refused(await weightsOf(sharded))).message).toContain('a symbolic link that leads out of it');
    const preset = right(await openPreset(sharded)());
    expect(await preset.has('below/config.json')()).toBe(false);
    expect(left(await preset.readText('below/config.json')()).message).toContain('leads out of it');
  });

  it('prefers the whole file over an index, as both libraries do', async () => {
    const path = await copyOf('transformers/a_float32');
    await writeFile(join(path, 'model.safetensors.index.json'), '{');
    await right(await (await weightsOf(path))()).close();
  });

  const indexed = (map: unknown, files: Readonly<Record<string, unknown>> = {}): Promise<string> =>
    folderWith({ 'config.json': transformers, 'model.safetensors.index.json': { weight_map: map }, ...files });
  const scalar = (name: string): Uint8Array =>
    safetensorsBytes({ [name]: { dtype: 'F32', shape: [], data_offsets: [0, 4] } }, 4);

  it('refuses an index that leads out of the folder, or to what is no file', async () => {
    await writeFile(join(folder, 'outside.safetensors'), scalar('a'));
    for (const name of [
      '../outside.safetensors',
      join(folder, 'outside.safetensors'),
      'x/../../outside.safetensors',
      '..',
      '',
      'a\\b',
      'x//y',
    ])
      expect((await refused(await weightsOf(await indexed({ a: name })))).message).toContain(
        'expected names of files in the same folder',
      );
    for (const map of [[], 'x', null, 3, { a: 3 }, { a: null }, { a: [] }, { a: [['x']] }, { a: {} }])
      expect((await refused(await weightsOf(await indexed(map))))._tag).toBe('BrokenFile');
    expect((await refused(await weightsOf(await indexed({ a: 'x' }))))._tag).toBe('MissingFile');
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`t${i}`, `f${i}`]));
    expect((await refused(await weightsOf(await indexed(many)))).message).toContain(
      'expected at most 1024 files, got 5000',
    );
  });

  it('refuses shards that do not hold what the index says', async () => {
    for (const [map, files, problem] of [
      [{ a: 'x', b: 'x' }, { x: scalar('a') }, 'says that x holds "b", but it does not'],
      [{ a: 'x' }, { x: scalar('b') }, 'holds "b", which model.safetensors.index.json does not say'],
      [{ a: 'x', b: 'y' }, { x: scalar('a'), y: scalar('a') }, 'stands in another file too'],
      [{ a: ['x', 'y'] }, { x: scalar('a'), y: scalar('a') }, 'stands in another file too'],
      [{ a: 'x' }, { x: 'nothing of the kind' }, 'expected a header'],
    ] as const)
      expect((await refused(await weightsOf(await indexed(map, files)))).message).toContain(problem);
    const proto = right(
      await (
        await weightsOf(
          await indexed(JSON.parse('{"__proto__": "x"}'), {
            x: safetensorsBytes('{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4),
          }),
        )
      )(),
    );
    expect([...proto.tensors.keys()]).toEqual(['__proto__']);
    await proto.close();
  });

  it('S113 refuses a sharded Keras preset with a file missing, renamed or exchanged', async () => {
    const missing = await copyOf('keras/a_float32_sharded');
    await unlink(join(missing, 'model_00002.weights.h5'));
    expect(await refused(await weightsOf(missing))).toMatchObject({ _tag: 'MissingFile' });
    const exchanged = await copyOf('keras/a_float32_sharded');
    await rename(join(exchanged, 'model_00001.weights.h5'), join(exchanged, 'x'));
    await rename(join(exchanged, 'model_00002.weights.h5'), join(exchanged, 'model_00001.weights.h5'));
    await rename(join(exchanged, 'x'), join(exchanged, 'model_00002.weights.h5'));
    expect(await refused(await weightsOf(exchanged))).toMatchObject({ _tag: 'BrokenFile' });
    const twice = await copyOf('keras/a_float32_sharded');
    await copyFile(join(fixture('keras/a_float32'), 'model.weights.h5'), join(twice, 'model_00001.weights.h5'));
    expect(await refused(await weightsOf(twice))).toMatchObject({ _tag: 'BrokenFile' });
    const outside = await copyOf('keras/a_float32_sharded');
    const index = JSON.parse(await readFile(join(outside, 'model.weights.json'), 'utf8')) as {
      weight_map: Record<string, unknown>;
    };
    index.weight_map['/layers/position_embedding/vars'] = ['../model_00001.weights.h5'];
    await writeFile(join(outside, 'model.weights.json'), JSON.stringify(index));
    expect((await refused(await weightsOf(outside))).message).toContain('expected names of files in the same folder');
  });
});
