import { defineConfig } from 'vitest/config';
import { adapterEnvironment, knownChoice } from './scripts/setup/adapter.mjs';
import { writeShaderSources } from './scripts/shaders.mjs';

writeShaderSources();
// The workers inherit it. Under `npm test` it is set already; a plain `npx vitest` uses what the last search found.
Object.assign(process.env, adapterEnvironment(knownChoice()));

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
