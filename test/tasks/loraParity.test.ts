import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import h5wasm from 'h5wasm/node';
import { describe, expect, it } from 'vitest';
import { multiply } from '../../src/ops/multiply.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { GPT2Backbone, GPT2CausalLM } from '../../src/tasks/gpt2.ts';
import { leaves, paths, withLeaves } from '../../src/tensor/tree.ts';
import { getOptimizer, type OptimizerConfig } from '../../src/training/index.ts';
import { type H5Dataset, h5Tree, writeAtomically, writeHdf5, writeSafetensors } from '../../src/weights/index.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { right, temporaryFolder } from '../weights/helpers.ts';

const recorded = fixture<{
  readonly preset: string;
  readonly rank: number;
  readonly layers: string[];
  readonly loraLayers: number[];
  readonly trainable: Record<string, number[]>;
  readonly addedParams: number;
  readonly startsWithin: Record<string, number>;
  readonly tokenIds: number[][];
  readonly paddingMask: boolean[][];
  readonly y: number[][];
  readonly sampleWeight: number[][];
  readonly logits: RecordedFloats;
  readonly runs: {
    readonly optimizer: OptimizerConfig;
    readonly loss: number[];
    readonly trained: Record<string, RecordedFloats>;
  }[];
}>('lora/a');

const recordedFile = fileURLToPath(new URL('../fixtures/lora/a.lora.h5', import.meta.url));

/** Where `reference/check_hdf5.py` looks for files to read with KerasHub; undefined: nobody looks. */
const kept = process.env.PURELM_H5_FOLDER;

const folder = await temporaryFolder();

const { tokenIds, paddingMask, y, sampleWeight, rank } = recorded;

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** The recorded preset, without dropout as it was recorded. */
const backboneOn = async (device: Device): Promise<GPT2Backbone> => {
  const { config, params } = await GPT2Backbone.fromPreset(presetPath(recorded.preset), { device });
  return GPT2Backbone({ ...config, dropout: 0 }).withParams(params);
};

const enabledFrom = async (path: string, options: { readonly alpha?: number } = {}): Promise<GPT2Backbone> =>
  (await backboneOn(referenceDevice)).enableLora({ rank, ...options }).loadLoraWeights(path);

const valuesOf = async (backbone: GPT2Backbone): Promise<ReadonlyMap<string, readonly number[]>> => {
  const named = paths(backbone.params).filter(([path]) => backbone.trainable.has(path));
  const values = await referenceDevice.evaluate(named.map(([, own]) => own));
  return new Map(named.map(([path], i) => [path, [...values[i]!.data]]));
};

const hasFactors = ([path]: readonly [string, unknown]): boolean => path.includes('loraKernel');

describe.each(devices)('LoRA beside KerasHub’s on %s', (_name, open) => {
  it('S108, S109, S110: has the same layers, trainable parameters and starting values', async () => {
    const plain = await backboneOn(await open());
    const enabled = plain.enableLora({ rank });
    expect(plain.model.weights.layers.map(({ name }) => name)).toEqual(recorded.layers);
    expect(enabled.lora?.layers.map(({ index }) => index)).toEqual(recorded.loraLayers);
    const shapes = new Map(paths(enabled.params).map(([path, { shape }]) => [path, shape]));
    expect([...enabled.trainable].sort()).toEqual(Object.keys(recorded.trainable).sort());
    for (const [path, shape] of Object.entries(recorded.trainable)) expect(shapes.get(path)).toEqual(shape);
    expect(enabled.countParams() - plain.countParams()).toBe(recorded.addedParams);
    const values = await valuesOf(enabled);
    for (const [path, most] of Object.entries(recorded.startsWithin)) {
      const own = Math.max(...values.get(path)!.map(Math.abs));
      // The largest of 216 uniform numbers: within a tenth of the limit, in both.
      expect(Math.abs(own - most)).toBeLessThanOrEqual(0.1 * Math.sqrt(6 / (24 * 3)));
    }
  });

  it('S108: gives the same logits for the same factors, merged too', async () => {
    const device = await open();
    const backbone = await (await backboneOn(device)).loadLoraWeights(recordedFile);
    const lm = GPT2CausalLM({ backbone });
    const values = await device.evaluate([
      lm.apply({ tokenIds, paddingMask }),
      lm.mergeLora().apply({ tokenIds, paddingMask }),
      lm.score({ tokenIds, paddingMask }),
    ]);
    const expected = {
      data: floats(recorded.logits),
      shape: recorded.logits.shape,
      dtype: 'float32',
    } as const;
    for (const logits of values) expectClose(logits, expected, { atol: 1e-4 });
    expectClose(values[1]!, values[0]!, { atol: 1e-5 });
  });

  it('S108: takes the same three steps of SGD and of Adam, and changes nothing that is frozen', async () => {
    const device = await open();
    const backbone = await (await backboneOn(device)).loadLoraWeights(recordedFile);
    const lm = GPT2CausalLM({ backbone });
    for (const { optimizer, loss, trained } of recorded.runs) {
      const { task, history } = await lm
        .compile({ optimizer: getOptimizer(optimizer) })
        .fit({ tokenIds, paddingMask }, { y, sampleWeight, batchSize: 3, epochs: 3, shuffle: false });
      expect(history.loss!.length).toBe(3);
      for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
      for (const [path, own] of paths(task.params)) {
        const expected = trained[path];
        if (expected === undefined) {
          // Loaded once, and the same tensor since.
          expect(own, path).toBe(new Map(paths(lm.params)).get(path));
          continue;
        }
        const [array] = await device.evaluate([own]);
        expectClose(array!, { data: floats(expected), shape: expected.shape, dtype: 'float32' }, { atol: 1e-4 });
      }
    }
  });
});

