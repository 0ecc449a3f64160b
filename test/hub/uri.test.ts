import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { formatPresetUri, kaggleHandles, parsePresetUri, unknownPreset } from '../../src/hub/index.ts';
import { builtInPresets } from '../../src/models/presets.ts';
import { nearestNames } from '../../src/tensor/nearestNames.ts';

const parsed = (uri: string, revision?: string): unknown => {
  const result = parsePresetUri(uri, revision);
  if (E.isLeft(result)) throw new Error(result.left.message);
  return result.right;
};

const refused = (uri: unknown, revision?: string): string => {
  const result = parsePresetUri(uri, revision);
  if (E.isRight(result)) throw new Error(`expected a problem, got ${JSON.stringify(result.right)}`);
  expect(result.left._tag).toBe('BadUri');
  return result.left.message;
};

describe('parsePresetUri', () => {
  it('reads every form', () => {
    expect(parsed('kaggle://keras/bert/keras/bert_base_en/3')).toEqual({
      kind: 'kaggle',
      owner: 'keras',
      model: 'bert',
      framework: 'keras',
      variation: 'bert_base_en',
      version: 3,
    });
    expect(parsed('KAGGLE://keras/gemma/keras/gemma_1.1_instruct_2b_en')).toMatchObject({ version: undefined });
    expect(parsed('hf://openai-community/gpt2')).toEqual({
      kind: 'hub',
      repo: 'openai-community/gpt2',
      revision: 'main',
    });
    expect(parsed('hf://gpt2@refs/pr/7')).toEqual({ kind: 'hub', repo: 'gpt2', revision: 'refs/pr/7' });
    expect(parsed('hf://a/b', 'v1.0')).toMatchObject({ revision: 'v1.0' });
    expect(parsed('./gpt2_base_en')).toEqual({ kind: 'folder', path: './gpt2_base_en' });
    expect(parsed('C:\\models\\mine')).toEqual({ kind: 'folder', path: 'C:\\models\\mine' });
  });

  it('S11: knows all 55 ids of the pages, and says of those that are in what the registry says', () => {
    expect(kaggleHandles.size).toBeGreaterThanOrEqual(55);
    for (const [id, handle] of kaggleHandles) {
      expect(handle).toMatch(new RegExp(`^kaggle://(?:keras|google)/[\\w]+/keras/${id.replaceAll('.', '\\.')}/\\d$`));
      expect(parsed(id)).toMatchObject({
        kind: 'builtIn',
        id,
        hub: { repo: `keras/${id}` },
        kaggle: { variation: id },
      });
    }
    for (const [id, { kaggleHandle }] of builtInPresets) expect(kaggleHandles.get(id)).toBe(kaggleHandle);
  });

  it('S12, S13: refuses handles of another form, and says which forms there are', () => {
    expect(refused('kaggle://keras/bert/keras')).toContain("'kaggle://owner/model/framework/variation/version'");
    expect(refused('kaggle://keras/bert/keras/x/3/4')).toContain('expected a Kaggle handle');
    for (const version of ['0', '-1', '3a', ''])
      expect(refused(`kaggle://a/b/c/d/${version}`)).toMatch(/version|handle/);
    for (const repo of ['', 'a/b/c', '.a/b', 'a--b/c', 'a/b.git', 'a b', 'a/..', 'ä/b', 'x'.repeat(97)])
      expect(refused(`hf://${repo}`)).toContain("'hf://user/repo'");
    for (const revision of ['', '..', 'a/../b', '/a', '-x', 'a//b', 'a b', 'x.lock', '.a'])
      expect(refused(`hf://a/b@${revision}`)).toContain('a branch, a tag or a commit');
    expect(refused('hf://a/b@x', 'y')).toContain('expected one revision');
    expect(refused('./folder', 'main')).toContain('expected no revision');
  });

  it('S15: names the hubs it knows where another is asked for, and reads the address of a page', () => {
    expect(refused('modelscope://a/b')).toContain('expected hf:// or kaggle://, got modelscope://');
    expect(refused('gs://bucket/x')).toContain('got gs://');
    expect(refused('https://huggingface.co/google/gemma-2b/tree/main')).toContain('is hf://google/gemma-2b meant?');
    expect(refused('https://www.kaggle.com/models/keras/bert/keras/bert_base_en')).toContain(
      'is kaggle://keras/bert/keras/bert_base_en meant?',
    );
    for (const nothing of ['', undefined, null, 3]) expect(refused(nothing)).toContain('expected the id of a preset');
  });

  it('never lets a name lead out of a cache, whatever it is', () =>
    fc.assert(
      fc.property(
        fc.constantFrom('hf://', 'kaggle://a/b/c/', 'kaggle://', 'hf://a/b@'),
        fc.string({ unit: fc.constantFrom('..', '/', '.', '\\', 'a', '@', ':', '\0', '-', '~', '%2e') }),
        (scheme, rest) => {
          const result = parsePresetUri(scheme + rest);
          if (E.isLeft(result)) return;
          const steps = Object.values(result.right).flatMap((part) => String(part).split('/'));
          expect(steps.some((step) => step === '' || step === '..' || step === '.' || /[\\:\0]/.test(step))).toBe(
            false,
          );
        },
      ),
      { numRuns: 2000 },
    ));

  it('reads what formatPresetUri writes', () => {
    for (const uri of ['hf://a/b', 'hf://a/b@v1', 'kaggle://a/b/c/d', 'kaggle://a/b/c/d/2', 'gpt2_base_en', './x']) {
      const result = parsePresetUri(uri);
      expect(E.isRight(result) ? formatPresetUri(result.right) : result.left).toBe(uri);
    }
  });
});

describe('an unknown id', () => {
  it('S16: gets the id that was meant', () => {
    const nearest = (word: string): string | undefined => nearestNames(word, kaggleHandles.keys())[0];
    expect(nearest('gpt2_base')).toBe('gpt2_base_en');
    expect(nearest('GPT2_base_en')).toBe('gpt2_base_en');
    expect(nearest('bert_bsae_en')).toBe('bert_base_en');
    expect(nearest('gemma_2b')).toBe('gemma_2b_en');
    expect(unknownPreset('bart_base').message).toContain('closest ids: bart_base_en');
  });
});
