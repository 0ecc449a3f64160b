// @ts-check
// Children and messages. Uses Node's own modules alone, as everything here does: it runs before any package is there.
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Tells the person what happens, on stderr, so that stdout stays with the program.
 *
 * @param {string} line - One line.
 */
export const say = (line) => {
  process.stderr.write(`purelm: ${line}\n`);
};

/**
 * The line of a failed tool's output that says most: the first that names an error, else the last one.
 *
 * @param {string} output
 */
export const tellingLine = (output) => {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const named = lines.find((line) =>
    /^(E: |npm error (?!code|errno|syscall|path|dest)\S|error\b|.*\bError: )/i.test(line),
  );
  return (named ?? lines.at(-1) ?? 'it said nothing').replace(/^(E: |npm error )/i, '').slice(0, 300);
};

/**
 * What an error says, in one line, for people.
 *
 * @param {unknown} error
 */
export const problemOf = (error) => {
  const { code, path } = /** @type {NodeJS.ErrnoException} */ (error ?? {});
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return `the disk is full${path === undefined ? '' : `, no room for ${path}`} (${code}); make room and try again`;
  }
  return error instanceof Error ? error.message : String(error);
};

/**
 * Runs a script to its end: the status that it gives is the process's; what the system refuses is said in one line.
 *
 * @param {() => Promise<number | undefined>} script - Nothing where a command sets its own status.
 */
export const runScript = async (script) => {
  try {
    const status = await script();
    if (status !== undefined) process.exitCode = status;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error ?? {});
    if (code === undefined) throw error;
    say(problemOf(error));
    process.exitCode = 1;
  }
};

/**
 * Runs a tool to its end and keeps what it says.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, seconds?: number }} [options] - `seconds`: the longest it may take.
 * @returns {{ ok: boolean, stdout: string, problem: string }} `problem` is one line, empty if all went well.
 */
export const runQuietly = (command, args, { env = process.env, cwd, seconds = 600 } = {}) => {
  const result = spawnSync(command, args, {
    env,
    cwd,
    encoding: 'utf8',
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 2 ** 20,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ok = result.status === 0 && result.error === undefined;
  const problem = (() => {
    if (ok) return '';
    if (result.error !== undefined) return `${command}: ${result.error.message}`;
    if (result.status === null) return `${command} was ended by ${result.signal}`;
    return tellingLine(`${result.stderr}\n${result.stdout}`);
  })();
  return { ok, stdout: result.stdout ?? '', problem };
};

/**
 * Runs a program in this terminal and gives its exit status; 128 and the signal's number if a signal ended it.
 *
 * An interrupt from the keyboard reaches the child by itself, so the parent only waits; other requests to end are
 * passed on.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>}
 */
export const runInTerminal = (command, args, { env = process.env, cwd } = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd, stdio: 'inherit' });
    const wait = () => {};
    /** @type {readonly NodeJS.Signals[]} */
    const passedOn = ['SIGTERM', 'SIGHUP'];
    /** @param {NodeJS.Signals} signal */
    const pass = (signal) => child.kill(signal);
    process.on('SIGINT', wait);
    for (const signal of passedOn) process.on(signal, pass);
    /** @param {number} status */
    const end = (status) => {
      process.off('SIGINT', wait);
      for (const signal of passedOn) process.off(signal, pass);
      resolve(status);
    };
    child.on('error', (error) => {
      say(`${command}: ${error.message}`);
      end(127);
    });
    child.on('exit', (code, signal) => end(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });

/** For a machine without a network, on which npm would else go on trying for more than a minute. */
export const NPM_PATIENCE = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/**
 * How to call npm: the very npm that runs us if there is one, else the one on the path.
 *
 * @param {readonly string[]} args
 * @returns {readonly [string, readonly string[]]}
 */
export const npmCommand = (args) => {
  const script = process.env.npm_execpath;
  if (script !== undefined && /npm-cli\.c?js$/.test(script)) return [process.execPath, [script, ...args]];
  return process.platform === 'win32' ? ['cmd.exe', ['/d', '/s', '/c', 'npm', ...args]] : ['npm', args];
};
