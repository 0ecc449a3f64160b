import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import { BartBackbone, BartSeq2SeqLM, BartSeq2SeqLMPreprocessor } from '../../src/tasks/bart.ts';
import { leaves, paths } from '../../src/tensor/tree.ts';
import type { Seq2SeqTexts } from '../../src/tokenizers/index.ts';
import { Adam, getOptimizer, type OptimizerConfig, SparseCategoricalCrossentropy } from '../../src/training/index.ts';
import { gradients } from '../../src/transforms/gradients.ts';
import { expectClose } from '../support/agree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { fixture, floats, presetPath, type RecordedFloats } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

interface Tokens {
  readonly encoderTokenIds: number[][];
  readonly encoderPaddingMask: number[][];
  readonly decoderTokenIds: number[][];
  readonly decoderPaddingMask: number[][];
  readonly y: number[][];
  readonly sampleWeight: number[][];
}

const fits = fixture<
  Tokens & {
    readonly preset: string;
    readonly loss: number;
    readonly gradients: Readonly<Record<string, RecordedFloats>>;
    readonly runs: readonly {
      readonly optimizer: OptimizerConfig;
      readonly history: Readonly<Record<string, number[]>>;
    }[];
    readonly texts: {
      readonly preset: string;
      readonly lengths: { readonly encoderSequenceLength: number; readonly decoderSequenceLength: number };
      readonly features: Seq2SeqTexts & { readonly encoderText: string[]; readonly decoderText: string[] };
      readonly evaluate: Readonly<Record<string, number>>;
      readonly predict: { readonly shape: number[]; readonly firstPlace: RecordedFloats };
      readonly history: Readonly<Record<string, number[]>>;
      readonly plainStrings: string;
    };
  }
>('bart/fit');

const lora = fixture<
  Tokens & {
    readonly preset: string;
    readonly rank: number;
    readonly layers: string[];
    readonly loraLayers: number[];
    readonly trainable: Readonly<Record<string, number[]>>;
    readonly addedParams: number;
    readonly logits: RecordedFloats;
    readonly runs: readonly { readonly optimizer: OptimizerConfig; readonly loss: number[] }[];
  }
>('bart/lora');

const loraFile = fileURLToPath(new URL('../fixtures/bart/lora.lora.h5', import.meta.url));
const folder = await temporaryFolder();

/** Where `reference/check_hdf5.py` looks for files to read with KerasHub; undefined: nobody looks. */
const kept = process.env.PURELM_H5_FOLDER;

const tokensOf = ({ encoderTokenIds, encoderPaddingMask, decoderTokenIds, decoderPaddingMask }: Tokens) => ({
  encoderTokenIds,
  encoderPaddingMask,
  decoderTokenIds,
  decoderPaddingMask,
});

const devices = [
  ['reference', async () => referenceDevice],
  ['webgpu', webgpuTestDevice],
] as const satisfies readonly (readonly [string, () => Promise<Device>])[];

/** A recorded preset, without dropout and in float32, as it was recorded. */
const backboneOn = async (device: Device, preset: string): Promise<BartBackbone> => {
  const { config, params } = await BartBackbone.fromPreset(presetPath(preset), { device, dtype: 'float32' });
  return BartBackbone({ ...config, dropout: 0 }).withParams(params);
};

/** The largest distance of numbers from recorded ones, against the largest of all those. */
const relative = (actual: ArrayLike<number>, expected: Float32Array, largest: number): number =>
  expected.reduce((worst, value, i) => Math.max(worst, Math.abs(actual[i]! - value)), 0) / largest;

