// @ts-check
// `npm test -- ARGS`: installs and finds an adapter as far as needed, then the linter, the type checker and
// `vitest run ARGS`, up to the first that fails. The last line of stdout is `N passed, N failed`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adapterEnvironment, chooseAdapter } from './setup/adapter.mjs';
import { readJson } from './setup/cache.mjs';
import { installPackages } from './setup/packages.mjs';
import { runInTerminal, runScript, say } from './setup/process.mjs';
import { countTests } from './setup/report.mjs';
import { writeShaderSources } from './shaders.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));

const test = async (/** @type {readonly string[]} */ args) => {
  if (!installPackages()) return 1;
  const choice = chooseAdapter({ retry: 'if none' });
  if (choice.choice === 'none') {
    say('the tests need a WebGPU adapter, and none was found; see the line above. `npm run setup` tries again');
    return 1;
  }
  writeShaderSources();
  const env = { ...process.env, ...adapterEnvironment(choice) };
  const run = (/** @type {readonly string[]} */ [script = '', ...rest]) =>
    runInTerminal(process.execPath, [join(root, 'node_modules', script), ...rest], { cwd: root, env });

  const folder = mkdtempSync(join(tmpdir(), 'purelm-test-'));
  try {
    const report = join(folder, 'report.json');
    /** @type {readonly (readonly string[])[]} */
    const checks = [
      ['@biomejs/biome/bin/biome', 'check', '--diagnostic-level=warn'],
      ['typescript/bin/tsc', '-p', 'tsconfig.check.json'],
    ];
    for (const check of checks) {
      const status = await run(check);
      if (status !== 0) return status;
    }
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const status = await run(['vitest/vitest.mjs', 'run', ...reporters, ...args]);
    const counts = countTests(readJson(report));
    if (counts === undefined) say('vitest wrote no report');
    else process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
    return status === 0 && counts === undefined ? 1 : status;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

await runScript(() => test(process.argv.slice(2)));
