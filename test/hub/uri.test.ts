import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { formatPresetUri, kaggleHandles, parsePresetUri, unknownPreset } from '../../src/hub/index.ts';
import { builtInPresets } from '../../src/models/presets.ts';
import { nearestNames, nearestNames, nearestNames, nearestNames, nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

const parsed = (uri: string, revision?: string): unknown => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  const result = parsePresetUri(uri, revision);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  if (E.isLeft(result)) throw new Error(result.left.message);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  return result.right;
import { nearestNames } from '../../src/tensor/nearestNames.ts';
};

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

const refused = (uri: unknown, revision?: string): string => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  const result = parsePresetUri(uri, revision);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  if (E.isRight(result)) throw new Error(`expected a problem, got ${JSON.stringify(result.right)}`);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  expect(result.left._tag).toBe('BadUri');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  return result.left.message;
import { nearestNames } from '../../src/tensor/nearestNames.ts';
};

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

describe('parsePresetUri', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  it('reads every form', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(parsed('kaggle://keras/bert/keras/bert_base_en/3')).toEqual({
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      kind: 'kaggle',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      owner: 'keras',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      model: 'bert',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      framework: 'keras',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      variation: 'bert_base_en',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      version: 3,
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    });
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(parsed('KAGGLE://keras/gemma/keras/gemma_1.1_instruct_2b_en')).toMatchObject({ version: undefined });
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(parsed('hf://openai-community/gpt2')).toEqual({
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      kind: 'hub',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      repo: 'openai-community/gpt2',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      revision: 'main',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    expect(parsed('hf://gpt2@refs/pr/7')).toEqual({ kind: 'hub', repo: 'gpt2', revision: 'refs/pr/7' });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    expect(parsed('hf://a/b', 'v1.0')).toMatchObject({ revision: 'v1.0' });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    expect(parsed('./gpt2_base_en')).toEqual({ kind: 'folder', path: './gpt2_base_en' });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    expect(parsed('C:\\models\\mine')).toEqual({ kind: 'folder', path: 'C:\\models\\mine' });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

  });

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

  it('S11: knows all 55 ids of the pages, and says of those that are in what the registry says', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(kaggleHandles.size).toBeGreaterThanOrEqual(55);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const [id, handle] of kaggleHandles) {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(handle).toMatch(new RegExp(`^kaggle://(?:keras|google)/[\\w]+/keras/${id.replaceAll('.', '\\.')}/\\d$`));
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(parsed(id)).toMatchObject({
import { nearestNames } from '../../src/tensor/nearestNames.ts';
        kind: 'builtIn',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
        id,
import { nearestNames } from '../../src/tensor/nearestNames.ts';repo: `keras/${id}` ,
import { nearestNames } from '../../src/tensor/nearestNames.ts';variation: id ,
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      });
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    }

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    for (const [id, { kaggleHandle }] of builtInPresets) expect(kaggleHandles.get(id)).toBe(kaggleHandle);

import { nearestNames } from '../../src/tensor/nearestNames.ts';

  });

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

  it('S12, S13: refuses handles of another form, and says which forms there are', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('kaggle://keras/bert/keras')).toContain("'kaggle://owner/model/framework/variation/version'");
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('kaggle://keras/bert/keras/x/3/4')).toContain('expected a Kaggle handle');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const version of ['0', '-1', '3a', ''])
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(refused(`kaggle://a/b/c/d/${version}`)).toMatch(/version|handle/);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const repo of ['', 'a/b/c', '.a/b', 'a--b/c', 'a/b.git', 'a b', 'a/..', 'ä/b', 'x'.repeat(97)])
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(refused(`hf://${repo}`)).toContain("'hf://user/repo'");
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const revision of ['', '..', 'a/../b', '/a', '-x', 'a//b', 'a b', 'x.lock', '.a'])
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(refused(`hf://a/b@${revision}`)).toContain('a branch, a tag or a commit');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('hf://a/b@x', 'y')).toContain('expected one revision');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('./folder', 'main')).toContain('expected no revision');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  });

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

  it('S15: names the hubs it knows where another is asked for, and reads the address of a page', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('modelscope://a/b')).toContain('expected hf:// or kaggle://, got modelscope://');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('gs://bucket/x')).toContain('got gs://');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('https://huggingface.co/google/gemma-2b/tree/main')).toContain('is hf://google/gemma-2b meant?');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(refused('https://www.kaggle.com/models/keras/bert/keras/bert_base_en')).toContain(
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      'is kaggle://keras/bert/keras/bert_base_en meant?',
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    );
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const nothing of ['', undefined, null, 3]) expect(refused(nothing)).toContain('expected the id of a preset');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  });

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

  it('never lets a name lead out of a cache, whatever it is', () =>

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    fc.assert(

import { nearestNames } from '../../src/tensor/nearestNames.ts';

      fc.property(

import { nearestNames } from '../../src/tensor/nearestNames.ts';

        fc.constantFrom('hf://', 'kaggle://a/b/c/', 'kaggle://', 'hf://a/b@'),

import { nearestNames } from '../../src/tensor/nearestNames.ts';

        fc.string({ unit: fc.constantFrom('..', '/', '.', '\\', 'a', '@', ':', '\0', '-', '~', '%2e') }),

import { nearestNames } from '../../src/tensor/nearestNames.ts';

        (scheme, rest) => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
          const result = parsePresetUri(scheme + rest);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
          if (E.isLeft(result)) return;
import { nearestNames } from '../../src/tensor/nearestNames.ts';
          const steps = Object.values(result.right).flatMap((part) => String(part).split('/'));
import { nearestNames } from '../../src/tensor/nearestNames.ts';
          expect(steps.some((step) => step === '' || step === '..' || step === '.' || /[\\:\0]/.test(step))).toBe(
import { nearestNames } from '../../src/tensor/nearestNames.ts';
            false,
import { nearestNames } from '../../src/tensor/nearestNames.ts';
          );
import { nearestNames } from '../../src/tensor/nearestNames.ts';
        },

import { nearestNames } from '../../src/tensor/nearestNames.ts';

      ),

import { nearestNames } from '../../src/tensor/nearestNames.ts';

      { numRuns: 2000 },

import { nearestNames } from '../../src/tensor/nearestNames.ts';

    ));

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

  it('reads what formatPresetUri writes', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    for (const uri of ['hf://a/b', 'hf://a/b@v1', 'kaggle://a/b/c/d', 'kaggle://a/b/c/d/2', 'gpt2_base_en', './x']) {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      const result = parsePresetUri(uri);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
      expect(E.isRight(result) ? formatPresetUri(result.right) : result.left).toBe(uri);
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    }
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  });

import { nearestNames } from '../../src/tensor/nearestNames.ts';

});

import { nearestNames, nearestNames } from '../../src/tensor/nearestNames.ts';

describe('an unknown id', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  it('S16: gets the id that was meant', () => {
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    const nearest = (word: string): string | undefined => nearestNames(word, kaggleHandles.keys())[0];
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(nearest('gpt2_base')).toBe('gpt2_base_en');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(nearest('GPT2_base_en')).toBe('gpt2_base_en');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(nearest('bert_bsae_en')).toBe('bert_base_en');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(nearest('gemma_2b')).toBe('gemma_2b_en');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
    expect(unknownPreset('bart_base').message).toContain('closest ids: bart_base_en');
import { nearestNames } from '../../src/tensor/nearestNames.ts';
  });
import { nearestNames } from '../../src/tensor/nearestNames.ts';
});

import { nearestNames } from '../../src/tensor/nearestNames.ts';
