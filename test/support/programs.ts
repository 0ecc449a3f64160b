import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Programs in a form that Node runs. */
export interface CompiledPrograms {
  /** The file that a source has become. */
  readonly fileOf: (source: string) => string;
  readonly remove: () => void;
}

/**
 * Compiles programs of the tests with all that they import, and nothing else; types are checked elsewhere.
 *
 * @param sources - Paths from the repository's root.
 */
export const compilePrograms = (sources: readonly string[]): CompiledPrograms => {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'purelm-programs-'));
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      outDir: join(folder, 'out'),
      rootDir: root,
      noCheck: true,
      sourceMap: false,
      declaration: false,
    },
    include: [],
    files: sources.map((source) => join(root, source)),
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the programs cannot be built: ${stdout}`);
  return {
    fileOf: (source) => join(folder, 'out', source.replace(/\.ts$/, '.js')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