describe.each(devices)('training BART on %s', (_name, open) => {
  it('has the gradients of every parameter that KerasHub has', async () => {
    const device = await open();
    const backbone = await backboneOn(device, fits.preset);
    const lm = BartSeq2SeqLM({ backbone });
    const loss = SparseCategoricalCrossentropy({ fromLogits: true }).call(
      tensor(fits.y, { dtype: 'int32' }),
      lm.apply(tokensOf(fits)),
      tensor(fits.sampleWeight),
    );
    const named = paths(backbone.params);
    expect(named.map(([path]) => path).sort()).toEqual(Object.keys(fits.gradients).sort());
    const slopes = gradients(
      loss,
      named.map(([, own]) => own),
    );
    const [value, ...values] = await device.evaluate([loss, ...slopes]);
    expect(Math.abs(value!.data[0]! - fits.loss)).toBeLessThan(1e-5);
    const all = Object.values(fits.gradients).map(floats);
    const largest = Math.max(...all.map((own) => own.reduce((a, b) => Math.max(a, Math.abs(b)), 0)));
    for (const [i, [path]] of named.entries())
      expect(relative(values[i]!.data, floats(fits.gradients[path]!), largest), path).toBeLessThan(1e-4);
  });

  it.each(fits.runs)('takes the same five steps of $optimizer.name', async ({ optimizer, history: recorded }) => {
    const lm = BartSeq2SeqLM({ backbone: await backboneOn(await open(), fits.preset) });
    const { history } = await lm.compile({ optimizer: getOptimizer(optimizer) }).fit(tokensOf(fits), {
      y: fits.y,
      sampleWeight: fits.sampleWeight,
      batchSize: 3,
      epochs: 5,
      shuffle: false,
    });
    for (const [name, values] of Object.entries(recorded)) {
      expect(history[name]!.length).toBe(5);
      for (const [i, value] of values.entries())
        expect(Math.abs(history[name]![i]! - value), `${name}, step ${i}`).toBeLessThan(1e-4);
    }
  });

  it('S27 S106: fits, evaluates and predicts texts of both sides, as KerasHub does', async () => {
    const { texts } = fits;
    const device = await open();
    const lm = BartSeq2SeqLM({
      backbone: await backboneOn(device, texts.preset),
      preprocessor: await BartSeq2SeqLMPreprocessor.fromPreset(presetPath(texts.preset), texts.lengths),
    }).compile({ optimizer: Adam({ learningRate: 1e-2 }) });
    const judged = await lm.evaluate(texts.features, { batchSize: 2 });
    for (const [name, value] of Object.entries(texts.evaluate))
      expect(Math.abs(judged[name]! - value)).toBeLessThan(1e-4);
    const predicted = await lm.predict(texts.features, { batchSize: 2 });
    expect(predicted.shape).toEqual(texts.predict.shape);
    const [rows = 0, length = 0, width = 0] = predicted.shape;
    const first = Array.from({ length: rows }, (_, row) => [
      ...predicted.data.slice(row * length * width, (row * length + 1) * width),
    ]).flat();
    expectClose(
      { data: Float32Array.from(first), shape: [rows, width], dtype: 'float32' },
      { data: floats(texts.predict.firstPlace), shape: [rows, width], dtype: 'float32' },
      { atol: 1e-4 },
    );
    const { history } = await lm.fit(texts.features, { batchSize: 2, epochs: 2, shuffle: false });
    for (const [name, values] of Object.entries(texts.history))
      for (const [i, value] of values.entries()) expect(Math.abs(history[name]![i]! - value), name).toBeLessThan(2e-4);
  });

  it('S110: puts LoRA beside query and value of all three kinds of attention', async () => {
    const device = await open();
    const plain = await backboneOn(device, lora.preset);
    const enabled = plain.enableLora({ rank: lora.rank });
    expect(plain.model.weights.layers.map(({ name }) => name)).toEqual(lora.layers);
    expect(enabled.lora?.layers.map(({ index }) => index)).toEqual(lora.loraLayers);
    const shapes = new Map(paths(enabled.params).map(([path, { shape }]) => [path, shape]));
    expect([...enabled.trainable].sort()).toEqual(Object.keys(lora.trainable).sort());
    for (const [path, shape] of Object.entries(lora.trainable)) expect(shapes.get(path)).toEqual(shape);
    expect(enabled.countParams() - plain.countParams()).toBe(lora.addedParams);
  });

  it('S111: reads KerasHub’s LoRA file; logits and three steps of SGD and of Adam are the same', async () => {
    const device = await open();
    const backbone = await (await backboneOn(device, lora.preset)).loadLoraWeights(loraFile);
    const lm = BartSeq2SeqLM({ backbone });
    const expected = { data: floats(lora.logits), shape: lora.logits.shape, dtype: 'float32' } as const;
    for (const logits of await device.evaluate([lm.apply(tokensOf(lora)), lm.mergeLora().apply(tokensOf(lora))]))
      expectClose(logits, expected, { atol: 1e-4 });
    for (const { optimizer, loss } of lora.runs) {
      const { task, history } = await lm.compile({ optimizer: getOptimizer(optimizer) }).fit(tokensOf(lora), {
        y: lora.y,
        sampleWeight: lora.sampleWeight,
        batchSize: 3,
        epochs: 3,
        shuffle: false,
      });
      for (const [i, value] of loss.entries()) expect(Math.abs(history.loss![i]! - value)).toBeLessThan(1e-4);
      const before = new Map(paths(lm.params));
      for (const [path, own] of paths(task.params))
        if (!backbone.trainable.has(path)) expect(own, path).toBe(before.get(path));
    }
  });
});

