import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { adapterEnvironment, knownChoice } from './scripts/setup/adapter.mjs';
import { writeShaderSources } from './scripts/shaders.mjs';

writeShaderSources();
// The workers inherit it. Under `npm test` it is set already; a plain `npx vitest` uses what the last search found.
Object.assign(process.env, adapterEnvironment(knownChoice()));
// Most of a first run is lavapipe compiling kernels for a few numbers each: have it compile them fast, not well.
process.env.GALLIVM_PERF ??= 'nopt';

const source = fileURLToPath(new URL('src/', import.meta.url));

export default defineConfig({
  resolve: {
    // What imports the package by its name gets the sources, and so the instance that the tests use.
    alias: [
      { find: /^purelm$/, replacement: `${source}index.ts` },
      { find: /^purelm\/(\w+)$/, replacement: `${source}$1/index.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Files of one worker share modules, and so the device and its kernels: a sixth of the processor's time less.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
