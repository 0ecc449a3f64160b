import { beforeAll, describe, expect, it } from 'vitest';
import { drawFrom } from '../../scripts/tiny/draw.mjs';
import { inductionOf } from '../../scripts/tiny/training.mjs';
import { story } from '../../scripts/tiny/world.mjs';
import * as library from '../../src/index.ts';
import { threefry2x32 as threefry } from '../../src/ops/threefry.ts';

let lm: Awaited<ReturnType<typeof library.GPT2CausalLM.fromPreset>>;
beforeAll(async () => {
  lm = await library.GPT2CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy' });
});

/** Stories under a seed that the training did not use. */
const unseen = (index: number): string => story(drawFrom(threefry, 991, index));

describe('the preset that ships', () => {
  it.each([
    [8, 0.3],
    [20, 0.5],
    [40, 0.75],
  ])('shows induction: %i random tokens cost the second time at most %f of the first', async (length, share) => {
    const { first, second } = await inductionOf(library, lm, { threefry, length });
    // Random tokens cannot be foreseen: about the logarithm of how many there are.
    expect(first).toBeGreaterThan(Math.log(lm.tokenizer!.endTokenId));
    expect(second / first).toBeLessThan(share);
  });

  it('foresees stories that it was not trained on', async () => {
    const { tokenizer } = lm;
    const losses = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const ids = [tokenizer!.startTokenId, ...tokenizer!.tokenize(unseen(i)), tokenizer!.endTokenId];
        const loss = lm.score({ tokenIds: [ids.slice(0, -1)], targetIds: [ids.slice(1)], scoringMode: 'loss' });
        return Array.from((await library.read(loss)).data);
      }),
    );
    const all = losses.flat();
    expect(all.reduce((sum, loss) => sum + loss, 0) / all.length).toBeLessThan(0.45);
  });

  it('goes on with stories in the words of its world, up to an end', async () => {
    const words = new Set(Array.from({ length: 400 }, (_, i) => unseen(i).match(/[A-Za-z]+/g) ?? []).flat());
    const openings = Array.from({ length: 12 }, (_, i) =>
      unseen(100 + i)
        .split(' ')
        .slice(0, 6)
        .join(' '),
    );
    for (const text of await lm.generate(openings)) {
      expect(text).toMatch(/[.!]$/);
      expect(
        (text.match(/[A-Za-z]+/g) ?? []).filter((word) => !words.has(word)),
        text,
      ).toEqual([]);
    }
  });
});
