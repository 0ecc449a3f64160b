import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawFrom } from '../../scripts/tiny/draw.mjs';
import { examples } from '../../scripts/tiny/examples.mjs';
import { recipe } from '../../scripts/tiny/recipe.mjs';
import { trainModel } from '../../scripts/tiny/training.mjs';
import { story } from '../../scripts/tiny/world.mjs';
import * as library from '../../src/index.ts';
import { threefry2x32 as threefry } from '../../src/ops/threefry.ts';
import { saveKerasPreset } from '../../src/tasks/saveKerasPreset.ts';
import { temporaryFolder } from '../weights/helpers.ts';

const folder = await temporaryFolder();

/** The recipe of the shipped preset with a model, batches and a run so small that it takes seconds. */
const small: typeof recipe = {
  ...recipe,
  sizes: { numLayers: 1, numHeads: 2, hiddenDim: 16, intermediateDim: 32, maxSequenceLength: 160 },
  stories: 3,
  repeats: 1,
  lessons: [{ steps: 2, rows: 4, width: 12 }],
  every: 3,
  steps: 16,
  learningRate: 1e-2,
  rise: 2,
  stepsPerEpoch: 4,
};

let tokenizer: ReturnType<typeof library.GPT2Tokenizer>;
beforeAll(async () => {
  tokenizer = await library.GPT2Tokenizer.fromPreset('gpt2_tiny_en');
});

const train = (options: Partial<Parameters<typeof trainModel>[1]> = {}): ReturnType<typeof trainModel> =>
  trainModel(library, { threefry, recipe: small, tokenizer, ...options });

describe('train:tiny', () => {
  it('makes its text from a seed and the story’s number', () => {
    const text = story(drawFrom(threefry, 20, 0));
    expect(story(drawFrom(threefry, 20, 0))).toBe(text);
    expect(story(drawFrom(threefry, 21, 0))).not.toBe(text);
    expect(text).toMatch(/^Tom was a boy who lived on the hill\. One evening, Tom was very hungry\./);
    for (let i = 0; i < 500; i++) {
      const own = story(drawFrom(threefry, 3, i));
      expect(own).toMatch(/^[A-Z][^{}<>]*[.!]$/);
      expect(own).not.toMatch(/undefined| {2}|\ba [aeiou]|\ban [^aeiou]/);
      expect(tokenizer.tokenize(own).length).toBeLessThanOrEqual(recipe.sizes.maxSequenceLength - 2);
    }
  });

  it('gives batches of stories, and of random tokens that repeat', () => {
    const all = examples({ ...small, threefry, tokenizer, positions: 160 });
    const [lesson, , batch] = [all.next().value, all.next().value, all.next().value];
    expect(lesson.x.tokenIds.map(({ length }) => length)).toEqual([12, 12, 12, 12]);
    expect(batch.x.tokenIds.length).toBe(4);
    for (const { x, y, sampleWeight } of [lesson, batch])
      for (const [row, ids] of x.tokenIds.entries()) {
        expect(ids[0]).toBe(tokenizer.endTokenId);
        expect(y[row]!.slice(0, -1)).toEqual(ids.slice(1));
        expect(sampleWeight[row]!.includes(1)).toBe(true);
      }
    const random = [...batch.y[3]!];
    const period = random.indexOf(random[0]!, 1);
    expect(period).toBeGreaterThan(0);
    expect(random.slice(period)).toEqual(random.slice(0, -period));
  });

  it('learns, comes to the same weights again, also after a break, and writes what loads to the same logits', async () => {
    const checkpoint = join(folder, 'checkpoint');
    const { task, history } = await train();
    expect(history.loss).toHaveLength(4);
    expect(history.loss!.at(-1)).toBeLessThan(0.9 * history.loss![0]!);

    const written = async (name: string, lm: typeof task): Promise<Buffer> => {
      await saveKerasPreset(join(folder, name), lm);
      return readFile(join(folder, name, 'model.weights.h5'));
    };
    const once = await written('once', task);
    const stop = new Error('stop');
    await expect(
      train({
        checkpoint,
        onProgress: ({ epoch, step }) => {
          if (epoch === 2 && step === 2) throw stop;
        },
      }),
    ).rejects.toBe(stop);
    const again = await train({ checkpoint, resume: true });
    expect(again.history).toEqual(history);
    expect(once.equals(await written('again', again.task))).toBe(true);

    const loaded = await library.CausalLM.fromPreset(join(folder, 'once'));
    const tokenIds = [tokenizer.tokenize('Once there was a little fox')];
    const logits = async (lm: { apply: typeof task.apply }): Promise<unknown> =>
      (await library.read(lm.apply({ tokenIds }))).data;
    expect(await logits(loaded)).toEqual(await logits(task));
    expect(loaded.tokenizer!.tokenize('the old fox')).toEqual(tokenizer.tokenize('the old fox'));
  });
});
