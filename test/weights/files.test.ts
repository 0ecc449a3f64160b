import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PresetError, restoreFolder, writeAtomically, writeFolderAtomically } from '../../src/weights/index.ts';
import { left, right, temporaryFolder } from './helpers.ts';

const folder = await temporaryFolder();

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Two good pieces, then an error. */
async function* breaking(error: Error): AsyncGenerator<Uint8Array> {
  yield bytes('new');
  yield bytes('er');
  throw error;
}

let serial = 0;

/** A path in an empty folder of its own. */
const fresh = async (name = 'out'): Promise<string> => {
  const own = join(folder, `${serial++}`);
  await mkdir(own);
  return join(own, name);
};

const text = (path: string): Promise<string> => readFile(path, 'utf8');

describe('writeAtomically', () => {
  it('writes pieces, at once or as they come, and leaves nothing else behind', async () => {
    const path = await fresh();
    right(await writeAtomically(path, [bytes('one '), bytes(''), bytes('two')])());
    expect(await text(path)).toBe('one two');
    right(
      await writeAtomically(
        path,
        (async function* () {
          yield bytes('three');
        })(),
      )(),
    );
    expect(await text(path)).toBe('three');
    expect(await readdir(join(path, '..'))).toEqual(['out']);
  });

  it('leaves the old file as it was when the content breaks off', async () => {
    const path = await fresh();
    right(await writeAtomically(path, [bytes('old')])());
    const problem = new PresetError({ _tag: 'BrokenFile', message: 'the source ends' });
    expect(left(await writeAtomically(path, breaking(problem))())).toMatchObject({ _tag: 'BrokenFile', path });
    await expect(writeAtomically(path, breaking(new Error('stopped')))()).rejects.toThrow('stopped');
    expect(await text(path)).toBe('old');
    expect(await readdir(join(path, '..'))).toEqual(['out']);
  });

  it('leaves the old file in its place until the last byte of the new one is there', async () => {
    const path = await fresh();
    right(await writeAtomically(path, [bytes('old')])());
    const seen: string[] = [];
    right(
      await writeAtomically(
        path,
        (async function* () {
          yield bytes('ne');
          seen.push(await text(path));
          yield bytes('w');
          seen.push(await text(path));
        })(),
      )(),
    );
    expect(seen).toEqual(['old', 'old']);
    expect(await text(path)).toBe('new');
  });

  it('says what the system refused', async () => {
    const path = join(await fresh(), 'below');
    expect(left(await writeAtomically(path, [])())).toMatchObject({ _tag: 'InputOutput', path });
    const aFolder = await fresh();
    await mkdir(aFolder);
    expect(left(await writeAtomically(aFolder, [bytes('x')])()).message).toMatch(/could not be written \(EISDIR\)/);
    expect(await readdir(join(aFolder, '..'))).toEqual(['out']);
  });
});

describe('writeFolderAtomically', () => {
  const files = (words: string) => [
    { name: 'config.json', content: [bytes(words)] },
    { name: 'assets/tokenizer/merges.txt', content: [bytes(`${words}!`)] },
  ];

  it('writes files and folders below, and replaces an older folder whole', async () => {
    const path = join(await fresh(), 'deep');
    right(await writeFolderAtomically(path, files('one'))());
    right(await writeFolderAtomically(path, [...files('two'), { name: 'more', content: [] }])());
    expect(await text(join(path, 'config.json'))).toBe('two');
    expect(await text(join(path, 'assets/tokenizer/merges.txt'))).toBe('two!');
    right(await writeFolderAtomically(path, files('three'), (name) => name === 'more')());
    expect((await readdir(path)).sort()).toEqual(['assets', 'config.json']);
    expect(await readdir(join(path, '..'))).toEqual(['deep']);
  });

  it('refuses a folder that holds something else, and does not touch it', async () => {
    const path = await fresh();
    await mkdir(path);
    await writeFile(join(path, 'thesis.tex'), 'years of work');
    expect(left(await writeFolderAtomically(path, files('x'))()).message).toContain('"thesis.tex" besides');
    expect(await readdir(path)).toEqual(['thesis.tex']);
    expect(await readdir(join(path, '..'))).toEqual(['out']);
    const file = await fresh();
    await writeFile(file, 'a file');
    expect(left(await writeFolderAtomically(file, files('x'))())._tag).toBe('InputOutput');
    expect(await text(file)).toBe('a file');
  });

  it('leaves the old folder as it was when a file breaks off, and when a name leads out', async () => {
    const path = await fresh();
    right(await writeFolderAtomically(path, files('old'))());
    const broken = [...files('new'), { name: 'weights', content: breaking(new Error('stopped')) }];
    await expect(writeFolderAtomically(path, broken)()).rejects.toThrow('stopped');
    await expect(writeFolderAtomically(path, [{ name: '../x', content: [] }], () => true)()).rejects.toThrow('../x');
    expect(await text(join(path, 'config.json'))).toBe('old');
    expect(await readdir(join(path, '..'))).toEqual(['out']);
  });

  it('follows a link to a folder instead of replacing the link', async () => {
    const path = await fresh();
    right(await writeFolderAtomically(path, files('old'))());
    const link = join(path, '..', 'link');
    await symlink(path, link);
    right(await writeFolderAtomically(link, files('new'))());
    expect(await text(join(path, 'config.json'))).toBe('new');
    expect(await text(join(link, 'config.json'))).toBe('new');
  });

  it('gets back what a crash between the two renames left aside, and clears what one after them left', async () => {
    const path = await fresh();
    right(await writeFolderAtomically(path, files('old'))());
    await rename(path, `${path}.purelm-old`);
    right(await restoreFolder(path)());
    expect(await text(join(path, 'config.json'))).toBe('old');
    right(await restoreFolder(path)());
    await mkdir(`${path}.purelm-old`);
    right(await writeFolderAtomically(path, files('new'))());
    expect(await readdir(join(path, '..'))).toEqual(['out']);
  });
});
