import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PresetFacts, presetFacts } from '../../src/cli/inspect.ts';
import { formatPreset } from '../../src/cli/inspectText.ts';
import { Backbone } from '../../src/index.ts';
import { paths } from '../../src/tensor/tree.ts';
import { type Run, runCommand } from '../support/command.ts';
import { presetPath } from '../support/fixtures.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const factsOf = (preset: string): Promise<PresetFacts> =>
  presetFacts({ preset, revision: undefined, json: false }, new AbortController().signal);

let built: BuiltPackage;
let folder: string;
beforeAll(() => {
  built = buildPackage();
  folder = mkdtempSync(join(tmpdir(), 'purelm-inspect-'));
});
afterAll(() => {
  built.remove();
  rmSync(folder, { recursive: true, force: true });
});

const purelm = (args: readonly string[]): Promise<Run> => runCommand(built, ['inspect', ...args]);

/** One folder of every family in each layout, some in halves or in shards. */
const presets = [
  ...['keras/a_bfloat16', 'keras/a_float32_sharded', 'keras/bart_a_float32', 'keras/falcon_a_float32'],
  ...['keras/gemma_b_float32', 'keras/albert_masked_lm', 'keras/bert_text_classifier', 'keras/deberta_v3_masked_lm'],
  ...['keras/distil_bert_masked_lm', 'keras/f_net_masked_lm', 'keras/roberta_masked_lm', 'keras/xlm_roberta_masked_lm'],
  ...['transformers/a_float32_sharded', 'transformers/bart_a_float16', 'transformers/falcon_grouped_float32'],
  ...['transformers/gemma_b_bfloat16', 'transformers/albert_masked_lm', 'transformers/bert_masked_lm_float16'],
  ...['transformers/deberta_v3_text_classifier', 'transformers/distil_bert_masked_lm', 'transformers/f_net_masked_lm'],
  ...['transformers/roberta_text_classifier', 'transformers/xlm_roberta_backbone', 'sentence/mean'],
];

describe('purelm inspect', () => {
  it.each(presets)('tells the parameters that loading gives, without loading: %s', async (name) => {
    const facts = await factsOf(presetPath(name));
    expect(facts.weightsProblem).toBeUndefined();
    expect(facts.hasWeights).toBe(true);
    const loaded = await Backbone.fromPreset(presetPath(name), { device: 'reference' });
    const own = paths(loaded.params)
      .filter(([path]) => !facts.absentWeights.includes(path))
      .map(([path, { shape, dtype }]) => ({ path, shape: [...shape], dtype }));
    const told = facts.weights.map(({ path, shape, dtype }) => ({ path, shape: [...shape], dtype }));
    expect(told.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(own.sort((a, b) => (a.path < b.path ? -1 : 1)));
    if (facts.absentWeights.length === 0) expect(facts.parameterCount).toBe(loaded.countParams());
    expect(facts.backbone).toBe(loaded.name);
    expect(facts.config).toEqual(loaded.config);
  });

  it('makes a page of it: layers that are alike once, tokens by their use, files with their sizes', async () => {
    const { status, stdout, stderr } = await purelm(['gpt2_tiny_en']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^preset {6}gpt2_tiny_en\nfolder {6}.*\nbackbone {4}GPT2Backbone, in KerasHub's layout\n/);
    expect(stdout).toContain('saved as    GPT2CausalLM\nparameters  539,712, 2.1 MiB of float32\n');
    expect(stdout).toContain('tokenizer   GPT2Tokenizer, 800 tokens\n');
    expect(stdout).toMatch(/^ {2}numLayers +4$/m);
    expect(stdout).toMatch(/^ {2}799 {2}"<\|endoftext\|>" {2}start, end$/m);
    expect(stdout).toMatch(
      /^ {2}transformerLayers\[0–3\]\.selfAttention\.query\.kernel +4 × {2}\[96, 4, 24\] +float32 +144 KiB$/m,
    );
    expect(stdout).toMatch(/^ {2}model\.weights\.h5 +2\.2 MiB$/m);
  });

  it('tells the head beside the backbone, and how a folder of sentence-transformers pools', async () => {
    const classifier = await factsOf(presetPath('transformers/bert_text_classifier'));
    expect(classifier.otherWeights.map(({ path }) => path).sort()).toEqual(['classifier.bias', 'classifier.weight']);
    expect(classifier.task).toBe('BertForSequenceClassification');
    expect(classifier.tokenizer?.specialTokens.find(({ uses }) => uses.includes('mask'))?.token).toBe('[MASK]');
    const sentence = await factsOf(presetPath('sentence/mean'));
    expect(formatPreset(sentence)).toContain('embeds      by mean, of length 1\n');
  });

  it('tells sizes by the config where the weights are not there, and gives all as JSON', async () => {
    const bare = join(folder, 'bare');
    cpSync(presetPath('keras/a_bfloat16'), bare, { recursive: true, filter: (path) => !path.endsWith('.weights.h5') });
    const { status, stdout } = await purelm([bare, '--json']);
    expect(status).toBe(0);
    const facts = JSON.parse(stdout) as PresetFacts;
    const whole = await factsOf(presetPath('keras/a_bfloat16'));
    expect(facts.hasWeights).toBe(false);
    expect(facts.weights).toEqual(whole.weights);
    expect(formatPreset(facts)).toContain('by its config; the weights are not here');
  });

  it('tells what it can where weights do not fit, and what is wrong with a name', async () => {
    const mixed = join(folder, 'mixed');
    cpSync(presetPath('transformers/a_float32'), mixed, { recursive: true });
    cpSync(presetPath('transformers/b_float32/model.safetensors'), join(mixed, 'model.safetensors'));
    const facts = await factsOf(mixed);
    expect(facts.weightsProblem).toContain('the weights do not fit the config');
    expect(formatPreset(facts)).toContain('The weights do not fit: ');
    expect(await purelm([join(folder, 'nowhere')])).toMatchObject({ status: 1, stdout: '' });
    expect((await purelm(['a', 'b'])).stderr).toContain('inspect: expected one preset, got 2');
  });
});
