// The page of GemmaCausalLM, line by line, on small presets.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  BeamSampler,
  CausalLM,
  GemmaBackbone,
  GemmaCausalLM,
  GemmaCausalLMPreprocessor,
  GemmaTokenizer,
  gradients,
  ops,
  read,
  type Tensor,
  tensor,
} from '../../src/index.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { leaves } from '../../src/tensor/tree.ts';
import { webgpuTestDevice } from '../support/device.ts';
import { presetPath } from '../support/fixtures.ts';
import { temporaryFolder } from '../weights/helpers.ts';

const preset = presetPath('keras/gemma_c_float32');
const proto = fileURLToPath(new URL('../fixtures/sentencepiece/gemma.spm', import.meta.url));
const features = ['The quick brown fox jumped.', 'I forgot my homework.'];
const prompts = ['This is a', 'Where are you'];

const folder = await temporaryFolder();

const load = async () => {
  const lm = await GemmaCausalLM.fromPreset(preset, { device: await webgpuTestDevice() });
  return GemmaCausalLM({ backbone: lm.backbone, preprocessor: lm.preprocessor!.withSequenceLength(32) });
};

/** Sizes of a Gemma that reads all of the page's ids and is small otherwise. */
const small = { vocabularySize: 256_000, numLayers: 1, numHeads: 2, hiddenDim: 8, intermediateDim: 16 };

describe('the examples of the page', () => {
  it('S5 S42 S120 S130: generates, greedily unless compiled with another sampler', async () => {
    const lm = await CausalLM.fromPreset(preset, { device: await webgpuTestDevice() });
    expect([lm.name, lm.backbone.name, lm.sampler.name]).toEqual(['GemmaCausalLM', 'GemmaBackbone', 'greedy']);
    const text = await lm.generate('I want to say', { maxLength: 30 });
    expect(text.startsWith('I want to say')).toBe(true);
    const texts = await lm.generate(prompts, { maxLength: 30 });
    expect(texts.map((own, i) => own.startsWith(prompts[i]!))).toEqual([true, true]);
    const drawn = await lm.compile({ sampler: 'top_k' }).generate('I want to say', { maxLength: 30, seed: 3 });
    expect(drawn.startsWith('I want to say')).toBe(true);
    const beam = lm.compile({ sampler: BeamSampler({ numBeams: 2 }) });
    expect((await beam.generate('I want to say', { maxLength: 30 })).startsWith('I want to say')).toBe(true);
  });

  it('S131: generates without preprocessing: refused as it stands, and full to the end without stop ids', async () => {
    const prompt = {
      tokenIds: new Array(2).fill([2, 214064, 603, 0, 0, 0, 0]) as number[][],
      paddingMask: new Array(2).fill([1, 1, 1, 0, 0, 0, 0]) as number[][],
    };
    const lm = GemmaCausalLM({ backbone: GemmaBackbone(small), preprocessor: null });
    await expect(lm.generate(prompt)).rejects.toThrow("stopTokenIds 'auto', got none; pass stopTokenIds: null");
    const { tokenIds, paddingMask } = await lm.generate(prompt, { stopTokenIds: null });
    expect(tokenIds.shape).toEqual([2, 7]);
    expect([...tokenIds.data.subarray(0, 3)]).toEqual([2, 214064, 603]);
    expect([...tokenIds.data.subarray(0, 7)]).toEqual([...tokenIds.data.subarray(7)]);
    expect([...paddingMask.data]).toEqual(new Array(14).fill(1));
  });

  it('S102 S132: fits texts, with LoRA too', async () => {
    const lm = await load();
    const { history } = await lm.fit(features, { batchSize: 2 });
    expect(Object.keys(history).sort()).toEqual(['loss', 'sparse_categorical_accuracy']);
    const withLora = lm.enableLora({ rank: 4 });
    const { task, history: after } = await withLora.fit(features, { batchSize: 2, epochs: 2 });
    expect(Number.isFinite(after.loss![1])).toBe(true);
    expect(task.backbone.lora?.rank).toBe(4);
    // Each of 2 layers has a query of 4 heads and a value of 2: a is [heads, hiddenDim, rank], b [rank, headDim].
    expect(task.backbone.countParams() - lm.backbone.countParams()).toBe(2 * (4 * 16 * 4 + 4 * 4 + 2 * 16 * 4 + 4 * 4));
  });

  it('S103 S133: fits tokens as they stand on the page', async () => {
    const twice = (row: readonly number[]): number[][] => [[...row], [...row]];
    const x = {
      tokenIds: twice([2, 214064, 603, 5271, 6044, 9581, 1, 0]),
      paddingMask: twice([1, 1, 1, 1, 1, 1, 1, 0]),
    };
    const lm = GemmaCausalLM({ backbone: GemmaBackbone(small), preprocessor: null });
    const { history } = await lm.fit(x, {
      y: twice([214064, 603, 5271, 6044, 9581, 3, 0, 0]),
      sampleWeight: twice([1, 1, 1, 1, 1, 1, 0, 0]),
      batchSize: 2,
    });
    // Six of eight places count, and the mean is over all: nearly ln(256000) each.
    expect(Math.abs(history.loss![0]! - (6 / 8) * Math.log(256_000))).toBeLessThan(0.2);
  });

  it('S134: takes a backbone and a vocabulary of one’s own', async () => {
    const tokenizer = GemmaTokenizer({ proto });
    const preprocessor = GemmaCausalLMPreprocessor({ tokenizer, sequenceLength: 128 });
    const backbone = GemmaBackbone({
      vocabularySize: 30552,
      numLayers: 4,
      numHeads: 4,
      hiddenDim: 256,
      intermediateDim: 512,
      maxSequenceLength: 128,
    });
    const lm = GemmaCausalLM({ backbone, preprocessor });
    const layer = 4 * 256 * 256 + 3 * 256 * 256 + 2 * 256;
    expect(lm.backbone.countParams()).toBe(30552 * 256 + 4 * layer + 256);
    const { history } = await lm.fit(features, { batchSize: 2 });
    expect(Number.isFinite(history.loss![0])).toBe(true);
    const long = { tokenIds: [new Array<number>(129).fill(5)] };
    await expect(lm.generate(long)).rejects.toThrow("at most 128 (the model's maxSequenceLength), got 129");
  });

  it('S89 S135: gives the gradient of losses with respect to the embeddings', async () => {
    const lm = await load();
    const generations = await lm.generate(prompts, { maxLength: 30 });
    const { tokenIds, paddingMask } = lm.preprocessor!.generatePreprocess(generations);
    const targetIds = ops.roll(tensor(tokenIds), -1, { axis: 1 });
    let embeddings: Tensor | undefined;
    const losses = lm.score({
      tokenIds,
      paddingMask,
      targetIds,
      scoringMode: 'loss',
      layerInterceptFn: (x, i) => {
        if (i === -1) embeddings = x;
        return x;
      },
    });
    const [slopes] = gradients(ops.sum(losses), [embeddings!]);
    const { loss, dx } = await read({ loss: losses, dx: slopes! });
    expect(loss.shape).toEqual([2, 32]);
    expect(dx.shape).toEqual([2, 32, 16]);
    expect(dx.data.every(Number.isFinite) && dx.data.some((value) => Math.abs(value) > 1e-3)).toBe(true);
  });
});

