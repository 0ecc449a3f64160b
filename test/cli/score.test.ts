import * as E from 'fp-ts/lib/Either.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/arguments.ts';
import { CausalLM, read } from '../../src/index.ts';
import { type Run, type RunOptions, runCommand, withoutDawn } from '../support/command.ts';
import { presetPath } from '../support/fixtures.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

let built: BuiltPackage;
beforeAll(() => {
  built = buildPackage();
});
afterAll(() => built.remove());

const purelm = (args: readonly string[], options?: RunOptions): Promise<Run> => runCommand(built, args, options);

interface Scored {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly tokenIds: readonly number[];
  readonly losses: readonly number[];
  readonly loss: number;
  readonly perplexity: number;
  readonly alternatives?: readonly (readonly {
    readonly token: string;
    readonly id: number;
    readonly loss: number;
  }[])[];
}

describe('purelm score', () => {
  it('tells the loss of every token and the perplexity, as the library does', async () => {
    const run = await purelm(['score', '--text', 'The old fox', '--text', ' ', '--json', '--top', '3']);
    expect({ status: run.status, stderr: withoutDawn(run.stderr) }).toEqual({ status: 0, stderr: '' });
    const [first, second] = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Scored);
    const lm = await CausalLM.fromPreset('gpt2_tiny_en');
    const tokenizer = lm.tokenizer!;
    const ids = tokenizer.tokenize('The old fox');
    const { data } = await read(
      lm.score({
        tokenIds: [[tokenizer.startTokenId, ...ids.slice(0, -1)]],
        scoringMode: 'loss',
        targetIds: [ids],
      }),
    );
    expect(first).toMatchObject({ text: 'The old fox', tokenIds: ids, tokens: ['The', ' old', ' fox'] });
    for (const [i, loss] of first!.losses.entries()) expect(loss).toBeCloseTo(data[i]!, 5);
    expect(first!.loss).toBeCloseTo(first!.losses.reduce((a, b) => a + b, 0) / 3, 6);
    expect(first!.perplexity).toBeCloseTo(Math.exp(first!.loss), 6);
    for (const [i, likeliest] of first!.alternatives!.entries()) {
      expect(likeliest.map(({ loss }) => loss)).toEqual(likeliest.map(({ loss }) => loss).sort((a, b) => a - b));
      const own = likeliest.find(({ id }) => id === ids[i]);
      if (own !== undefined) expect(own.loss).toBeCloseTo(first!.losses[i]!, 4);
    }
    expect(second!.tokens.join('')).toBe(' ');
  });

  it('writes a table for lines of standard input', async () => {
    const { status, stdout } = await purelm(['score', '--top', '2', '--device', 'reference'], {
      input: 'The old fox\n\nOnce\n',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^"The old fox": perplexity [\d.]+, loss [\d.]+, 3 tokens\n( +[\d.]+ {2}".*" +".*" [\d.]+ {2}".*" [\d.]+\n){3}"Once": /,
    );
  });

  it('says what is missing', async () => {
    const none = await purelm(['score'], { input: '' });
    expect(none).toMatchObject({ status: 1, stdout: '' });
    expect(none.stderr).toBe('purelm: expected texts: --text TEXT, or lines on standard input\n');
    const tokens = await purelm(['score', '--text', 'a', '--preset', presetPath('keras/a_float32')]);
    expect(tokens.stderr).toContain('expected a preset with a tokenizer');
    const long = await purelm(['score', '--preset', presetPath('keras/c_float32'), '--text', 'a b '.repeat(60)]);
    expect(long.status).toBe(1);
    expect(withoutDawn(long.stderr)).toMatch(/at most 48|maxSequenceLength/);
  });

  it('takes a text, or texts, and a number of alternatives', () => {
    expect(parseCommand(['score'], () => 1)).toMatchObject(E.right({ command: 'score', texts: [], top: 0 }));
    const wrong = parseCommand(['score', '--top', '0'], () => 1);
    expect(E.isLeft(wrong) && wrong.left).toBe('--top: expected a whole number from 1, got 0');
    const prompt = parseCommand(['score', 'a text'], () => 1);
    expect(E.isLeft(prompt) && prompt.left).toContain('is a text meant? use --text');
  });
});
