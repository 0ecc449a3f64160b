// @ts-check
// Makes the JavaScript of dist/ out of src/: a file for each name that the package exports, and what they share in a few
// chunks, so that a program reads tens of files instead of hundreds. Every module is in one chunk, and so there once,
// whichever names a program imports; a chunk holds only what all of those need that import it, so that nothing of Node
// comes into an entry for browsers. What is imported when it is needed has chunks of its own.
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Packages whose code goes into dist, with the folder of their modules for bundlers. Their licenses go with them. */
const INSIDE = /** @type {const} */ ({ 'fp-ts': ['fp-ts/lib', 'fp-ts/es6'] });

/**
 * Entries by their place in dist, without ending: what package.json exports, the command, and what this repository's own
 * programs use.
 */
const entries = () => {
  /** @type {{ exports: Record<string, string | { import: string }> }} */
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const exported = Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [entry.import.replace(/^\.\/dist\/(.*)\.js$/, '$1')],
  );
  return Object.fromEntries(
    [...exported, 'cli/main', 'internals'].map((name) => [name, join(root, 'src', `${name}.ts`)]),
  );
};

/**
 * Writes the bundles.
 *
 * @param {string} dir
 */
export const bundle = async (dir) => {
  // Not there before the packages are installed.
  const { rolldown } = await import('rolldown');
  const build = await rolldown({
    cwd: root,
    input: entries(),
    // Entries for browsers are among them: nothing of Node is added.
    platform: 'neutral',
    external: (id) => !id.startsWith('.') && !isAbsolute(id) && !isInside(id),
    resolve: { alias: Object.fromEntries(Object.values(INSIDE)) },
  });
  try {
    await build.write({
      dir,
      format: 'esm',
      sourcemap: true,
      // The package has src/ beside dist/.
      sourcemapExcludeSources: true,
      // src/ is documented, and so are the declarations; what bundlers read stays.
      comments: { legal: true, annotation: true, jsdoc: false },
      entryFileNames: '[name].js',
      // As deep as the modules were: what they find beside the package by `import.meta.url` stays where it is.
      chunkFileNames: 'chunks/[name].js',
      codeSplitting: {
        groups: [
          { name: 'tensor', test: /[\\/]src[\\/]tensor[\\/]/, priority: 2 },
          { name: 'ops', test: /[\\/]src[\\/](?:ops|transforms)[\\/]/, priority: 1 },
          { name: 'runtime', test: /[\\/]src[\\/](?:runtime|shaders)[\\/]/ },
        ],
      },
    });
  } finally {
    await build.close();
  }
  for (const name of Object.keys(INSIDE)) {
    mkdirSync(join(dir, 'licenses'), { recursive: true });
    cpSync(join(root, 'node_modules', name, 'LICENSE'), join(dir, 'licenses', `${name}.txt`));
  }
};

/** @param {string} id */
const isInside = (id) => Object.keys(INSIDE).some((name) => id === name || id.startsWith(`${name}/`));

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(resolve(process.argv[2] ?? 'dist'));
