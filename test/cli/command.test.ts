import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CausalLM } from '../../src/index.ts';
import { tuningName } from '../../src/runtime/tuningFile.ts';
import { BeamSampler } from '../../src/samplers/index.ts';
import type { Beam } from '../../src/tasks/generate.ts';
import { type Run, type RunOptions, runCommand, withoutDawn } from '../support/command.ts';
import { testDevice } from '../support/device.ts';
import { type BuiltPackage, buildPackage } from '../support/package.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

let built: BuiltPackage;
beforeAll(() => {
  built = buildPackage();
});
afterAll(() => built.remove());

const purelm = (args: readonly string[], options?: RunOptions): Promise<Run> => runCommand(built, args, options);

const greedy = ['generate', '--sampler', 'greedy', '--seed', '7'];
const noDriver = { VK_DRIVER_FILES: join(root, 'no-such-driver.json'), VK_ICD_FILENAMES: '' };

describe('purelm generate', () => {
  it('writes the text to standard output and what it took to standard error', async () => {
    const lm = await CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy' });
    const { status, stdout, stderr } = await purelm([...greedy, '--prompt', 'The old fox', '--max-length', '24']);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: `${await lm.generate('The old fox', { maxLength: 24 })}\n`,
    });
    expect(withoutDawn(stderr)).toMatch(/^\d+ tokens, [\d.]+ tokens\/s on .+ \(.+\), seed 7\n$/);
  });

  it('writes text as it is decided', async () => {
    const pieces: string[] = [];
    const { stdout } = await purelm([...greedy, '--prompt', 'Once upon a time'], {
      onText: (_, text) => pieces.push(text),
    });
    expect(pieces[0]!.startsWith('Once upon a time')).toBe(true);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toBe(stdout);
  });

  it('says in one line what is wrong with a preset, whatever its files hold', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'purelm-cli-'));
    const files = {
      'config.json': '\u001b[2J\n{"a": \u009b31m',
      'model.safetensors': '\u0004\0\0\0\0\0\0\0{\n\u001b]',
      'tokenizer.json': '{"model":{"type":"\\u001b[31m\\n"},"pre_tokenizer":{},"decoder":{}}',
    };
    try {
      for (const [name, content] of Object.entries(files)) {
        cpSync(join(root, 'test/fixtures/presets/transformers/c_float32'), folder, { recursive: true });
        writeFileSync(join(folder, name), content);
        const { status, stdout, stderr } = await purelm(['generate', '--preset', folder, '--prompt', 'a']);
        expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
        expect(withoutDawn(stderr)).toMatch(/^purelm: [^\p{C}]+\n$/u);
        expect(stderr).toContain(`purelm: ${join(folder, name)}: `);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('gives a line of JSON for each prompt', async () => {
    const lm = await CausalLM.fromPreset('gpt2_tiny_en', { sampler: 'greedy' });
    const prompts = ['The old fox', 'One day'];
    const asked = prompts.flatMap((prompt) => ['--prompt', prompt]);
    const { stdout } = await purelm([...greedy, '--json', '--max-length', '20', ...asked]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      (await lm.generate(prompts, { maxLength: 20 })).map((text, row) => ({ prompt: prompts[row], text, seed: 7 })),
    );
  });

  it('S72: searches with beams, and shows all of them', async () => {
    const lm = await CausalLM.fromPreset('gpt2_tiny_en', {
      sampler: BeamSampler({ numBeams: 2, returnAllBeams: true }),
    });
    const beams = await lm.generate<readonly Beam[]>('The old fox', { maxLength: 14 });
    const asked = ['generate', '--num-beams', '2', '--max-length', '14', '--prompt', 'The old fox'];
    expect((await purelm(asked)).stdout).toBe(`${beams[0]!.text}\n`);
    const lines = beams.map(({ text, logProb }) => `${logProb.toFixed(3)}\t${text}\n`);
    expect((await purelm([...asked, '--all-beams'])).stdout).toBe(lines.join(''));
    expect(JSON.parse((await purelm([...asked, '--all-beams', '--json'])).stdout).beams).toEqual(beams);
  });

  it('S74: a draft changes no text', async () => {
    const asked = [...greedy, '--max-length', '16', '--prompt', 'The old fox'];
    const { stdout } = await purelm(asked);
    expect((await purelm([...asked, '--draft', 'gpt2_tiny_en', '--speculative-tokens', '2'])).stdout).toBe(stdout);
  });

  it('takes the lines of standard input for prompts, and has one of its own', async () => {
    const piped = await purelm([...greedy, '--max-length', '12'], { input: 'The old fox\n\nOne day\n' });
    expect(piped.stdout.split('\n').map((line) => line.slice(0, 7))).toEqual(['The old', 'One day', '']);
    expect((await purelm([...greedy, '--max-length', '12'])).stdout).toMatch(/^Once upon a time/);
  });

  it('writes the same text for the same seed, and another for another', async () => {
    const drawn = ['generate', '--max-length', '40', '--temperature', '1.5', '--json', '--seed'];
    const [one, again, other] = await Promise.all(['1', '1', '2'].map((seed) => purelm([...drawn, seed])));
    expect(one!.stdout).toBe(again!.stdout);
    expect(JSON.parse(one!.stdout).text).not.toBe(JSON.parse(other!.stdout).text);
  });

  it('runs on the reference interpreter when asked to', async () => {
    const asked = [...greedy, '--max-length', '12'];
    const reference = await purelm([...asked, '--device', 'reference'], { env: noDriver });
    expect(reference).toMatchObject({ status: 0, stdout: (await purelm(asked)).stdout });
    expect(reference.stderr).toContain('reference interpreter');
  });

  it('says so and runs on the reference interpreter where there is no adapter, unless WebGPU is asked for', async () => {
    const asked = [...greedy, '--max-length', '8'];
    const fallen = await purelm(asked, { env: noDriver });
    expect(fallen.status).toBe(0);
    expect(fallen.stderr).toContain('no WebGPU adapter (Dawn finds no adapter');
    const refused = await purelm([...asked, '--device', 'webgpu'], { env: noDriver });
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain('expected a WebGPU adapter');
  });

  it('looks at the preset before it opens a device, and names the one that ships', async () => {
    const wrong = ['generate', '--preset', './nowhere', '--device', 'webgpu'];
    const { status, stdout, stderr } = await purelm(wrong, { env: noDriver });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    // Had a device been asked for, its absence were the error.
    expect(stderr).toMatch(/^purelm: \.\/nowhere: no such folder; .*gpt2_tiny_en ships with the package\n$/);
  });

  it('ends with status 2 for wrong arguments, and says which', async () => {
    const { status, stdout, stderr } = await purelm(['generate', '--top-k', 'three']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe('purelm: --top-k: expected a number, got three\nSee purelm help.\n');
  });

  it('writes nothing to standard output when a length is refused', async () => {
    const { status, stdout, stderr } = await purelm([...greedy, '--prompt', 'One', '--max-length', '1000']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(withoutDawn(stderr)).toMatch(/^purelm: generate: expected a maxLength of at most 160 .* got 1000.*\n$/);
  });

  it('ends with status 130 when it is interrupted', async () => {
    let told = false;
    const { status, stderr } = await purelm(['generate', '--max-length', '128', '--prompt', 'One', '--prompt', 'Two'], {
      onText: (child) => {
        if (!told) child.kill('SIGINT');
        told = true;
      },
    });
    expect(status).toBe(130);
    expect(stderr).toContain('purelm: interrupted');
  });

  it.runIf(process.platform === 'linux')('says that there is no room for its output', () => {
    const device = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(built.folder, 'scripts/purelm.mjs'), ...greedy, '--prompt', 'One'],
      { encoding: 'utf8', stdio: ['ignore', device, 'pipe'] },
    );
    closeSync(device);
    expect(status).toBe(1);
    expect(withoutDawn(stderr)).toBe('purelm: standard output: ENOSPC: no space left on device, write\n');
  });

  it('ends without a complaint when its reader has seen enough', async () => {
    const { status, stderr } = await purelm([...greedy, '--prompt', 'One', '--prompt', 'Two'], {
      onText: (child) => child.stdout!.destroy(),
    });
    expect({ status, stderr: withoutDawn(stderr) }).toEqual({ status: 0, stderr: '' });
  });
});

