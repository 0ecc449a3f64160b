import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exampleModels, exampleRepos } from '../support/hubs/models.ts';
import { blobName, commitOf, gitHash } from '../support/hubs/server.ts';
import { hubSetting } from '../support/hubs/setting.ts';

interface PythonRecord {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly size: number;
  readonly read_by_python: number;
  readonly read_by_purelm: number;
  /** What Python's caches consist of: links with where they lead, files with git's hash. */
  readonly python: Readonly<Record<string, string>>;
  readonly only_in_purelm: readonly string[];
}

const record = JSON.parse(
  readFileSync(new URL('../fixtures/hub/python.json', import.meta.url), 'utf8'),
) as PythonRecord;

const { hubs, folder, have } = hubSetting(record.size);

/** All contents that there can be, by git's hash. */
const contents = (): ReadonlyMap<string, Uint8Array | string> => {
  const states = [
    ...Object.values(exampleRepos(record.size)).flatMap(({ files, branches = {} }) => [
      files,
      ...Object.values(branches),
    ]),
    ...Object.values(exampleModels(record.size)).flatMap(({ versions }) => Object.values(versions)),
  ];
  const all = states.flatMap((files) => [...Object.values(files), commitOf(files), '']);
  return new Map(all.map((content) => [gitHash(content), content]));
};

/** Where the record has a cache, and where the setting has it. */
const here = (name: string): string => join(folder(), name.replace(/^huggingface\//, ''));

/** Makes the caches that Python had. */
const restore = (): void => {
  const known = contents();
  for (const [name, what] of Object.entries(record.python)) {
    mkdirSync(dirname(here(name)), { recursive: true });
    if (what.startsWith('link ')) symlinkSync(what.slice('link '.length), here(name));
    else {
      const content = known.get(what);
      if (content === undefined) throw new Error(`${name}: not a content of the test's models; record anew`);
      writeFileSync(here(name), content);
    }
  }
};

const uris = [
  'hf://keras/gpt2_base_en',
  'hf://someone/gpt2',
  'hf://someone/gpt2@v1',
  'hf://someone/gpt2@refs/pr/1',
  'kaggle://keras/gpt2/keras/gpt2_base_en/3',
];

describe(`the caches of Python (${Object.entries(record.versions).flat().join(' ')}, looked at on ${record.date})`, () => {
  it('are read without a network', async () => {
    restore();
    let files = 0;
    for (const uri of [...uris, 'kaggle://keras/gpt2/keras/gpt2_base_en/2']) {
      const got = await have(uri, { offline: true });
      for (const name of got.files) expect(existsSync(join(got.folder, name)), `${uri} ${name}`).toBe(true);
      files += got.files.length;
    }
    expect(files).toBe(record.read_by_purelm);
    expect((await have('gpt2_base_en')).kind).toBe('kaggle');
    expect(hubs().seen).toEqual([]);
  });

  it('are what we write, name by name and link by link', async () => {
    for (const uri of uris) await have(uri);
    const written = ['hub', 'kagglehub'].flatMap((top) =>
      readdirSync(join(folder(), top), { recursive: true, encoding: 'utf8' })
        .filter((name) => !/\.locks\/|\/\.purelm\/|\/trees\/|CACHEDIR\.TAG$/.test(name))
        .map((name) => join(folder(), top, name))
        .filter((path) => !lstatSync(path).isDirectory())
        .map((path) => {
          const what = lstatSync(path).isSymbolicLink() ? `link ${readlinkSync(path)}` : gitHash(readFileSync(path));
          return [path.slice(folder().length + 1).replace(/^hub\//, 'huggingface/hub/'), what] as const;
        }),
    );
    // Version 2 was fetched by Python alone, as a bundle.
    const recorded = Object.entries(record.python).filter(([name]) => !/gpt2_base_en\/2(?:\.complete$|\/)/.test(name));
    expect(new Map([...written].sort())).toEqual(new Map([...recorded].sort()));
    expect(record.only_in_purelm).toEqual([]);
    const readable = written.filter(([name, what]) => what.startsWith('link ') || name.includes('gpt2_base_en/3/'));
    expect(record.read_by_python).toBe(readable.length);
  });

  it('note listings in the same words', async () => {
    const { state } = await have('hf://keras/gpt2_base_en');
    const tree = JSON.parse(
      readFileSync(join(folder(), 'hub/models--keras--gpt2_base_en/trees', `${state}.json`), 'utf8'),
    ) as { readonly files: Readonly<Record<string, unknown>> };
    const { files } = exampleRepos(record.size)['keras/gpt2_base_en']!;
    const weights = files['model.weights.h5']!;
    expect(Object.keys(tree.files)).toEqual(Object.keys(files).sort());
    expect(tree.files['config.json']).toEqual({
      size: files['config.json']!.length,
      blob_id: gitHash(files['config.json']!),
    });
    expect(tree.files['model.weights.h5']).toEqual({
      size: weights.length,
      blob_id: expect.stringMatching(/^[0-9a-f]{40}$/),
      lfs_sha256: createHash('sha256').update(weights).digest('hex'),
      lfs_size: weights.length,
    });
    expect(blobName('model.weights.h5', weights)).toHaveLength(64);
  });
});
