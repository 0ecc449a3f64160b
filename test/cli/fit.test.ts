import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/arguments.ts';
import { CausalLM } from '../../src/index.ts';
import { Adam } from '../../src/training/index.ts';
import { type Run, type RunOptions, runCommand, withoutDawn } from '../support/command.ts';
import { presetPath } from '../support/fixtures.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const preset = presetPath('keras/c_float32');
const texts = [
  'The quick brown fox jumped.',
  'I forgot my homework.',
  'A bird sat',
  'over the lazy dog',
  'so it goes.',
  'the end',
];

let built: BuiltPackage;
let folder: string;
let file: string;
beforeAll(async () => {
  built = buildPackage();
  folder = await mkdtemp(join(tmpdir(), 'purelm-fit-command-'));
  file = join(folder, 'texts.txt');
  await writeFile(file, `${texts.slice(0, 3).join('\n')}\r\n\n${texts.slice(3).join('\n')}\n`);
});
afterAll(async () => {
  built.remove();
  await rm(folder, { recursive: true, force: true });
});

const purelm = (args: readonly string[], options?: RunOptions): Promise<Run> => runCommand(built, args, options);

const fitting = (...more: readonly string[]): readonly string[] => [
  ...['fit', '--preset', preset, '--text', file, '--batch-size', '2', '--learning-rate', '0.01'],
  ...['--sequence-length', '12', ...more],
];

interface Told {
  readonly steps: number;
  readonly examples: number;
  readonly history: Readonly<Record<string, readonly number[]>>;
}

const told = ({ stdout }: Run): Told => JSON.parse(stdout) as Told;

describe('purelm fit', () => {
  it('trains as the library does, and tells the history as JSON', async () => {
    const run = await purelm(fitting('--epochs', '2', '--seed', '3', '--validation-split', '0.34', '--json'));
    expect(run.status).toBe(0);
    const lm = await CausalLM.fromPreset(preset);
    const short = await CausalLM.fromPreset(preset, {
      preprocessor: lm.preprocessor!.withSequenceLength(12),
    });
    const { history } = await short
      .compile({ optimizer: Adam({ learningRate: 0.01 }) })
      .fit(texts, { batchSize: 2, epochs: 2, seed: 3, validationSplit: 0.34 });
    expect(told(run)).toMatchObject({ examples: 6, epochs: 2, steps: 4, seed: 3, history });
    expect(withoutDawn(run.stderr)).toMatch(/^4 steps, \d+ tokens\/s on .+ \(.+\), seed 3\n$/);
  });

  it('writes a line for each epoch, a log, a curve and a preset', async () => {
    const at = (name: string): string => join(folder, 'all', name);
    const run = await purelm(
      fitting('--epochs', '3', '--log', at('log.csv'), '--curve', at('curve.svg'), '--output', at('preset')),
    );
    expect({ ...run, stderr: '' }).toMatchObject({ status: 0 });
    expect(run.stdout).toMatch(/^(epoch \d\/3: loss [\d.]+, sparse_categorical_accuracy [\d.]+, \d+ tokens\/s\n){3}$/);
    expect((await readFile(at('log.csv'), 'utf8')).split('\n')).toHaveLength(5);
    const svg = await readFile(at('curve.svg'), 'utf8');
    expect(svg).toContain('9 steps in 3 epochs');
    expect(svg.match(/<path /g)).toHaveLength(1);
    const before = await (await CausalLM.fromPreset(preset)).evaluate(texts);
    const after = await (await CausalLM.fromPreset(at('preset'))).evaluate(texts);
    expect(after.loss).toBeLessThan(before.loss!);
  });

  it('trains LoRA, and writes its factors and the preset that has taken them up', async () => {
    const output = join(folder, 'lora');
    const run = await purelm(fitting('--lora-rank', '2', '--epochs', '2', '--output', output, '--json'));
    expect(run.status).toBe(0);
    expect(await readdir(output)).toContain('lora.safetensors');
    const merged = await CausalLM.fromPreset(output);
    const plain = await CausalLM.fromPreset(preset);
    const loaded = plain.withBackbone(await plain.backbone.loadLoraWeights(join(output, 'lora.safetensors')));
    const [ours, theirs] = await Promise.all([merged, loaded].map((lm) => lm.evaluate(texts)));
    expect(ours!.loss).toBeCloseTo(theirs!.loss!, 5);
  });

  it('takes paragraphs, several files, and standard input', async () => {
    const paragraphs = await purelm(
      [...fitting('--separator', '\\n\\n', '--text', '-', '--json', '--device', 'reference')],
      { input: 'one\ntwo\n\nthree\n\n\n' },
    );
    // Two paragraphs in the file, two in the input.
    expect(told(paragraphs).examples).toBe(4);
  });

  it('goes on from where it was interrupted to the same numbers', async () => {
    const at = join(folder, 'checkpoint');
    const whole = told(await purelm(fitting('--epochs', '6', '--checkpoint', join(folder, 'whole'), '--json')));
    let isSent = false;
    const cut = await purelm(fitting('--epochs', '6', '--checkpoint', at), {
      onText: (child) => {
        if (!isSent) child.kill('SIGINT');
        isSent = true;
      },
    });
    expect(cut.status).toBe(130);
    expect(cut.stderr).toContain(`--resume ${at} with the same options goes on`);
    const { steps } = JSON.parse(await readFile(join(at, 'run.json'), 'utf8')) as { readonly steps: number };
    expect(steps).toBeGreaterThanOrEqual(3);
    expect(steps).toBeLessThan(18);
    const resumed = told(await purelm(fitting('--epochs', '6', '--resume', at, '--json')));
    expect(resumed.history).toEqual(whole.history);
    expect(resumed.steps).toBe(18);
    // A run that has ended is not trained on, but can still be drawn and saved.
    const svg = join(folder, 'ended.svg');
    expect((await purelm(fitting('--epochs', '6', '--resume', at, '--curve', svg))).status).toBe(0);
    expect(await readFile(svg, 'utf8')).toContain('18 steps in 6 epochs');
  });

  it('says that nothing is kept when it is interrupted without a checkpoint', async () => {
    const { status, stderr } = await purelm(fitting('--epochs', '50'), { onText: (child) => child.kill('SIGINT') });
    expect(status).toBe(130);
    expect(stderr).toContain('nothing is kept, since there is no checkpoint');
  });

  it('ends with status 1 and says why', async () => {
    const output = join(folder, 'nothing');
    const wrong = await purelm(fitting('--learning-rate', '1e30', '--epochs', '9', '--output', output));
    expect(wrong.status).toBe(1);
    expect(withoutDawn(wrong.stderr)).toMatch(/^purelm: fit: expected a finite loss, got \S+ in step \d+; /);
    expect(existsSync(output)).toBe(false);
    const missing = await purelm(['fit', '--text', join(folder, 'no.txt')]);
    expect(missing.stderr).toBe(`purelm: --text ${join(folder, 'no.txt')}: no such file\n`);
    const empty = await purelm(['fit', '--text', '-'], { input: '\n \n' });
    expect(empty.stderr).toBe('purelm: --text -: expected at least one example, got none\n');
    const taken = await purelm(fitting('--output', folder));
    expect(taken.stderr).toContain(`--output ${folder}: expected a new folder, or one with a preset to replace`);
    const tokens = await purelm(['fit', '--preset', presetPath('keras/a_float32'), '--text', file]);
    expect(tokens.stderr).toContain('expected a preset with a tokenizer');
  });
});

