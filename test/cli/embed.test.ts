import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseCommand } from '../../src/cli/arguments.ts';
import type { EmbedArguments } from '../../src/cli/commands.ts';
import { embedTexts } from '../../src/cli/embed.ts';
import { TextEmbedder } from '../../src/index.ts';
import { openSafetensors } from '../../src/weights/index.ts';
import { type Run, type RunOptions, runCommand, withoutDawn } from '../support/command.ts';
import { presetPath } from '../support/fixtures.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const preset = presetPath('sentence/mean');
const lines = ['the old fox', '', 'a b'];

let built: BuiltPackage;
let folder: string;
let expected: Float32Array;
let width: number;
beforeAll(async () => {
  built = buildPackage();
  folder = mkdtempSync(join(tmpdir(), 'purelm-embed-'));
  const { data, shape } = await (await TextEmbedder.fromPreset(preset, { device: 'reference' })).encodeText(lines);
  expected = data as Float32Array;
  width = shape[1]!;
});
afterAll(() => {
  built.remove();
  rmSync(folder, { recursive: true, force: true });
});

const purelm = (args: readonly string[], options?: RunOptions): Promise<Run> =>
  runCommand(built, ['embed', preset, '--device', 'reference', ...args], options);

const asked: EmbedArguments = {
  ...{ preset, revision: undefined, texts: [], files: [], out: undefined, batchSize: 32 },
  ...{ sequenceLength: undefined, pooling: undefined, raw: false, device: 'reference' },
};

describe('purelm embed', () => {
  it('writes a line of JSON for each text, from the command line, a file or standard input, empty lines too', async () => {
    const file = join(folder, 'lines.txt');
    writeFileSync(file, `${lines.slice(1).join('\r\n')}\r\n`);
    const run = await purelm([lines[0]!, '--file', file]);
    expect({ status: run.status, stderr: withoutDawn(run.stderr) }).toEqual({ status: 0, stderr: '' });
    const found = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly text: string; readonly embedding: readonly number[] });
    expect(found.map(({ text }) => text)).toEqual(lines);
    // Nine digits give every float32 back.
    expect(Float32Array.from(found.flatMap(({ embedding }) => embedding))).toEqual(expected);
    expect((await purelm([], { input: `${lines.join('\n')}\n` })).stdout).toBe(run.stdout);
  });

  it('writes NumPy’s format, safetensors and JSON lines, by the name of the file', async () => {
    const npy = join(folder, 'x.npy');
    await embedTexts({ ...asked, texts: lines, out: npy }, new AbortController().signal);
    const bytes = readFileSync(npy);
    const length = bytes.readUInt16LE(8);
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from('\x93NUMPY\x01\x00', 'latin1'));
    expect((10 + length) % 64).toBe(0);
    expect(bytes.subarray(10, 10 + length).toString()).toMatch(
      new RegExp(`^\\{'descr': '<f4', 'fortran_order': False, 'shape': \\(3, ${width}\\), \\} *\\n$`),
    );
    expect(new Float32Array(new Uint8Array(bytes.subarray(10 + length)).buffer)).toEqual(expected);

    const safetensors = join(folder, 'x.safetensors');
    await embedTexts({ ...asked, texts: lines, out: safetensors }, new AbortController().signal);
    const opened = await openSafetensors(safetensors)();
    if (E.isLeft(opened)) throw new Error(opened.left.message);
    const tensor = opened.right.tensors.get('embeddings')!;
    expect(tensor).toMatchObject({ shape: [3, width], dtype: 'float32' });
    expect(new Float32Array((await tensor.read(0, tensor.byteLength)).slice().buffer)).toEqual(expected);
    await opened.right.close();

    const jsonl = join(folder, 'x.jsonl');
    await embedTexts({ ...asked, texts: lines, out: jsonl }, new AbortController().signal);
    expect(readFileSync(jsonl, 'utf8').trimEnd().split('\n')).toHaveLength(3);
  });

  it('leaves no file behind when it is interrupted', async () => {
    const out = join(folder, 'none.npy');
    await expect(
      embedTexts({ ...asked, texts: lines, out }, AbortSignal.abort(new Error('interrupted'))),
    ).rejects.toThrow('interrupted');
    expect(() => readFileSync(out)).toThrow('ENOENT');
  });

  it('says what is missing', async () => {
    const left = (args: readonly string[]): string => {
      const parsed = parseCommand(['embed', ...args], () => 1);
      return E.isLeft(parsed) ? parsed.left : 'nothing';
    };
    expect(left([])).toBe('embed: expected a preset: an id, hf://user/repo, or a folder');
    expect(left(['p', '--out', 'x.txt'])).toContain('--out: expected a file whose name ends in .npy, .safetensors');
    expect(left(['p', '--pooling', 'min'])).toBe('--pooling: expected mean, cls or max, got min');
    expect(left(['p', '--top', '3'])).toContain('--top: expected an option of embed (--revision, --device');
    expect((await purelm([], { input: '' })).stderr).toContain('expected texts after the preset, in --file FILE');
    expect((await purelm(['--file', join(folder, 'no.txt')])).stderr).toMatch(/--file .*no\.txt: no such file/);
    const gpt2 = embedTexts({ ...asked, preset: 'gpt2_tiny_en', texts: lines }, new AbortController().signal);
    await expect(gpt2).rejects.toThrow(/expected a preset of an encoder/);
  });
});

describe('the bar of purelm embed', () => {
  const isTTY = process.stderr.isTTY;
  afterEach(() => {
    process.stderr.isTTY = isTTY;
    vi.restoreAllMocks();
  });

  it('shows texts, rate and time left for 1,000 sentences', async () => {
    process.stderr.isTTY = true;
    let shown = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      shown += String(text);
      return true;
    });
    const texts = Array.from({ length: 1000 }, (_, i) => `fox ${'a '.repeat(i % 3)}`);
    await embedTexts({ ...asked, texts, batchSize: 250, out: join(folder, 'many.npy') }, new AbortController().signal);
    expect(shown).toMatch(/embedding .* \d+\/1000 texts \| [\d.]+ texts\/s \| \d+s left/);
    expect(shown).toContain(`1000 × ${width} float32 in`);
    expect(readFileSync(join(folder, 'many.npy')).length).toBe(128 + 4 * 1000 * width);
  });
});