describe('training BART', () => {
  it('S111: writes LoRA files that it reads', async () => {
    const plain = await backboneOn(referenceDevice, lora.preset);
    const backbone = await plain.loadLoraWeights(loraFile);
    const path = join(folder, 'own.lora.h5');
    await backbone.saveLoraWeights(path);
    const again = await plain.loadLoraWeights(path);
    const values = await referenceDevice.evaluate([...leaves(backbone.params), ...leaves(again.params)]);
    const half = values.length / 2;
    for (let i = 0; i < half; i++) expect(values[i]!.data).toEqual(values[half + i]!.data);
    await expect(backbone.saveLoraWeights(join(folder, 'own.h5'))).rejects.toThrow('.lora.h5');
    if (kept === undefined) return;
    await mkdir(join(kept, 'lora'), { recursive: true });
    await backbone.saveLoraWeights(join(kept, 'lora', 'bart.lora.h5'));
  });

  it('S106: asks for both sides, each example two texts', async () => {
    const lm = BartSeq2SeqLM({
      backbone: await backboneOn(referenceDevice, fits.texts.preset),
      preprocessor: await BartSeq2SeqLMPreprocessor.fromPreset(presetPath(fits.texts.preset), fits.texts.lengths),
    });
    expect(fits.texts.plainStrings).toBe('TypeError');
    await expect(lm.fit(['a', 'b'])).rejects.toThrow(
      'fit: expected { encoderText, decoderText } or tokens of both sides, got texts without a side: each example is two texts',
    );
    await expect(lm.fit({ encoderText: 'a', decoderText: 'b' })).rejects.toThrow('to have a batch axis');
    await expect(lm.fit({ encoderText: ['a'] })).rejects.toThrow('got an object with encoderText');
    await expect(lm.fit({ encoderText: ['a'], decoderText: ['b'] }, { y: [[1]] })).rejects.toThrow(
      'expected no y with texts',
    );
    await expect(lm.fit(tokensOf(fits))).rejects.toThrow('expected targets y for tokens');
    const { decoderTokenIds: _, ...half } = tokensOf(fits);
    await expect(lm.fit(half, { y: fits.y })).rejects.toThrow(
      'expected encoderTokenIds and decoderTokenIds, got none of the decoder',
    );
    const fewer = { ...tokensOf(fits), encoderTokenIds: [[1, 2]], encoderPaddingMask: [[1, 1]] };
    await expect(lm.fit(fewer, { y: fits.y })).rejects.toThrow(
      'as many rows for the encoder as for the decoder, got 1 and 3',
    );
  });

  it('leaves padding out of the work, and nothing else', async () => {
    const preset = presetPath(fits.texts.preset);
    const own = await backboneOn(referenceDevice, fits.texts.preset);
    const evaluated = await Promise.all(
      [10, 40].map(async (length) => {
        const preprocessor = await BartSeq2SeqLMPreprocessor.fromPreset(preset, {
          encoderSequenceLength: Math.max(length, 32),
          decoderSequenceLength: length,
        });
        const { loss } = await BartSeq2SeqLM({ backbone: own, preprocessor }).evaluate({
          encoderText: ['the fox', 'a dog'],
          decoderText: ['a fox', 'the'],
        });
        return loss! * length;
      }),
    );
    expect(Math.abs(evaluated[0]! - evaluated[1]!)).toBeLessThan(1e-4);
  });

  it('validates on texts of both sides and on tokens with their targets', async () => {
    const lm = BartSeq2SeqLM({ backbone: await backboneOn(referenceDevice, fits.preset) });
    const data = [tokensOf(fits), fits.y, fits.sampleWeight];
    const options = { y: fits.y, sampleWeight: fits.sampleWeight, shuffle: false };
    const { task, history } = await lm.fit(tokensOf(fits), { ...options, validationData: data });
    const { shuffle: _, ...labels } = options;
    expect((await task.evaluate(tokensOf(fits), labels)).loss).toBeCloseTo(history.val_loss![0]!, 6);
  });

  it('drops out by its seed', async () => {
    const sizes = { vocabularySize: 131, numLayers: 1, numHeads: 1, hiddenDim: 4, intermediateDim: 4 };
    const backbone = BartBackbone({ ...sizes, maxSequenceLength: 8, dropout: 0.3 });
    const run = async (seed: number): Promise<number> => {
      const { history } = await BartSeq2SeqLM({ backbone }).fit(tokensOf(fits), { y: fits.y, epochs: 1, seed });
      return history.loss![0]!;
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    expect(first).toBe(again);
    expect(first).not.toBe(other);
  });
});
