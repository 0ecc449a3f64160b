import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { BuiltPackage } from './package.ts';

/** What a run of the command left. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the command is run. */
export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Standard input; without it there is none. */
  readonly input?: string;
  /** Called with every piece of standard output. */
  readonly onText?: (child: ChildProcess, text: string) => void;
}

/** Runs the command `purelm` of a built package. */
export const runCommand = (
  { folder }: BuiltPackage,
  args: readonly string[],
  { env = {}, input, onText }: RunOptions = {},
): Promise<Run> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(folder, 'scripts/purelm.mjs'), ...args], {
      env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    let stdout = '';
    let stderr = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onText?.(child, text);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
    child.stdin?.end(input);
  });

/** Dawn's own words about a limit, which come on some drivers and can be switched off nowhere; see docs/decisions.md. */
export const withoutDawn = (stderr: string): string => stderr.replace(/^Warning: \w+ artificially reduced .*\n/gm, '');
