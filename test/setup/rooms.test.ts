import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../src', import.meta.url));

/** Rooms in their order: each imports only from those before it, and from itself. */
const rooms = [
  'tensor',
  'ops',
  'shaders',
  'transforms',
  'layers',
  'models',
  'samplers',
  'training',
  'tokenizers',
  'runtime',
  'hub',
  'weights',
  'tasks',
  'cli',
];

/** Rooms that run in a browser as they are. */
const withoutNode = rooms.slice(0, rooms.indexOf('tokenizers') + 1);

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

const importsOf = (file: string): readonly string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name!);

const roomOf = (file: string): string => file.split(/[\\/]/)[0]!;

describe('rooms', () => {
  it('import only from rooms above them', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => relative(root, join(root, dirname(file), name)))
        .filter((target) => target.includes('/') && file.includes('/'))
        .filter((target) => rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(file)))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('are all known', () => {
    expect(files.filter((file) => file.includes('/') && !rooms.includes(roomOf(file)))).toEqual([]);
  });

  it('up to the tokenizers import no Node module', () => {
    const wrong = files
      .filter((file) => withoutNode.includes(roomOf(file)))
      .flatMap((file) => importsOf(file).map((name) => `${file} imports ${name}`))
      .filter((line) => /imports (node:|fs|path|os)\b/.test(line));
    expect(wrong).toEqual([]);
  });

  it('import no Node module in what of the hub browsers share', () => {
    const shared = files.filter((file) => /^hub[\\/]/.test(file) && !/^hub[\\/](?:node[\\/]|index\.ts$)/.test(file));
    expect(shared.length).toBeGreaterThan(10);
    const wrong = shared.flatMap((file) => importsOf(file).map((name) => `${file} imports ${name}`));
    expect(wrong.filter((line) => /imports (?:node:|.*\/node\/)/.test(line))).toEqual([]);
  });
});
