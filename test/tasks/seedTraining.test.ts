// The examples of the pages about fit, predict, evaluate, score and LoRA, as far as GPT-2 can run them.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  Adam,
  GPT2Backbone,
  GPT2CausalLM,
  GPT2CausalLMPreprocessor,
  GPT2Tokenizer,
  gradients,
  type NDArray,
  ops,
  paths,
  read,
  SparseCategoricalCrossentropy,
  type Tensor,
  tensor,
} from '../../src/index.ts';
import { webgpuTestDevice } from '../support/device.ts';

const features = ['The quick brown fox jumped.', 'I forgot my homework.'];
const sequenceLength = 16;

/** The shipped preset, for short texts. */
const load = async (): Promise<GPT2CausalLM> => {
  const device = await webgpuTestDevice();
  const preprocessor = await GPT2CausalLMPreprocessor.fromPreset('gpt2_tiny_en', { sequenceLength });
  return GPT2CausalLM.fromPreset('gpt2_tiny_en', { device, preprocessor });
};

let lm: GPT2CausalLM;
beforeAll(async () => {
  lm = await load();
});

const valuesOf = async (task: GPT2CausalLM): Promise<ReadonlyMap<string, NDArray>> => {
  const named = paths(task.params);
  const values = await read(named.map(([, own]) => own));
  return new Map(named.map(([path], i) => [path, values[i]!]));
};

/** Paths whose values two tasks do not share. */
const changed = async (a: GPT2CausalLM, b: GPT2CausalLM): Promise<readonly string[]> => {
  const [before, after] = [await valuesOf(a), await valuesOf(b)];
  return [...after].flatMap(([path, { data }]) =>
    before.get(path)?.data.every((value, i) => value === data[i]) === true ? [] : [path],
  );
};

describe('fit', () => {
  it('S102 S124 on one batch of texts', async () => {
    const { task, history } = await lm.fit(features, { batchSize: 2 });
    expect(Object.keys(history).sort()).toEqual(['loss', 'sparse_categorical_accuracy']);
    expect([history.loss!.length, history.sparse_categorical_accuracy!.length]).toEqual([1, 1]);
    expect(history.loss![0]).toBeGreaterThan(0);
    const { trainable } = lm.backbone;
    expect((await changed(lm, task)).every((path) => trainable.has(path))).toBe(true);
    expect((await changed(lm, task)).length).toBeGreaterThan(0);
    expect(await task.generate('The old', { maxLength: 8 })).toMatch(/^The old/);
    // Many more steps lead somewhere.
    const longer = await lm.compile({ optimizer: Adam({ learningRate: 1e-3 }) }).fit(features, { epochs: 10 });
    expect(longer.history.loss!.at(-1)).toBeLessThan(longer.history.loss![0]! / 2);
  });

  it('S103 S124 without preprocessing', async () => {
    const x = { tokenIds: [0, 1].map(() => [50256, 1, 2, 3, 4]), paddingMask: [0, 1].map(() => [1, 1, 1, 1, 1]) };
    const y = [0, 1].map(() => [1, 2, 3, 4, 50256]);
    const sampleWeight = [0, 1].map(() => [1, 1, 1, 1, 1]);
    const backbone = GPT2Backbone({
      vocabularySize: 50257,
      numLayers: 1,
      numHeads: 2,
      hiddenDim: 8,
      intermediateDim: 16,
      maxSequenceLength: 16,
    });
    const { history } = await GPT2CausalLM({ backbone, preprocessor: null }).fit(x, { y, sampleWeight, batchSize: 2 });
    // Fresh weights are small: every token is about as likely as any other.
    expect(history.loss![0]).toBeCloseTo(Math.log(50257), 1);
    expect(history.sparse_categorical_accuracy![0]).toBeLessThan(0.5);
  });

  it('S125 with a backbone and a vocabulary of one’s own', async () => {
    const tokenizer = GPT2Tokenizer({
      vocabulary: { '<|endoftext|>': 0, a: 4, Ġquick: 5, Ġfox: 6 },
      merges: ['Ġ q', 'u i', 'c k', 'ui ck', 'Ġq uick', 'Ġ f', 'o x', 'Ġf ox'],
    });
    const preprocessor = GPT2CausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
    const backbone = GPT2Backbone({
      vocabularySize: 30552,
      numLayers: 4,
      numHeads: 4,
      hiddenDim: 256,
      intermediateDim: 512,
      maxSequenceLength: 128,
    });
    const { history } = await GPT2CausalLM({ backbone, preprocessor }).fit(['a quick fox.', 'a fox quick.'], {
      batchSize: 2,
    });
    expect(history.loss![0]).toBeGreaterThan(0);
    expect(history.loss![0]).toBeLessThan(Math.log(30552));
  });

  it('S33 S36 S37 auto is Adam(2e-5), cross entropy from logits, and weighted accuracy', async () => {
    const explicit = lm.compile({
      optimizer: Adam({ learningRate: 2e-5 }),
      loss: SparseCategoricalCrossentropy({ fromLogits: true }),
      weightedMetrics: ['sparse_categorical_accuracy'],
    });
    const [own, other] = [await lm.fit(features, { epochs: 2 }), await explicit.fit(features, { epochs: 2 })];
    expect(own.history).toEqual(other.history);
    expect(await changed(own.task, other.task)).toEqual([]);
  });

  it('S108 of a task with LoRA: only its factors and the biases beside them change', async () => {
    const withLora = lm.enableLora({ rank: 4 });
    expect(withLora.backbone.trainable).toEqual(
      lm.withBackbone(lm.backbone.enableLora({ rank: 4 })).backbone.trainable,
    );
    const { task, history } = await withLora.fit(features, { batchSize: 2 });
    expect(history.loss!.length).toBe(1);
    const moved = await changed(withLora, task);
    expect(moved.length).toBeGreaterThan(0);
    for (const path of moved)
      expect(path).toMatch(/^transformerLayers\[\d\]\.selfAttention\.(query|value)\.(loraKernel[AB]|bias)$/);
  });
});

