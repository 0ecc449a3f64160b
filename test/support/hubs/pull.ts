import * as E from 'fp-ts/lib/Either.js';
import { nodeSettings, resolve } from '../../../src/hub/index.ts';
import { quickPatience } from './patience.ts';

// A program for tests that need a process of their own: resolves the names that it is given, by the environment's settings, and
// prints what came of each as a line of JSON.

const settings = nodeSettings();
if (E.isLeft(settings)) throw new Error(settings.left.message);
for (const uri of process.argv.slice(2)) {
  const result = await resolve(uri, { settings: { ...settings.right, patience: quickPatience } })();
  process.stdout.write(`${JSON.stringify(E.isRight(result) ? result.right : { problem: result.left })}\n`);
}
