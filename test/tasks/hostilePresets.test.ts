import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CausalLM, MaskedLM, PresetError, TextClassifier, TextEmbedder } from '../../src/index.ts';
import { referenceDevice } from '../../src/runtime/device.ts';
import { ArgumentError } from '../../src/tensor/errors.ts';
import { presetPath } from '../support/fixtures.ts';
import { fuzzRuns, fuzzSeed, mutated, processorMs } from '../support/mutate.ts';
import { temporaryFolder } from '../weights/helpers.ts';

type Open = (folder: string) => Promise<unknown>;

const causal: Open = (folder) => CausalLM.fromPreset(folder, { device: referenceDevice });
const masked: Open = (folder) => MaskedLM.fromPreset(folder, { device: referenceDevice });
const classifier: Open = (folder) => TextClassifier.fromPreset(folder, { device: referenceDevice });
const embedder: Open = (folder) => TextEmbedder.fromPreset(folder, { device: referenceDevice });

/** Presets of all kinds of files: each is opened as its users would. */
const presets: readonly (readonly [name: string, open: Open])[] = [
  ['keras/c_float32', causal],
  ['keras/a_float32_sharded', causal],
  ['keras/c_float32_sharded', causal],
  ['transformers/c_float32', causal],
  ['transformers/c_float16', causal],
  ['transformers/c_bfloat16', causal],
  ['transformers/a_float32_sharded', causal],
  ['keras/gemma_c_float32', causal],
  ['transformers/gemma_c_float32', causal],
  ['transformers/gemma_c_bfloat16', causal],
  ['keras/bart_c_bfloat16', causal],
  ['transformers/falcon_c_float32', causal],
  ['keras/bert_masked_lm', masked],
  ['transformers/bert_masked_lm', masked],
  ['transformers/albert_masked_lm', masked],
  ['transformers/roberta_masked_lm', masked],
  ['keras/deberta_v3_text_classifier', classifier],
  ['transformers/xlm_roberta_text_classifier', classifier],
  ['transformers/f_net_text_classifier', classifier],
  ['sentence/mean', embedder],
];

const folder = await temporaryFolder();

const filesOf = async (path: string): Promise<readonly string[]> =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();

/** Every file of every preset, in its turn to be changed. */
const files = (
  await Promise.all(
    presets.map(async ([name, open]) =>
      (await filesOf(presetPath(name))).map((file) => ({ name, open, path: presetPath(name), file })),
    ),
  )
).flat();

let serial = 0;

/** A preset of its own with one file changed. */
const copyWith = async (path: string, file: string, content: Uint8Array | string): Promise<string> => {
  const copy = join(folder, `p${serial++}`);
  await cp(path, copy, { recursive: true });
  await writeFile(join(copy, file), content);
  return copy;
};

/** Opens a preset and says how that went: it opens, or a `PresetError` names a file of it. */
const outcome = async (open: Open, copy: string): Promise<string> => {
  const started = processorMs();
  const said = await open(copy).then(
    () => 'opened',
    (error: unknown) => {
      // A task.json that says nothing of classes any more: they have to be given.
      if (error instanceof ArgumentError && error.message.includes(`expected numClasses, since ${copy}`))
        return 'asked';
      if (!(error instanceof PresetError)) throw new Error(`${copy}: the error is not typed`, { cause: error });
      // Either the file's whole path, or the folder and the file.
      expect(error.message.replace(copy, '').slice(0, 200)).toMatch(
        /^(\/|: )[\w./-]+\.(json|txt|h5|spm|model|safetensors)\b/,
      );
      expect(error.message.length).toBeLessThan(2000);
      return error._tag;
    },
  );
  // Tens of milliseconds; the rest is for a slow machine.
  expect(processorMs() - started).toBeLessThan(5000);
  return said;
};

describe('a preset with a file that was changed', () => {
  it('opens, or is refused by an error that names a file, soon', async () => {
    const contents = new Map<string, Uint8Array>();
    for (const { path, file } of files)
      contents.set(join(path, file), new Uint8Array(await readFile(join(path, file))));
    const changed = fc
      .constantFrom(...files)
      .chain((own) => mutated(contents.get(join(own.path, own.file))!).map((bytes) => ({ ...own, bytes })));
    const said = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(changed, async ({ open, path, file, bytes }) => {
        const copy = await copyWith(path, file, bytes);
        const what = await outcome(open, copy);
        said.set(what, (said.get(what) ?? 0) + 1);
        await rm(copy, { recursive: true });
      }),
      { numRuns: fuzzRuns(60), seed: fuzzSeed(), endOnFailure: true },
    );
    if (process.env.PURELM_FUZZ_RUNS !== undefined) console.log(said);
  }, 3_600_000);
});

describe('a preset whose files contradict each other', () => {
  it('is refused: a mask whose id is beyond the vocabulary, after a gap', async () => {
    const path = presetPath('transformers/roberta_masked_lm');
    const text = await readFile(join(path, 'tokenizer.json'), 'utf8');
    const id = /"id": (\d+),\s*"content": "<mask>"/.exec(text)![1]!;
    const moved = text.replaceAll(new RegExp(`("id": |"<mask>": )${id}\\b`, 'g'), `$1${Number(id) + 5}`);
    expect(moved).not.toBe(text);
    const copy = await copyWith(path, 'tokenizer.json', moved);
    await expect(masked(copy)).rejects.toThrow(
      `${copy}/tokenizer.json: does not fit the other files of the preset: maskedLMMaskGenerator: expected maskTokenId`,
    );
  });
});

describe('a preset with JSON that is a bomb, or that is something else', () => {
  const bombs: Readonly<Record<string, string>> = {
    'a hundred thousand lists in each other': '['.repeat(100_000) + ']'.repeat(100_000),
    'a hundred thousand objects in each other': `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
    'a million objects': `[${'{},'.repeat(1_000_000)}{}]`,
    nothing: '',
    null: 'null',
    'a list': '[]',
    'a text': '"config"',
    'an object of nothing': '{}',
    'a prototype': '{"__proto__":{"model_type":"gpt2","registered_name":"keras_hub>GPT2Backbone"},"constructor":{}}',
    'no UTF-8': '{"model_type":"\udcff"}',
  };
  /** What nobody reads: it may hold anything. */
  const unread = /^(metadata|generation_config|config_sentence_transformers)\.json$|Normalize/;
  const tried = files.filter(
    ({ name, file }) =>
      file.endsWith('.json') &&
      !unread.test(file) &&
      ['keras/a_float32_sharded', 'keras/bert_masked_lm', 'transformers/a_float32_sharded', 'sentence/mean'].includes(
        name,
      ),
  );

  it.each(Object.entries(bombs))('is refused by an error that names a file: %s', async (_, bomb) => {
    for (const { open, path, file } of tried) {
      const copy = await copyWith(path, file, bomb);
      const said = await outcome(open, copy);
      // An object of nothing is good enough for files that say what goes without saying.
      if (!bomb.startsWith('{') || bomb.length > 1000) expect([file, said]).not.toEqual([file, 'opened']);
      await rm(copy, { recursive: true });
    }
  });
});
