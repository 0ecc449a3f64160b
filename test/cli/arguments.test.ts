import * as E from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/arguments.ts';

const parse = (...args: string[]) => parseCommand(args, () => 42);

describe('purelm’s command line', () => {
  it('generates by default from the preset that ships, with a seed of its own', () => {
    const command = parse('generate');
    expect(command).toMatchObject(
      E.right({ command: 'generate', preset: 'gpt2_tiny_en', prompts: [], seed: 42, json: false }),
    );
    expect(E.isRight(command) && command.right.command === 'generate' && command.right.sampler.name).toBe('top_k');
  });

  it('takes all its options; the last of two counts', () => {
    const command = parse(
      ...['generate', '--temperature', '0.7', '--prompt', 'a', '--prompt', 'b', '--max-length', '9', '--top-p', '0.5'],
      ...['--seed', '7', '--device', 'reference', '--json', '--temperature', '0.9', '--preset', './x'],
    );
    expect(command).toMatchObject(
      E.right({ prompts: ['a', 'b'], maxLength: 9, seed: 7, device: 'reference', json: true, preset: './x' }),
    );
    expect(E.isRight(command) && command.right.command === 'generate' && command.right.sampler.name).toBe('top_p');
  });

  it.each([
    [['--num-beams', '4'], 'beam'],
    [['--all-beams'], 'beam'],
    [['--sampler', 'beam', '--temperature', '2'], 'beam'],
    [['--alpha', '0.3', '--top-k', '4'], 'contrastive'],
    [['--min-p', '0.1'], 'top_k'],
    [['--top-p', '0.5', '--min-p', '0.1', '--repetition-penalty', '1.2'], 'top_p'],
    [['--sampler', 'random'], 'random'],
  ])('takes %j for a sampler', (args, name) => {
    const command = parse('generate', ...args);
    expect(E.isRight(command) && command.right.command === 'generate' && command.right.sampler.name).toBe(name);
  });

  it.each([
    [['generate', '--sampler', 'best'], 'expected greedy, random, top_k, top_p, beam, contrastive, got best'],
    [['generate', '--sampler', 'greedy', '--top-k', '3'], '--top-k: expected only with a sampler that uses it'],
    [['generate', '--sampler', 'speculative'], 'name a draft with --draft'],
    [['generate', '--sampler', 'beam', '--top-p', '0.5'], '--top-p: expected only with a sampler that uses it'],
    [['generate', '--num-beams', '0'], 'beam: expected numBeams to be a whole number from 1, got 0'],
    [['generate', '--alpha', '2'], 'contrastive: expected alpha from 0 to 1, got 2'],
    [['generate', '--min-p', '2'], 'min_p: expected p from 0 to 1, got 2'],
    [['generate', '--repetition-penalty', '0'], 'repetitionPenalty: expected a penalty above 0'],
    [['generate', '--speculative-tokens', '3'], '--speculative-tokens: expected together with --draft'],
    [['generate', '--top-k', 'three'], '--top-k: expected a number, got three'],
    [['generate', '--seed', '1.5'], '--seed: expected a whole number'],
    [['generate', '--device', 'gpu'], '--device: expected webgpu, reference or auto, got gpu'],
    [['generate', 'hello'], 'is a prompt meant? use --prompt'],
    [['generate', '--unknown'], '--unknown'],
    [
      ['train'],
      'expected generate, fit, score, bench, tune, embed, inspect, presets, doctor, setup or help, got train',
    ],
    [['tune', 'a', 'b'], 'tune: expected one preset, got a, b'],
    [['tune', '--budget', '0'], '--budget: expected a whole number from 1, got 0'],
    [['tune', '--reps', '2'], '--reps: expected an option of tune'],
    [['bench', 'a', 'b'], 'bench: expected one preset, got a, b'],
    [['bench', 'a', '--preset', 'b'], 'bench: expected one preset, got b, a'],
    [['bench', '--only', 'prefill16,decode'], '--only: expected start, prefill and decode with a number of tokens'],
    [['bench', '--only', 'prefill0'], 'got prefill0'],
    [['bench', '--dtype', 'int32'], '--dtype: expected float32, float16 or bfloat16, got int32'],
    [['bench', '--quantize', 'int2'], '--quantize: expected int8 or int4, got int2'],
    [['bench', '--reps', '0'], '--reps: expected a whole number from 1, got 0'],
    [['bench', '--svg', 'a.png'], '--svg: expected a file whose name ends in .svg, got a.png'],
    [['generate', '--profile'], '--profile: expected an option of generate'],
    [['presets', 'pull'], 'presets pull: expected one preset, an id or a handle, got 0'],
    [['presets', 'pull', 'a', 'b'], 'presets pull: expected one preset, an id or a handle, got 2'],
    [['presets', 'a', 'b'], 'presets: expected one text to look for, got 2'],
    [['presets', 'push', 'a'], 'presets push: expected a folder and hf://user/repo, got 1'],
    [['presets', 'push', 'a', 'hf://b/c', '--revision', 'd'], '--revision: expected with presets pull only; for push'],
    [['presets', 'pull', 'a', '--private'], '--private: expected with presets push only'],
    [['presets', '--revision', 'a'], '--revision: expected with presets pull only'],
    [['presets', '--seed', '1'], '--seed: expected an option of presets (--revision, --json, --private, --message)'],
    [['generate', '--temperature', '0'], 'a temperature above 0'],
  ])('refuses %j', (args, message) => {
    const command = parse(...args);
    expect(E.isLeft(command) && command.left).toContain(message);
  });

  it('times a preset, as it is or in few bits', () => {
    const names = (...args: string[]) => {
      const command = parse('bench', ...args);
      return E.isRight(command) && command.right.command === 'bench' && command.right.only.map(({ name }) => name);
    };
    expect(names()).toEqual(['start', 'prefill16', 'prefill128', 'prefill512', 'decode128']);
    expect(names('--only', 'decode4096, start')).toEqual(['decode4096', 'start']);
    expect(parse('bench')).toMatchObject(
      E.right({ preset: 'gpt2_tiny_en', reps: 3, profile: false, dtype: undefined, quantize: undefined, json: false }),
    );
    expect(parse('bench', './x', '--dtype', 'float16', '--quantize', 'int4', '--svg', 'a.svg')).toMatchObject(
      E.right({ preset: './x', dtype: 'float16', quantize: 'int4', svg: 'a.svg', profile: true }),
    );
  });

  it('lists presets and fetches one', () => {
    expect(parse('presets')).toEqual(E.right({ command: 'presets', filter: '', json: false }));
    expect(parse('presets', 'gemma', '--json')).toEqual(E.right({ command: 'presets', filter: 'gemma', json: true }));
    expect(parse('presets', 'push', './a', 'hf://b/c', '--private', '--message', 'new')).toEqual(
      E.right({
        ...{ command: 'push', folder: './a', uri: 'hf://b/c', isPrivate: true, message: 'new', json: false },
      }),
    );
    expect(parse('presets', 'pull', 'hf://a/b', '--revision', 'v1')).toEqual(
      E.right({ command: 'pull', preset: 'hf://a/b', revision: 'v1', json: false }),
    );
    expect(parse('score', '--revision', 'v1', '--preset', 'hf://a/b')).toMatchObject(E.right({ revision: 'v1' }));
  });

  it('helps', () => {
    expect(parse()).toEqual(E.right({ command: 'help' }));
    expect(parse('--version')).toEqual(E.right({ command: 'version' }));
  });
});