describe('purelm tune', () => {
  it('measures the shapes of a preset, and replaces a file that is of no use', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'purelm-tune-'));
    try {
      const { traits } = await testDevice();
      const path = join(cache, 'purelm', 'tuning', tuningName(traits.name));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '{"version": 1');
      const { status, stdout, stderr } = await purelm(['tune', '--only', 'prefill1', '--budget', '1', '--json'], {
        env: { XDG_CACHE_HOME: cache },
      });
      expect(status).toBe(0);
      expect(withoutDawn(stderr)).toBe(
        `purelm: ${path} is ignored: expected a table of kernels in JSON, got none; purelm tune writes a new one\n`,
      );
      const { classes, ...rest } = JSON.parse(stdout);
      expect(rest).toMatchObject({ preset: 'gpt2_tiny_en', model: 'GPT2CausalLM', dtype: 'float32', path });
      expect(classes.length).toBeGreaterThan(2);
      const chosen = classes.map(({ shapes, chosen }: Record<string, string>) => [shapes, chosen]);
      expect(JSON.parse(readFileSync(path, 'utf8')).kernels).toEqual(Object.fromEntries(chosen));
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('says that there is nothing to choose on the reference interpreter', async () => {
    const { status, stderr } = await purelm(['tune', '--only', 'prefill1', '--device', 'reference']);
    expect(status).toBe(1);
    expect(stderr).toBe(
      'purelm: tune: expected a device whose kernels can be chosen, got reference interpreter; is there an adapter?\n',
    );
  });
});

describe('purelm', () => {
  it('prints its options, and its version', async () => {
    expect(await purelm(['help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--preset NAME'),
    });
    expect((await purelm(['version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('doctor: the adapter, its limits and features, and the reason for the choice', async () => {
    const { status, stdout } = await purelm(['doctor']);
    expect(status).toBe(0);
    for (const row of ['adapter', 'chosen', 'largest binding', 'f16', 'subgroups'])
      expect(stdout).toContain(`\n${row} `);
    const { device, choiceReason, adapter } = JSON.parse((await purelm(['doctor', '--json'])).stdout);
    expect(device).toBe('webgpu');
    expect(choiceReason).not.toBe('');
    expect(adapter.maxBindingBytes).toBeGreaterThanOrEqual(2 ** 27);
  });

  it('doctor: says that there is no adapter, and why', async () => {
    const { device, adapter, choice, choiceReason } = JSON.parse(
      (await purelm(['doctor', '--json'], { env: noDriver })).stdout,
    );
    expect({ device, adapter, choice }).toEqual({ device: 'reference', adapter: undefined, choice: 'none' });
    expect(choiceReason).toContain('Dawn finds no adapter');
  });
});
