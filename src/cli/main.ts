import { readFile } from 'node:fs/promises';
import * as E from 'fp-ts/lib/Either.js';
import { parseCommand } from './arguments.ts';
import { bench } from './bench.ts';
import { diagnose, formatDiagnosis } from './doctor.ts';
import { embedTexts } from './embed.ts';
import { fitTexts } from './fit.ts';
import { generate } from './generate.ts';
import { inspectPreset } from './inspect.ts';
import { listPresets, pullPreset, pushPreset } from './presets.ts';
import { scoreTexts } from './score.ts';
import { tune } from './tune.ts';
import { usage } from './usage.ts';

const FAILED = 1;
const WRONG_ARGUMENTS = 2;
const INTERRUPTED = 130;

const freshSeed = (): number => globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!;

const version = async (): Promise<string> => {
  const { version: own } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return own;
};

const run = async (args: readonly string[], signal: AbortSignal): Promise<number> => {
  const parsed = parseCommand(args, freshSeed);
  if (E.isLeft(parsed)) {
    process.stderr.write(`purelm: ${parsed.left}\nSee purelm help.\n`);
    return WRONG_ARGUMENTS;
  }
  const command = parsed.right;
  switch (command.command) {
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'version':
      process.stdout.write(`${await version()}\n`);
      return 0;
    case 'doctor': {
      const diagnosis = await diagnose();
      process.stdout.write(command.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : formatDiagnosis(diagnosis));
      return 0;
    }
    case 'presets':
      await listPresets(command);
      return 0;
    case 'push':
      await pushPreset(command, signal);
      return 0;
    case 'pull':
      await pullPreset(command, signal);
      return 0;
    case 'generate':
      await generate(command, signal);
      return 0;
    case 'fit':
      await fitTexts(command, signal);
      return 0;
    case 'embed':
      await embedTexts(command, signal);
      return 0;
    case 'inspect':
      await inspectPreset(command, signal);
      return 0;
    case 'score':
      await scoreTexts(command, signal);
      return 0;
    case 'bench':
      await bench(command, signal);
      return 0;
    case 'tune':
      await tune(command, signal);
      return 0;
  }
};

const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort(new Error('interrupted')));
// A reader that has seen enough, such as `head`, closes the pipe: that is no failure.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(0);
  process.stderr.write(`purelm: standard output: ${message}\n`);
  process.exit(FAILED);
});

try {
  process.exitCode = await run(process.argv.slice(2), interruption.signal);
} catch (cause) {
  const isInterrupted = interruption.signal.aborted;
  const message = cause instanceof Error ? cause.message : String(cause);
  process.stderr.write(
    isInterrupted
      ? `\npurelm: ${message.startsWith('interrupted') ? message : 'interrupted'}\n`
      : `purelm: ${message}\n`,
  );
  process.exitCode = isInterrupted ? INTERRUPTED : FAILED;
}
