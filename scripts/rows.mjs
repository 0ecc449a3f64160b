// @ts-check
// `npm run rows`: which acceptance rows (S1 to S137) the titles of the tests name.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROWS = 137;
const root = fileURLToPath(new URL('../', import.meta.url));
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const text = execFileSync(process.execPath, [vitest, 'list', '--json'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
  stdio: ['ignore', 'pipe', 'inherit'],
});
/** @type {readonly { name: string }[]} */
const tests = JSON.parse(text.slice(text.indexOf('[')));
/** @type {Map<number, number>} */
const counts = new Map();
for (const { name } of tests)
  for (const row of new Set([...name.matchAll(/\bS(\d{1,3})\b/g)].map(([, digits]) => Number(digits))))
    if (row >= 1 && row <= ROWS) counts.set(row, (counts.get(row) ?? 0) + 1);
const covered = [...counts.keys()].sort((a, b) => a - b);
process.stdout.write(`${covered.map((row) => `S${row} (${counts.get(row)})`).join(' ')}\n`);
process.stdout.write(`${covered.length} of ${ROWS} rows are named by ${tests.length} tests\n`);
