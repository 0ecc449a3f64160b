import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tuningFile } from '../../src/runtime/tuningFile.ts';
import { tunedKernels } from '../../src/runtime/webgpu/tunedKernels.ts';
import {
  adapterKind,
  formatTuning,
  MOST_TEXT,
  parseTuning,
  shippedTuning,
} from '../../src/runtime/webgpu/tuningTable.ts';

const adapter = { name: 'Some GPU: driver 1.2', vendor: 'some', architecture: 'gpu', subgroups: 32 };
const other = { ...adapter, name: 'Some GPU: driver 1.3' };
const table = new Map([['matmul float32 nn 128 1024 4096', 'matmulLanes 16']]);

const name = fc.stringMatching(/^[\w .-]{1,20}$/);

describe('a table of kernels', () => {
  it('is read as it was written', () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name)), (entries) => {
        expect(parseTuning(formatTuning(adapter, new Map(entries)), adapter)).toEqual(E.right(new Map(entries)));
      }),
    ));

  it('is refused, and never more than that, whatever else a file holds', () => {
    const refused = (text: string): void => {
      const read = parseTuning(text, adapter);
      expect(E.isLeft(read) && read.left.split('\n')).toHaveLength(1);
      expect(E.isLeft(read) && read.left.length).toBeLessThan(400);
    };
    const written = JSON.parse(formatTuning(adapter, table));
    fc.assert(fc.property(fc.string(), refused));
    fc.assert(fc.property(fc.json(), refused));
    fc.assert(
      fc.property(fc.constantFrom('version', 'adapter', 'kernels'), fc.jsonValue({ maxDepth: 2 }), (field, value) => {
        // What is there already is right, and so are texts by name, or none.
        const isList = Array.isArray(value) || value === null || typeof value !== 'object';
        const isTable = !isList && Object.values(value).every((each) => typeof each === 'string');
        fc.pre(value !== written[field] && !(field === 'kernels' && isTable));
        refused(JSON.stringify({ ...written, [field]: value }));
      }),
      {
        examples: [
          ['kernels', { a: 1 }],
          ['kernels', []],
          ['version', 2],
        ],
      },
    );
    refused(JSON.stringify({ ...written, kernels: { a: '\u0000' } }));
    // Half a file, one that is too long, and one that is nested so deeply that reading it takes the whole stack.
    refused(formatTuning(adapter, table).slice(0, -20));
    refused(`${formatTuning(adapter, table)}${' '.repeat(MOST_TEXT)}`);
    refused('['.repeat(MOST_TEXT));
    refused(`{"version": ${'['.repeat(1000)}${']'.repeat(1000)}, "adapter": "", "kernels": {}}`);
    refused(
      formatTuning(adapter, new Map(Array.from({ length: 5000 }, (_, i): [string, string] => [`class ${i}`, 'a']))),
    );
  });

  it('says what of it is another', () => {
    expect(parseTuning(formatTuning(other, table), adapter)).toEqual(
      E.left(
        'expected what was measured on Some GPU: driver 1.2 (some gpu 32), got "Some GPU: driver 1.3 (some gpu 32)"',
      ),
    );
    const newer = JSON.stringify({ ...JSON.parse(formatTuning(adapter, table)), version: 99 });
    expect(parseTuning(newer, adapter)).toEqual(E.left('expected version 1, got 99'));
  });

  it('does not gain what every object has', () => {
    const hostile = formatTuning(adapter, table).replace('"kernels": {', '"kernels": { "__proto__": "x",');
    expect(parseTuning(hostile, adapter)).toEqual(E.right(new Map([['__proto__', 'x'], ...table])));
    expect(shippedTuning({ ...adapter, vendor: '', architecture: '__proto__' })).toBeUndefined();
  });

  it('ships for adapters by their kind', () => {
    const llvmpipe = { name: 'llvmpipe: Mesa 99', vendor: 'mesa', architecture: 'software', subgroups: 8 };
    expect(shippedTuning(llvmpipe)).toEqual(new Map(Object.entries(tunedKernels[adapterKind(llvmpipe)]!)));
    expect(shippedTuning(adapter)).toBeUndefined();
  });
});

describe('the file of an adapter', () => {
  let folder: string;
  const lines: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'purelm-tuning-'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
    lines.length = 0;
    vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line));
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  it('remembers what it is given, beside what it has', () => {
    const file = tuningFile(adapter)!;
    expect(file.read()).toEqual(new Map());
    file.add(table);
    file.add(new Map([['a', 'b']]));
    expect(tuningFile(adapter)!.read()).toEqual(new Map([...table, ['a', 'b']]));
    expect(readdirSync(dirname(file.path))).toHaveLength(1);
    expect(file.path.startsWith(join(folder, 'purelm', 'tuning'))).toBe(true);
    expect(lines).toEqual([]);
  });

  it('is ignored with one line where it is of no use, and replaced by what is measured', () => {
    const file = tuningFile(adapter)!;
    mkdirSync(dirname(file.path), { recursive: true });
    for (const text of [
      'no JSON',
      formatTuning(other, table),
      formatTuning(adapter, table).replace('"version": 1', '"version": 0'),
      'x'.repeat(MOST_TEXT + 9),
    ]) {
      writeFileSync(file.path, text);
      lines.length = 0;
      expect(file.read()).toEqual(new Map());
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(`purelm: ${file.path} is ignored: expected`);
      expect(lines[0]).not.toContain('\n');
      file.add(table);
      expect(file.read()).toEqual(table);
      expect(lines).toHaveLength(1);
    }
    rmSync(file.path);
    mkdirSync(file.path);
    expect(file.read()).toEqual(new Map());
    expect(lines).toHaveLength(2);
    expect(() => file.add(table)).toThrow();
    expect(readdirSync(dirname(file.path))).toHaveLength(1);
  });
});