describe('arguments of fit', () => {
  const parse = (...args: string[]) => parseCommand(['fit', ...args], () => 42);

  it('have defaults', () => {
    expect(parse('--text', 'a.txt')).toEqual(
      E.right({
        command: 'fit',
        preset: 'gpt2_tiny_en',
        texts: ['a.txt'],
        separator: '\n',
        epochs: 1,
        batchSize: 32,
        learningRate: undefined,
        optimizer: undefined,
        sequenceLength: undefined,
        validationSplit: 0,
        seed: 0,
        loraRank: undefined,
        checkpoint: undefined,
        resume: undefined,
        log: undefined,
        curve: undefined,
        output: undefined,
        device: undefined,
        json: false,
      }),
    );
  });

  it('a run that goes on is saved where it was', () => {
    expect(parse('--text', 'a', '--resume', 'b')).toMatchObject(E.right({ resume: 'b', checkpoint: 'b' }));
    expect(parse('--text', 'a', '--resume', 'b', '--checkpoint', 'c')).toMatchObject(E.right({ checkpoint: 'c' }));
  });

  it.each([
    [[], '--text: expected a file of examples, got none'],
    [['--text', 'a', '--epochs', '0'], '--epochs: expected a whole number from 1, got 0'],
    [['--text', 'a', '--batch-size', '1.5'], '--batch-size: expected a whole number from 1, got 1.5'],
    [['--text', 'a', '--learning-rate', '-1'], '--learning-rate: expected a number above 0, got -1'],
    [['--text', 'a', '--validation-split', '1'], '--validation-split: expected a number from 0 to below 1, got 1'],
    [['--text', 'a', '--optimizer', 'best'], '--optimizer: expected one of sgd, rmsprop'],
    [['--text', 'a', '--lora-rank', 'two'], '--lora-rank: expected a number, got two'],
    [['--text', 'a', '--separator', ''], '--separator: expected a text, got an empty one'],
    [['--text', 'a', '--curve', 'a.png'], '--curve: expected a file whose name ends in .svg, got a.png'],
    [['--text', 'a', '--prompt', 'b'], '--prompt: expected an option of fit (--preset'],
    [['a.txt'], 'expected options after fit, got "a.txt"'],
  ])('refuse %j', (args, message) => {
    // A value that begins with a dash is given with an equals sign.
    const given = args.join(' ').includes('-1') ? ['--text', 'a', '--learning-rate=-1'] : args;
    const command = parse(...given);
    expect(E.isLeft(command) && command.left).toContain(message);
  });
});
