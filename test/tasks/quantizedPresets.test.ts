import { mkdirSync, writeFileSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { presetFacts } from '../../src/cli/inspect.ts';
import { formatPreset } from '../../src/cli/inspectText.ts';
import { Backbone, GPT2Backbone, GPT2CausalLM, MaskedLM, read, SGD } from '../../src/index.ts';
import type { JsonObject } from '../../src/models/configReader.ts';
import { gpt2KerasLayout } from '../../src/models/gpt2/kerasLayout.ts';
import { isQuantized } from '../../src/ops/dequantize.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { type LoadProgress, loadWeights } from '../../src/tasks/loadWeights.ts';
import { presetTable } from '../../src/tasks/presetTable.ts';
import { count } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { leaves, paths, type Tree } from '../../src/tensor/tree.ts';
import { type H5Dataset, h5Tree, openH5, openPreset, writeHdf5 } from '../../src/weights/index.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { floats, type RecordedFloats, fixture as recorded } from '../support/fixtures.ts';
import { openSaved, savedCases, savedInputs } from '../support/savedPresets.ts';
import { bytesOf, fixture, right, temporaryFolder } from '../weights/helpers.ts';

const temporary = await temporaryFolder();
const device = referenceDevice;
const savedAt = new Date('2026-01-01T00:00:00Z');

/** Where check_quantized.py looks: PURELM_QUANTIZED_FOLDER=written npx vitest run test/tasks/quantizedPresets.test.ts */
const kept = process.env.PURELM_QUANTIZED_FOLDER;
const folder = kept ?? temporary;

/** What Python should find in the folders, by name. */
const expected: Record<string, unknown> = {};

afterAll(() => {
  if (kept === undefined) return;
  mkdirSync(kept, { recursive: true });
  writeFileSync(join(kept, 'expected.json'), JSON.stringify({ ...savedInputs, expected }));
});

const fewOf = (params: Tree): readonly string[] =>
  paths(params).flatMap(([path, param]) => (isQuantized(param) ? [path] : []));

/** One preset of every family, another of those whose layers differ, and one in halves. */
const cases = savedCases.filter(({ name }) =>
  /^keras\/(a_float32|a_float16|a_bfloat16|b_float32|gemma_[ab]|falcon_[ac]|bart_a|\w+_masked_lm$|bert_text_classifier$)/.test(
    name,
  ),
);
const modes = [
  { mode: 'int8', options: {}, said: 'int8' },
  { mode: 'int4', options: { blockSize: 8 }, said: 'int4_8' },
  { mode: 'int4', options: { blockSize: null }, said: 'int4_null' },
] as const;

describe("a quantized model in KerasHub's layout", () => {
  // All of them for Python; here one for each preset.
  const some = cases.flatMap((own, i) =>
    modes
      .filter((_, at) => kept !== undefined || at === i % modes.length)
      .map((mode) => ({ own, ...mode, name: own.name })),
  );
  it.each(some)('S117: $name in $said is opened as it was saved', async ({ own, mode, options, said }) => {
    const few = await (await openSaved(fixture(own.name), own)).quantize(mode, options);
    const name = `${own.name}_${said}`;
    const target = join(folder, name);
    await few.saveToPreset(target, { format: 'keras', savedAt });
    const again = await openSaved(target, own);
    const [before, after] = [await few.run(), await again.run()];
    expected[name] = { kind: own.kind, shape: before.shape, outputs: Array.from(before.data), source: own.name };
    // KerasHub's blocks of four bits would run across heads.
    const asFloats = fewOf(few.params).filter((path) => !fewOf(again.params).includes(path));
    const hasHeadsFirst = mode === 'int4' && /gemma/.test(own.name);
    expect(asFloats.every((path) => path.endsWith('.attention.query.kernel'))).toBe(true);
    expect(asFloats.length > 0).toBe(hasHeadsFirst);
    if (hasHeadsFirst) expectClose(after, before, { atol: 1e-6 });
    else expect(after).toEqual(before);
  });

  it.each(['keras/a_float32', 'keras/bart_a_float32', 'keras/bert_masked_lm'])(
    'S117: %s is opened as it was saved on WebGPU',
    async (name) => {
      const own = cases.find((each) => each.name === name)!;
      const options = { device: await webgpuTestDevice() };
      const few = await (await openSaved(fixture(name), own, options)).quantize('int8');
      const target = join(temporary, 'webgpu', name);
      await few.saveToPreset(target, { format: 'keras' });
      const again = await openSaved(target, own, options);
      expect(fewOf(again.params)).toEqual(fewOf(few.params));
      expect(await again.run()).toEqual(await few.run());
    },
  );

  interface Recording {
    readonly presets: readonly {
      readonly preset: string;
      readonly tokenIds: readonly (readonly number[])[];
      readonly states: RecordedFloats;
    }[];
  }

  it.each(recorded<Recording>('quantize').presets)(
    "S117: KerasHub's own $preset is opened to its hidden states",
    async ({ preset, tokenIds, states }) => {
      const backbone = await Backbone.fromPreset(fixture(preset), { device });
      const { apply } = backbone as unknown as {
        readonly apply: (inputs: object) => Tensor | { readonly sequence: Tensor };
      };
      const y = apply({ tokenIds, segmentIds: tokenIds.map((row) => row.map((id) => id % 2)) });
      expectClose(
        await read('sequence' in y ? y.sequence : y, { device }),
        { data: floats(states), shape: states.shape, dtype: 'float32' },
        { atol: 1e-5 },
      );
      expect(fewOf(backbone.params)).toContain('tokenEmbedding.embeddings');
      // Again, and with the blocks that run across heads.
      await backbone.saveToPreset(join(temporary, preset), { format: 'keras', savedAt });
      const again = await Backbone.fromPreset(join(temporary, preset), { device });
      expect(fewOf(again.params)).toEqual(fewOf(backbone.params));
      expect(await device.evaluate(leaves(again.params))).toEqual(await device.evaluate(leaves(backbone.params)));
      // But for a number that Keras gives to names, and blocks of all rows where KerasHub has none.
      const configOf = async (path: string): Promise<unknown> =>
        JSON.parse((await readFile(join(path, 'config.json'), 'utf8')).replace(/(_backbone)_\d+"/g, '$1"'));
      if (!preset.endsWith('columns'))
        expect(await configOf(join(temporary, preset))).toEqual(await configOf(fixture(preset)));
    },
  );

  it('is held in floats where a dtype is asked for, and trains then', async () => {
    const preset = fixture('quantized/gpt2_int4');
    const few = await GPT2Backbone.fromPreset(preset, { device });
    const floats = await GPT2Backbone.fromPreset(preset, { device, dtype: 'float32' });
    expect(fewOf(floats.params)).toEqual([]);
    expect(floats.trainable.size).toBe(paths(floats.params).length);
    expect(few.trainable.size).toBe(paths(few.params).length - fewOf(few.params).length);
    const x = { tokenIds: [[1, 2, 3, 4]] };
    expectClose(await read(floats.apply(x), { device }), await read(few.apply(x), { device }), { atol: 1e-6 });
    const halves = await GPT2Backbone.fromPreset(preset, { device, dtype: 'float16' });
    expect(new Set(leaves(halves.params).map(({ dtype }) => dtype))).toEqual(new Set(['float16']));
    const lm = GPT2CausalLM({ backbone: few, preprocessor: null }).enableLora({ rank: 1 });
    const tuned = lm.compile({ optimizer: SGD({ learningRate: 0.5 }) });
    const { history } = await tuned.fit(x, { y: [[2, 3, 4, 5]], epochs: 2, batchSize: 1 });
    expect(history.loss!.at(-1)!).toBeLessThan(history.loss![0]!);
  });

  it('is read piece by piece, each byte told once', async () => {
    const path = fixture('quantized/gpt2_int4');
    const preset = right(await openPreset(path)());
    const model = await GPT2Backbone.fromPreset(path, { loadWeights: false, device });
    const table = presetTable(preset, gpt2KerasLayout, model.config, model.model.weights);
    const checkpoint = right(await preset.openWeights()());
    const told: LoadProgress[] = [];
    await loadWeights(device, 'keras', table, checkpoint, { onProgress: (progress) => told.push(progress) });
    await checkpoint.close();
    const total = [...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(told.at(-1)).toEqual({ loaded: total, total });
    const controller = new AbortController();
    const stopped = GPT2Backbone.fromPreset(path, {
      device,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  it('is told by inspect in its bits', async () => {
    const facts = await presetFacts(
      { preset: fixture('quantized/gpt2_int4'), revision: undefined, json: false },
      new AbortController().signal,
    );
    expect(facts.weightsProblem).toBeUndefined();
    expect(facts.otherWeights).toEqual([]);
    const query = facts.weights.find(({ path }) => path.endsWith('query.kernel'))!;
    // Six rows of three bytes; two blocks of six columns; six rows' blocks.
    expect(query).toMatchObject({ shape: [6, 2, 3], dtype: 'int4', bytes: 18 + 12 * 5 + 6 * 4 });
    expect(formatPreset(facts)).toMatch(/parameters +\d+, .* of int4 .*, float32/);
    const eight = await presetFacts(
      { preset: fixture('quantized/gpt2_int8'), revision: undefined, json: false },
      new AbortController().signal,
    );
    expect(eight.weights.find(({ path }) => path === 'tokenEmbedding.embeddings')).toMatchObject({
      shape: [11, 6],
      dtype: 'int8',
      bytes: 66 + 44,
    });
  });
});

describe("a quantized model in transformers' layout", () => {
  // All of them for Python; here one of each kind.
  const few = /^transformers\/(a_float32|gemma_a_float32|falcon_grouped_float32|bart_a_float16|bert_masked_lm)$/;
  const all =
    /^transformers\/(a_float32|gemma_a_float32|falcon_grouped_float32|bart_a_\w+|\w+_masked_lm|bert_text_classifier|bert_backbone)$/;
  const own = savedCases.filter(({ name }) => (kept === undefined ? few : all).test(name));

  it.each(own)('S117: $name in int8 is opened as it was saved, its token table as floats', async (one) => {
    const few = await (await openSaved(fixture(one.name), one)).quantize('int8');
    const target = join(folder, one.name);
    await few.saveToPreset(target);
    const again = await openSaved(target, one);
    const [before, after] = [await few.run(), await again.run()];
    expected[one.name] = { kind: one.kind, shape: before.shape, outputs: Array.from(before.data), source: one.name };
    expectClose(after, before, { atol: 1e-5 });
    // Kernels that stand by themselves; GPT-2's lie the other way round, and Falcon's class does not open them.
    const kernels = fewOf(few.params).filter((path) => path.endsWith('.kernel'));
    expect(fewOf(again.params)).toEqual(/\/(a|falcon)_/.test(one.name) ? [] : kernels);
    const values = async (params: Tree) => device.evaluate(leaves(params));
    expect(await values(again.params)).toEqual(
      (await values(few.params)).map(({ data, ...rest }) => ({
        ...rest,
        data: data instanceof Float64Array ? Float32Array.from(data) : data,
      })),
    );
  });

  it('names its layers for compressed-tensors, and says what it does not read', async () => {
    const bert = own.find(({ name }) => name === 'transformers/bert_masked_lm')!;
    const few = await (await openSaved(fixture(bert.name), bert)).quantize('int8');
    const target = join(temporary, 'packed');
    await few.saveToPreset(target);
    const path = join(target, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    const { quantization_config: quantization } = config;
    expect(quantization).toMatchObject({ quant_method: 'compressed-tensors', format: 'pack-quantized' });
    expect(quantization.config_groups.group_0.targets).toContain('bert.encoder.layer.0.attention.self.query');
    expect(await readFile(join(target, 'README.md'), 'utf8')).toContain('stored as int8 and float32');
    const facts = await presetFacts({ preset: target, revision: undefined, json: false }, new AbortController().signal);
    expect(facts.weightsProblem).toBeUndefined();
    expect(facts.weights.filter(({ dtype }) => dtype === 'int8')).toHaveLength(13);
    expect(facts.otherWeights.filter(({ path: name }) => /weight_(packed|scale|shape)/.test(name))).toEqual([]);

    const opened = async (change: (json: typeof quantization) => unknown): Promise<unknown> => {
      const changed = JSON.parse(JSON.stringify(quantization));
      const result = change(changed);
      const own = result === undefined ? changed : result;
      await writeFile(path, JSON.stringify({ ...config, quantization_config: own }));
      return openSaved(target, bert);
    };
    const group = (fields: object) => (json: typeof quantization) => {
      Object.assign(json.config_groups.group_0, fields);
    };
    await opened(() => undefined);
    // All linear layers but the head's, which is a float's.
    await opened(group({ targets: ['Linear'] }));
    await expect(opened(() => ({ quant_method: 'gptq', bits: 4 }))).rejects.toThrow(
      'quantization_config: expected none, or one of compressed-tensors (weights that another library quantized are not supported), got "gptq"',
    );
    await expect(
      opened(group({ weights: { num_bits: 4, type: 'int', strategy: 'group', group_size: 128, symmetric: true } })),
    ).rejects.toThrow('expected whole numbers of 8 bits, symmetric, a scale a channel, pack-quantized, got ');
    await expect(opened(group({ input_activations: { num_bits: 8 } }))).rejects.toThrow('expected weights alone');
    await expect(opened(group({ targets: ['re:.*'] }))).rejects.toThrow('expected targets and ignore to be names');
    await expect(opened(group({ targets: ['bert.pooler.activation'] }))).rejects.toThrow(
      'expected linear layers of the model, got "bert.pooler.activation", which is none that stands by itself',
    );
    await expect(opened(({ config_groups: _, ...rest }) => rest)).rejects.toThrow('expected one group of layers');
    await expect(
      opened((json) => ({ ...json, ignore: ['bert.encoder.layer.0.attention.self.query'] })),
    ).rejects.toThrow(/missing: encoder.layer.0.attention.self.query.weight .*unknown: .*query.weight_packed/);
    await expect(opened(() => null)).rejects.toThrow(/missing: /);
  });
});

describe('what is wrong with a quantized preset', () => {
  const kernel = 'layers/transformer_decoder/_feedforward_output_dense/vars';

  /** A recorded preset with other datasets, and another config. */
  const changed = async (
    name: string,
    edit: (datasets: Map<string, H5Dataset>) => void,
    policy?: (json: JsonObject) => unknown,
  ): Promise<string> => {
    const target = join(temporary, `hostile${Math.random()}`);
    await cp(fixture(`quantized/${name}`), target, { recursive: true });
    const path = join(target, 'model.weights.h5');
    const checkpoint = right(await openH5(path)());
    const datasets = new Map<string, H5Dataset>();
    for (const [own, tensor] of checkpoint.tensors)
      datasets.set(own, { dtype: tensor.dtype, shape: tensor.shape, data: await bytesOf(tensor) });
    await checkpoint.close();
    edit(datasets);
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeHdf5(h5Tree([...datasets], []))) chunks.push(chunk);
    await writeFile(path, Buffer.concat(chunks));
    if (policy !== undefined) {
      const config = JSON.parse(await readFile(join(target, 'config.json'), 'utf8'));
      const { policy_map: map } = config.config.dtype.config;
      const layer = 'transformer_layer_0/feedforward_output_dense';
      map[layer] = policy(map[layer]);
      await writeFile(join(target, 'config.json'), JSON.stringify(config));
    }
    return target;
  };

  const zeros = (dtype: 'float32' | 'int8', shape: readonly number[], value = 0): H5Dataset => {
    const size = count(shape);
    const data = dtype === 'int8' ? new Int8Array(size).fill(value) : new Float32Array(size).fill(value);
    return { dtype, shape, data: new Uint8Array(data.buffer) };
  };

  const int4 = (mode: unknown) => (json: JsonObject) => ({ ...json, config: { mode, source_name: null } });

  it.each([
    [
      'scales of another shape',
      'gpt2_int8',
      (d) => d.set(`${kernel}/2`, zeros('float32', [5])),
      undefined,
      /vars\/2 is \[5\], expected \[6\]/,
    ],
    [
      'no scales',
      'gpt2_int8',
      (d) => d.delete(`${kernel}/2`),
      undefined,
      /missing: \S+vars\/2 \(for .*feedforwardOutputDense.kernel\)/,
    ],
    ['no zeros', 'gpt2_int4', (d) => d.delete(`${kernel}/3`), undefined, /missing: \S+vars\/3/],
    [
      'scales of whole numbers',
      'gpt2_int8',
      (d) => d.set(`${kernel}/2`, zeros('int8', [6])),
      undefined,
      /vars\/2 is int8, expected float32/,
    ],
    [
      'a scale of 0',
      'gpt2_int8',
      (d) => d.set(`${kernel}/2`, zeros('float32', [6])),
      undefined,
      /vars\/2: expected scales that are finite and not 0/,
    ],
    [
      'a scale that is no number',
      'gpt2_int4',
      (d) => d.set(`${kernel}/2`, zeros('float32', [3, 6], Number.NaN)),
      undefined,
      /vars\/2: expected scales that are finite, got others/,
    ],
    [
      'four bits that are too long',
      'gpt2_int4',
      (d) => d.set(`${kernel}/0`, zeros('int8', [10, 6])),
      undefined,
      /vars\/0 is \[10, 6\], expected \[10, 3\]/,
    ],
    [
      'floats where there is a policy',
      'gpt2_int8',
      (d) => d.set(`${kernel}/0`, zeros('float32', [10, 6])),
      undefined,
      /vars\/0 is float32, expected int8/,
    ],
    [
      'rows in another order',
      'gpt2_int4',
      (d) => d.set(`${kernel}/4`, zeros('float32', [10])),
      undefined,
      /vars\/4: expected rows in blocks of 4, so row 4 in block 1, got 0; rows in another order are not supported/,
    ],
    [
      'whole numbers without a policy',
      'gpt2_int8',
      () => {},
      () => undefined,
      /vars\/0 is int8, expected float32, float16, bfloat16 \(quantized, and config.json does not say so\)/,
    ],
    [
      'another block than the scales have',
      'gpt2_int4',
      () => {},
      int4('int4/5'),
      /vars\/2 is \[3, 6\], expected \[2, 6\]/,
    ],
    [
      'a block of 0',
      'gpt2_int4',
      () => {},
      int4('int4/0'),
      /expected int4 in blocks of 1 or more, or -1 for none for .*got "int4\/0"/,
    ],
    ['no number of a block', 'gpt2_int4', () => {}, int4('int4/x'), /got "int4\/x"/],
    [
      'a policy that is unknown',
      'gpt2_int4',
      () => {},
      (json) => ({ ...json, class_name: 'GPTQDTypePolicy' }),
      /expected a policy of floats, int8 or int4 for .*got "GPTQDTypePolicy int4\/4"/,
    ],
    ['no policy', 'gpt2_int4', () => {}, () => 3, /expected a policy for .*got 3/],
  ] as readonly [
    string,
    string,
    (datasets: Map<string, H5Dataset>) => void,
    ((json: JsonObject) => unknown) | undefined,
    RegExp,
  ][])('is said: %s', async (_, name, edit, policy, message) => {
    const target = await changed(name, edit, policy);
    const error = await GPT2Backbone.fromPreset(target, { device }).then(
      () => undefined,
      (cause: Error & { readonly _tag?: string }) => cause,
    );
    expect(error?._tag).toMatch(/WrongTensors|WrongConfig/);
    expect(error?.message).toMatch(message);
    const asked = presetFacts({ preset: target, revision: undefined, json: false }, new AbortController().signal);
    const told = await asked.then(
      ({ weightsProblem }) => weightsProblem,
      (cause: Error) => cause.message,
    );
    // What scales hold is seen when they are read.
    if (!/finite|another order/.test(message.source)) expect(told).toMatch(message);
  });

  it('is said: a policy for a layer that there is none of', async () => {
    const target = await changed('gpt2_int8', () => {});
    const path = join(target, 'config.json');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace('"token_embedding"', '"layer_norm"'));
    await expect(GPT2Backbone.fromPreset(target, { device })).rejects.toThrow(
      'config.json: dtype: expected policies for layers of the model, got one for "layer_norm", which is none with a matrix',
    );
  });

  it('is said: a block that is longer than the column is one block', async () => {
    const target = await changed(
      'gpt2_int4',
      (datasets) => {
        for (const at of [2, 3]) {
          const own = datasets.get(`${kernel}/${at}`)!;
          const data = (own.data as Uint8Array).subarray(0, (own.data as Uint8Array).length / 3);
          datasets.set(`${kernel}/${at}`, { ...own, shape: [1, 6], data });
        }
        datasets.set(`${kernel}/4`, zeros('float32', [10]));
      },
      int4('int4/128'),
    );
    const { params } = await GPT2Backbone.fromPreset(target, { device });
    expect(fewOf(params)).toContain('transformerLayers[0].feedforwardOutputDense.kernel');
  });

  it('is said: a head in few bits, which KerasHub does not read either', async () => {
    const lm = await MaskedLM.fromPreset(fixture('keras/bert_masked_lm'), { device, preprocessor: null });
    const target = join(temporary, 'head');
    await lm.saveToPreset(target, { format: 'keras' });
    const path = join(target, 'task.weights.h5');
    const head = 'layers/masked_lm_head/_intermediate_dense/vars/0';
    const checkpoint = right(await openH5(path)());
    const datasets = new Map<string, H5Dataset>();
    for (const [own, tensor] of checkpoint.tensors)
      datasets.set(own, { dtype: tensor.dtype, shape: tensor.shape, data: await bytesOf(tensor) });
    await checkpoint.close();
    datasets.set(head, zeros('int8', datasets.get(head)!.shape));
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeHdf5(h5Tree([...datasets], []))) chunks.push(chunk);
    await writeFile(path, Buffer.concat(chunks));
    await expect(MaskedLM.fromPreset(target, { device, preprocessor: null })).rejects.toThrow(
      /is int8, expected float32/,
    );
  });
});