describe('a Gemma’s preset', () => {
  it('S118: is written in KerasHub’s layout and read again: weights, sizes, tokens and texts', async () => {
    const device = await webgpuTestDevice();
    // tokenizer.json alone becomes the SentencePiece model that KerasHub wants.
    const lm = await GemmaCausalLM.fromPreset(presetPath('transformers/gemma_c_bfloat16'), { device });
    const path = join(folder, 'saved');
    await saveKerasPreset(path, lm);
    const again = await GemmaCausalLM.fromPreset(path, { device });
    expect(again.backbone.config).toEqual(lm.backbone.config);
    const [before, after] = [await device.evaluate(leaves(lm.params)), await device.evaluate(leaves(again.params))];
    for (const [i, { data, dtype }] of before.entries()) {
      expect(after[i]!.dtype).toBe(dtype);
      expect(after[i]!.data).toEqual(data);
    }
    const options = { maxLength: 24 };
    expect(again.tokenizer!.tokenize(features)).toEqual(lm.tokenizer!.tokenize(features));
    expect(await again.generate(prompts, options)).toEqual(await lm.generate(prompts, options));
  });

  it('S100 S101: has its tokenizer from vocabulary.spm, tokenizer.model or tokenizer.json', async () => {
    const ids = GemmaTokenizer({ proto }).tokenize(features);
    for (const name of ['keras/gemma_c_float32', 'transformers/gemma_c_float32', 'transformers/gemma_c_bfloat16']) {
      const tokenizer = await GemmaTokenizer.fromPreset(presetPath(name));
      expect(tokenizer.tokenize(features)).toEqual(ids);
      expect((await GemmaCausalLMPreprocessor.fromPreset(presetPath(name), { sequenceLength: 9 })).sequenceLength).toBe(
        9,
      );
    }
    expect((await GemmaCausalLM.fromPreset(presetPath('transformers/gemma_b_float32'))).preprocessor).toBeNull();
  });

  it('S18 S20: is refused by other families, and refuses others, by name', async () => {
    await expect(GemmaCausalLM.fromPreset(presetPath('keras/a_float32'))).rejects.toThrow(
      'expected a preset of GemmaBackbone for GemmaCausalLM, got one of the family gpt2',
    );
    await expect(GemmaTokenizer.fromPreset(presetPath('keras/a_float32'))).rejects.toThrow('of GemmaBackbone');
  });

  it('names the file and what is wrong with a tokenizer that is none', async () => {
    const broken = (name: string, bytes: Uint8Array | string): string => {
      const path = join(folder, name);
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path);
      cpSync(presetPath('transformers/gemma_b_float32'), path, { recursive: true });
      writeFileSync(join(path, typeof bytes === 'string' ? 'tokenizer.json' : 'tokenizer.model'), bytes);
      return path;
    };
    await expect(GemmaCausalLM.fromPreset(broken('no model', new Uint8Array([1, 2, 3])))).rejects.toThrow(
      /no model\/tokenizer\.model: GemmaTokenizer: proto: /,
    );
    await expect(GemmaCausalLM.fromPreset(broken('no json', '{}'))).rejects.toThrow(/no json\/tokenizer\.json: /);
    expect(() => GemmaTokenizer({ proto: join(folder, 'nowhere.spm') })).toThrow(ArgumentError);
    expect(() => GemmaTokenizer({ proto: join(folder, 'nowhere.spm') })).toThrow(
      /could not read .*nowhere.spm" \(ENOENT\)/,
    );
    expect(() => GemmaTokenizer({ proto: new Uint8Array(0) })).toThrow('expected a SentencePiece model');
  });
});