describe('fit, evaluate and predict', () => {
  it('S27 take texts where there is a preprocessor, and tokens where there is none', async () => {
    const bare = GPT2CausalLM({ backbone: lm.backbone, preprocessor: null });
    const { x, y, sampleWeight } = lm.preprocessor!(features);
    const labels = { y, sampleWeight };
    expect(await bare.evaluate(x, labels)).toEqual(await lm.evaluate(features));
    expect((await bare.fit(x, labels)).history).toEqual((await lm.fit(features)).history);
    // Without labels there is nothing to learn or judge by, but all there is to predict from.
    const logits = await lm.predict(features);
    expect(logits.shape).toEqual([2, sequenceLength, lm.backbone.config.vocabularySize]);
    expect((await bare.predict(x)).data).toEqual(logits.data);
    await expect(bare.evaluate(x)).rejects.toThrow('expected targets y');
    for (const run of [() => bare.fit(features), () => bare.evaluate(features), () => bare.predict(features)])
      await expect(run()).rejects.toThrow('no preprocessor');
  });

  it('S104 the loss is divided by all places, those without weight included', async () => {
    const { x, y, sampleWeight } = lm.preprocessor!(features);
    const losses = await read(lm.score({ ...x, targetIds: y, scoringMode: 'loss' }));
    const weighted = Array.from(losses.data).reduce((total, loss, i) => total + loss * sampleWeight.data[i]!, 0);
    expect(sampleWeight.data.some((weight) => weight === 0)).toBe(true);
    const { loss } = await lm.evaluate(features);
    expect(loss).toBeCloseTo(weighted / losses.data.length, 4);
  });

  it('S66 predict and score give the same bits twice, whatever the dropout', async () => {
    const backbone = GPT2Backbone({ ...lm.backbone.config, dropout: 0.5 }).withParams(lm.params);
    const wild = GPT2CausalLM({ backbone, preprocessor: lm.preprocessor });
    const plain = await lm.predict(features);
    for (let time = 0; time < 2; time++) expect((await wild.predict(features)).data).toEqual(plain.data);
    const { x } = lm.preprocessor!(features);
    const [first, second] = [await read(wild.score(x)), await read(wild.score(x))];
    expect(first.data).toEqual(second.data);
    // In training, it drops.
    const { history } = await wild.fit(features);
    const { loss } = await wild.evaluate(features);
    expect(Math.abs(history.loss![0]! - loss!)).toBeGreaterThan(0.01);
  });
});

describe('score', () => {
  it('S135 the gradient of the losses with respect to the embeddings', async () => {
    const generations = await lm.generate(['This is a', 'Where are you'], { maxLength: sequenceLength, seed: 1 });
    const { tokenIds, paddingMask } = lm.preprocessor!.generatePreprocess(generations);
    const targetIds = ops.roll(tensor(tokenIds), -1, { axis: 1 });

    let embeddings: Tensor | undefined;
    const layerInterceptFn = (x: Tensor, i: number): Tensor => {
      if (i === -1) embeddings = x;
      return x;
    };
    const request = { tokenIds, paddingMask, targetIds, scoringMode: 'loss' } as const;
    const losses = lm.score({ ...request, layerInterceptFn });
    const [grads] = gradients(ops.sum(losses), [embeddings!]);

    expect(losses.shape).toEqual([2, sequenceLength]);
    expect(grads!.shape).toEqual([2, sequenceLength, lm.backbone.config.hiddenDim]);
    // Along the gradient, the losses grow by its square for each step: a hundredth, since float32 is what they are in.
    const along = (step: number) =>
      ops.sum(
        lm.score({ ...request, layerInterceptFn: (x, i) => (i === -1 ? ops.add(x, ops.multiply(grads!, step)) : x) }),
      );
    const [squares] = (await read(ops.sum(ops.square(grads!)))).data;
    const step = 0.01 / Math.sqrt(squares!);
    const [up, down] = await read([along(step), along(-step)]);
    const slope = (up!.data[0]! - down!.data[0]!) / (2 * step);
    expect(squares).toBeGreaterThan(0);
    expect(Math.abs(slope / squares! - 1)).toBeLessThan(0.02);
  });
});