describe('a task with LoRA', () => {
  it('trains on after LoRA was enabled or merged, with an optimizer that begins anew', async () => {
    const options = { y, sampleWeight, batchSize: 3, shuffle: false } as const;
    const lm = GPT2CausalLM({ backbone: await backboneOn(referenceDevice) });
    const { task: first } = await lm.fit({ tokenIds, paddingMask }, options);
    const { task: second } = await first.enableLora({ rank }).fit({ tokenIds, paddingMask }, options);
    const { task: third } = await second.mergeLora().fit({ tokenIds, paddingMask }, options);
    expect(third.backbone.lora).toBeUndefined();
    expect(second.backbone.lora?.rank).toBe(rank);
  });
});

describe('saveLoraWeights and loadLoraWeights', () => {
  it('S111: reads KerasHub’s file and writes it again: the same groups and numbers', async () => {
    const path = join(folder, 'own.lora.h5');
    await (await enabledFrom(recordedFile)).saveLoraWeights(path);
    await h5wasm.ready;
    const [theirs, ours] = [new h5wasm.File(recordedFile, 'r'), new h5wasm.File(path, 'r')];
    expect(ours.paths().sort()).toEqual(theirs.paths().sort());
    for (const each of theirs.paths()) {
      const [a, b] = [theirs.get(each), ours.get(each)];
      if (a instanceof h5wasm.Dataset && b instanceof h5wasm.Dataset)
        expect([b.metadata, b.value]).toEqual([a.metadata, a.value]);
    }
    ours.close();
    theirs.close();
    if (kept !== undefined) {
      await mkdir(join(kept, 'lora'), { recursive: true });
      await copyFile(path, join(kept, 'lora', 'a.lora.h5'));
    }
  });

  it.each(['.lora.h5', '.safetensors'])(
    'brings back what was saved as %s, into models with and without LoRA',
    async (ending) => {
      const path = join(folder, `both${ending}`);
      const plain = await backboneOn(referenceDevice);
      const saved = await plain.enableLora({ rank: 2, targetLayerNames: ['key', 'feedforward_output_dense'], seed: 4 });
      const numbers = leaves(saved.params).map((own) => multiply(own, 1.5));
      const random = saved.withParams(withLeaves(saved.params, await referenceDevice.realize(numbers)));
      await random.saveLoraWeights(path);
      const expected = await valuesOf(random);
      for (const into of [plain, saved]) {
        const loaded = await into.loadLoraWeights(path);
        expect(loaded.lora).toEqual(saved.lora);
        expect(loaded.trainable).toEqual(saved.trainable);
        const values = await valuesOf(loaded);
        const original = await valuesOf(saved);
        // KerasHub's format has no place for the biases, which train too.
        for (const [name, numbers] of expected)
          expect(values.get(name), name).toEqual(
            hasFactors([name, 0]) || ending === '.safetensors' ? numbers : original.get(name),
          );
      }
      // Into the saved one's own LoRA, nothing of the given backbone changes.
      expect(await valuesOf(saved)).not.toEqual(expected);
    },
  );

  it.each(['.lora.h5', '.safetensors'])('keeps the function in %s where alpha is not the rank', async (ending) => {
    const path = join(folder, `alpha${ending}`);
    const own = await enabledFrom(recordedFile, { alpha: 12 });
    await own.saveLoraWeights(path);
    const [asRank, asTwelve] = [await enabledFrom(path), await enabledFrom(path, { alpha: 12 })];
    const logits = await referenceDevice.evaluate(
      [own, asRank, asTwelve, await enabledFrom(recordedFile)].map((backbone) =>
        GPT2CausalLM({ backbone }).apply({ tokenIds, paddingMask }),
      ),
    );
    for (const each of logits.slice(1)) expectClose(each, logits[0]!, { atol: 1e-5 });
    expect(await valuesOf(asTwelve)).toEqual(await valuesOf(own));
  });

  it('S111: says what is wrong with a name, a model or a file, and leaves the old file', async () => {
    const plain = await backboneOn(referenceDevice);
    const enabled = plain.enableLora({ rank: 2 });
    await expect(enabled.saveLoraWeights(join(folder, 'x.h5'))).rejects.toThrow(
      'saveLoraWeights: expected a file name that ends in .lora.h5 or .safetensors, got',
    );
    await expect(plain.saveLoraWeights(join(folder, 'x.lora.h5'))).rejects.toThrow(
      'saveLoraWeights: expected a backbone with LoRA, got one without; call enableLora({ rank }) first',
    );
    await expect(enabled.loadLoraWeights(recordedFile)).rejects.toThrow(
      'expected LoRA weights of rank 2, as the model was enabled with, got rank 3',
    );
    await expect(plain.loadLoraWeights(join(folder, 'absent.lora.h5'))).rejects.toThrow('no such file');
    const others = plain.enableLora({ rank, targetLayerNames: ['key'] });
    await expect(others.loadLoraWeights(recordedFile)).rejects.toThrow(
      /do not fit the model; missing: lora\/10\/vars\/lora_kernel_a \(for transformerLayers\[0\]\.selfAttention\.key\.loraKernelA\).*unknown: /,
    );
    const wider = GPT2Backbone({
      ...plain.config,
      hiddenDim: 48,
    });
    await expect(wider.loadLoraWeights(recordedFile)).rejects.toThrow(
      /of another shape or dtype: lora\/9\/vars\/lora_kernel_a is float32 \[24, 3, 3\], expected float32 \[48, 3, 3\]/,
    );
    const blocked = join(folder, 'blocked.lora.h5');
    await mkdir(blocked);
    await expect(enabled.saveLoraWeights(blocked)).rejects.toMatchObject({ _tag: 'InputOutput' });
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('refuses files that are damaged or hostile', async () => {
    const plain = await backboneOn(referenceDevice);
    const write = async (datasets: readonly (readonly [string, H5Dataset])[]): Promise<string> => {
      const path = join(folder, `hostile${datasets.length}.lora.h5`);
      right(await writeAtomically(path, writeHdf5(h5Tree(datasets)))());
      return path;
    };
    const whole = (value: bigint): readonly [string, H5Dataset] => [
      'lora/vars/rank',
      { dtype: 'int64', shape: [], data: new Uint8Array(BigInt64Array.of(value).buffer) },
    ];
    const factor = (name: string, shape: readonly number[]): readonly [string, H5Dataset] => [
      name,
      { dtype: 'float32', shape, data: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)) },
    ];
    const refused = async (
      datasets: readonly (readonly [string, H5Dataset])[],
      why: string | RegExp,
    ): Promise<void> => {
      await expect(plain.loadLoraWeights(await write(datasets))).rejects.toThrow(why);
    };
    await refused([], 'expected a whole number lora/vars/rank');
    await refused([factor('lora/vars/rank', [])], 'expected a whole number lora/vars/rank');
    await refused([whole(-1n)], 'expected a rank from 1, got -1');
    await refused([whole(2n ** 62n)], 'expected a rank from 1, got');
    await refused([whole(2n)], 'a list of one name or more, got []');
    await refused([whole(2n), factor('lora/99/vars/lora_kernel_a', [1])], 'got "lora/99/vars/lora_kernel_a"');
    await refused([whole(2n), factor('lora/11/vars/lora_kernel_c', [1])], 'got "lora/11/vars/lora_kernel_c"');
    await refused([whole(2n), factor('lora/3/vars/lora_kernel_a', [1])], 'got "feedforward_layer_norm"');
    await refused([whole(100n), factor('lora/11/vars/lora_kernel_a', [1])], 'expected a rank of at most 8');
    await refused([whole(2n), factor('lora/11/vars/lora_kernel_a', [24, 3, 2])], 'missing: lora/11/vars/lora_kernel_b');

    const bytes = await readFile(recordedFile);
    for (let length = 0; length < bytes.length; length += 997) {
      const path = join(folder, 'cut.lora.h5');
      await writeFile(path, bytes.subarray(0, length));
      await expect(plain.loadLoraWeights(path)).rejects.toMatchObject({ name: 'PresetError' });
    }
    const safetensors = join(folder, 'hostile.safetensors');
    const tensorsOf = async (names: readonly string[]): Promise<void> => {
      right(
        await writeSafetensors(
          safetensors,
          names.map((name) => ({ name, dtype: 'float32', shape: [2, 8], data: new Uint8Array(64) })),
        )(),
      );
    };
    await tensorsOf([]);
    await expect(plain.loadLoraWeights(safetensors)).rejects.toThrow('expected a loraKernelB, got none');
    await tensorsOf(['h.0.attn.c_attn.weight']);
    await expect(plain.loadLoraWeights(safetensors)).rejects.toThrow('got "h.0.attn.c_attn.weight"');
    await tensorsOf(['transformerLayers[0].selfAttention.query.loraKernelB']);
    await expect(plain.loadLoraWeights(safetensors)).rejects.toThrow(
      'missing: transformerLayers[0].selfAttention.query.loraKernelA',
    );
  });
});
