import { broadcastTo } from '../../ops/broadcastTo.ts';
import { cast } from '../../ops/cast.ts';
import { constant, leaf } from '../../ops/constant.ts';
import { multiply } from '../../ops/multiply.ts';
import { apply } from '../../ops/op.ts';
import { bitsToUniform, key, randomBits } from '../../ops/random.ts';
import { reshape } from '../../ops/reshape.ts';
import { slice, sliceAxis } from '../../ops/slice.ts';
import { subtract } from '../../ops/subtract.ts';
import { deviceBytes } from '../../tensor/dtype.ts';
import type { KernelChoice } from '../../tensor/kernel.ts';
import type { NDArray } from '../../tensor/ndarray.ts';
import { count } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { evaluateReference } from '../reference/evaluate.ts';
import type { WebGPU } from './device.ts';
import { evaluate, type Prepared, prepare, realize, submit } from './execute.ts';
import { patiently } from './patience.ts';
import { plan } from './plan.ts';
import { profile, recorderOf } from './profile.ts';

/** A node of an expression whose kernel is one of several. */
export interface Choosable {
  readonly choice: KernelChoice<object>;
  readonly node: Tensor;
}

/** What was measured for a class of shapes. */
export interface Measured {
  /** The class, such as `matmul float32 nn 128 1024 4096`. */
  readonly shapes: string;
  /** The kernels that were tried, the usual one first, and their shortest times in milliseconds; null: its values were wrong. */
  readonly kernels: readonly { readonly name: string; readonly ms: number | null }[];
  /** The name of the one that is taken from now on. */
  readonly chosen: string;
}

/** How long measuring may take, in milliseconds. A kernel that is being tried is not interrupted. */
export interface TuningBudget {
  /** For a class of shapes: kernels whose turn has not come by then are not tried. */
  readonly perClass: number;
  /** For all classes together. */
  readonly total: number;
}

/** What a tuner is made with. */
export interface TunerOptions {
  /** The map that is `traits.tuning` of the device: what is chosen is added to it. */
  readonly kernels: Map<string, string>;
  readonly budget: TuningBudget;
  /** Whether classes that are known already are measured anew, once. */
  readonly again?: boolean;
  /** Told of each class when it has been measured. */
  readonly onMeasured?: (measured: Measured) => void;
}

/** Measures kernels on a device. */
export interface Tuner {
  /** Measures those classes of shapes that are not known, as far as the budget goes; tells whether it changed a choice. */
  measure(met: readonly Choosable[]): Promise<boolean>;
}

/** Drawn numbers come again after so many: a prime, so that no two rows of a matrix are alike. */
const PERIOD = 65521;
/** Inputs of more bytes than this are not made up. */
const MOST_BYTES = 2 ** 30;
/** How much less time than the usual kernel another has to take. */
const CLEARLY = 0.95;
/** Rounds at most, and how much more time than the fastest a kernel may take to be in the next: a busy moment may be its only one. */
const ROUNDS = 12;
const hopeful = (round: number): number => (round < 2 ? 3 : 1.25);
/** A kernel is run for about so long in a round, in milliseconds, but not more often than MOST_RUNS. */
const WINDOW_MS = 5;
const MOST_RUNS = 64;
/** Characters of a reason why a kernel is left out. */
const MOST_WORDS = 200;
/** How far values may lie from the reference's, as a part of the largest: all sums are of float32. */
const TOLERANCE = 1e-3;

/** Inputs on the device for a node like `node`: made-up values in the same layouts, and what has to be given back. */
const madeInputs = async (
  gpu: WebGPU,
  { choice: { fixed }, node: { op, inputs } }: Choosable,
): Promise<readonly [Tensor[], Tensor[]]> => {
  const { kernel } = op;
  const bits = randomBits(key(1), [1, PERIOD]);
  const bases = await realize(gpu, [bits, subtract(multiply(bitsToUniform(bits), 2), 1)]);
  const leaves: Tensor[] = [...bases];
  const drawn = ({ shape, dtype }: Tensor): Tensor => {
    const rows = Math.ceil(count(shape) / PERIOD);
    const base = broadcastTo(bases[dtype === 'int32' ? 0 : 1]!, [rows, PERIOD]);
    return cast(reshape(sliceAxis(reshape(base, [rows * PERIOD]), 0, 0, count(shape)), shape), dtype);
  };
  const made: Tensor[] = [];
  for (const [i, x] of inputs.entries()) {
    const number = fixed?.get(i);
    const isTransposed = kernel.kind === 'shader' && kernel.strided?.[i] === true && x.op.name === 'transpose';
    const stored = isTransposed ? x.inputs[0]! : x;
    const values = number === undefined ? drawn(stored) : broadcastTo(constant(number, { dtype: x.dtype }), x.shape);
    const [held] = await realize(gpu, [values]);
    leaves.push(held!);
    made.push(isTransposed ? apply(x.op, [held!], x.attributes) : held!);
  }
  return [made, leaves];
};

/** The reference's values for the samples of a choice. */
const expectedSamples = async (
  gpu: WebGPU,
  { samples }: KernelChoice<object>,
  { op, inputs }: Tensor,
): Promise<readonly NDArray[]> => {
  const expected: NDArray[] = [];
  for (const { inputs: boxes, attributes } of samples) {
    const parts = await evaluate(
      gpu,
      boxes.map(({ start, size }, i) => slice(inputs[i]!, start, size)),
    );
    const leaves = parts.map((array) => leaf({ kind: 'host', array }, array.shape, array.dtype));
    expected.push(...evaluateReference([apply(op, leaves, attributes)]));
  }
  return expected;
};

const isClose = ({ data: actual }: NDArray, { data: expected }: NDArray): boolean => {
  let largest = 0;
  let farthest = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    farthest = Math.max(farthest, Math.abs(actual[i]! - expected[i]!));
  }
  return farthest <= TOLERANCE * largest;
};

/** A kernel that is ready to run. */
interface Candidate {
  readonly name: string;
  readonly prepared: Prepared;
  readonly y: Tensor;
  ms: number;
}

const close = (gpu: WebGPU, { prepared, y }: Candidate): void => {
  prepared.release();
  gpu.release(y);
};

/**
 * A kernel that has run once, so that nothing is left to be compiled, and rightly.
 *
 * @throws {Error} By rejection, if its values are wrong or the device refuses it.
 */
const start = async (
  gpu: WebGPU,
  node: Tensor,
  { shapes, samples }: KernelChoice<object>,
  expected: readonly NDArray[],
  name: string,
): Promise<Candidate> => {
  const tuning = new Map([...(gpu.traits.tuning ?? []), [shapes, name]]);
  const made = plan([node], { traits: { ...gpu.traits, tuning } });
  let candidate: Candidate | undefined;
  try {
    candidate = await gpu.guarded(() => {
      const prepared = prepare(gpu, made);
      const y = gpu.resident(prepared.outputs[0]!, node.shape, node.dtype);
      candidate = { name, prepared, y, ms: Number.POSITIVE_INFINITY };
      submit(gpu, prepared);
      return candidate;
    });
    const { y } = candidate;
    const actual = await evaluate(
      gpu,
      samples.map(({ output }) => slice(y, output.start, output.size)),
    );
    if (!actual.every((array, i) => isClose(array, expected[i]!))) throw new Error('its values are wrong');
    return candidate;
  } catch (cause) {
    if (candidate !== undefined) close(gpu, candidate);
    throw cause;
  }
};

/**
 * A clock for a device without timestamps, in milliseconds; and for one that is a processor: what the shaders take of that,
 * over all threads, does not depend on what else has the cores.
 */
const clockOf = ({ device, traits }: WebGPU): (() => number) | undefined => {
  if (traits.isSoftware && typeof process !== 'undefined' && process.cpuUsage !== undefined)
    return () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    };
  return device.features.has('timestamp-query') ? undefined : () => performance.now();
};

/** How long a run takes in milliseconds: the shortest of several by the device's timestamps, or the mean by a clock. */
const runTime = async (gpu: WebGPU, { prepared }: Candidate, times: number): Promise<number> => {
  const run = (): Promise<void> => gpu.guarded(() => submit(gpu, prepared, times));
  const clock = clockOf(gpu);
  if (clock !== undefined) {
    const began = clock();
    await run();
    await patiently(gpu.device.queue.onSubmittedWorkDone(), 'work');
    return (clock() - began) / times;
  }
  const { launches } = await profile({ name: gpu.traits.name, webgpu: gpu }, run);
  const each = prepared.dispatches.length;
  const runs = Array.from({ length: times }, (_, i) => launches.slice(i * each, (i + 1) * each));
  return Math.min(...runs.map((own) => own.reduce((sum, { ms }) => sum + ms, 0)));
};

/** Runs candidates in turn, so that a moment in which the machine is busy harms none in particular. */
const timeInTurn = async (gpu: WebGPU, candidates: readonly Candidate[], hasTime: () => boolean): Promise<void> => {
  let alive = candidates;
  for (let round = 0; round < ROUNDS && (round === 0 || (alive.length > 1 && hasTime())); round++) {
    for (const candidate of alive) {
      const times = Math.min(MOST_RUNS, Math.max(1, Math.floor(WINDOW_MS / candidate.ms)));
      candidate.ms = Math.min(candidate.ms, await runTime(gpu, candidate, times));
    }
    const best = Math.min(...alive.map(({ ms }) => ms));
    // The usual one stays: the others are held against it.
    alive = alive.filter((candidate, i) => i === 0 || candidate.ms <= hopeful(round) * best);
  }
};

/** Measures the kernels of one class; undefined where a node like it cannot be made up. */
const measureClass = async (gpu: WebGPU, met: Choosable, budgetMs: number): Promise<Measured | undefined> => {
  const began = performance.now();
  const hasTime = (): boolean => performance.now() - began < budgetMs;
  const { node } = met;
  const { shapes } = met.choice;
  const bytes = node.inputs.reduce((sum, { shape, dtype }) => sum + count(shape) * deviceBytes(dtype), 0);
  if (bytes > MOST_BYTES || node.inputs.some(({ dtype }) => dtype === 'bool')) return undefined;
  const [inputs, leaves] = await madeInputs(gpu, met);
  const candidates: Candidate[] = [];
  try {
    const like = apply(node.op, inputs, node.attributes);
    let choice: KernelChoice<object> | undefined;
    plan([like], { traits: gpu.traits, onChoice: (own) => (choice = own) });
    if (choice?.shapes !== shapes) return undefined;
    const expected = await expectedSamples(gpu, choice, like);
    const tried: string[] = [];
    for (const name of choice.names) {
      if (tried.length > 0 && !hasTime()) break;
      tried.push(name);
      try {
        candidates.push(await start(gpu, like, choice, expected, name));
      } catch (cause) {
        const why = (cause instanceof Error ? cause.message : String(cause)).slice(0, MOST_WORDS);
        console.warn(`purelm: the kernel ${name} is left out for ${shapes} on ${gpu.traits.name}: ${why}`);
      }
    }
    await timeInTurn(gpu, candidates, hasTime);
    const usual = candidates.find(({ name }) => name === choice!.names[0]);
    const fastest = candidates.reduce<Candidate | undefined>((a, b) => (a === undefined || b.ms < a.ms ? b : a), usual);
    if (fastest === undefined) return undefined;
    const isClear = usual === undefined || fastest.ms < CLEARLY * usual.ms;
    return {
      shapes,
      kernels: tried.map((name) => ({ name, ms: candidates.find((own) => own.name === name)?.ms ?? null })),
      chosen: (isClear ? fastest : usual).name,
    };
  } finally {
    for (const candidate of candidates) close(gpu, candidate);
    for (const tensor of leaves) gpu.release(tensor);
  }
};

/** A tuner of a device. */
export const createTuner = (
  gpu: WebGPU,
  { kernels, budget: { perClass, total }, again = false, onMeasured }: TunerOptions,
): Tuner => {
  const done = new Set<string>();
  let left = total;
  const measureAll = async (met: readonly Choosable[]): Promise<boolean> => {
    let isChanged = false;
    for (const each of met) {
      const { shapes, names } = each.choice;
      // Launches of our own have no place in somebody's profile.
      if (left <= 0 || recorderOf(gpu.device) !== undefined) break;
      if (done.has(shapes) || names.length < 2 || (kernels.has(shapes) && !again)) continue;
      done.add(shapes);
      const began = performance.now();
      // What is wrong with the device, the work that asked will find out itself.
      const measured = await measureClass(gpu, each, Math.min(perClass, left)).catch(() => undefined);
      left -= performance.now() - began;
      if (measured === undefined) continue;
      isChanged ||= measured.chosen !== (kernels.get(shapes) ?? names[0]);
      kernels.set(shapes, measured.chosen);
      onMeasured?.(measured);
    }
    return isChanged;
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    measure: (met) => {
      const own = last.then(() => measureAll(met));
      last = own.catch(() => undefined);
      return own;
    },
  };
};

const tuners = new WeakMap<WebGPU, Tuner>();

/** The tuner of a device on which kernels are measured when a compiled function first meets their shapes. */
export const tunerOf = (gpu: WebGPU): Tuner | undefined => tuners.get(gpu);

/** Has kernels measured on a device from now on. */
export const tuneWith = (gpu: WebGPU, tuner: Tuner): void => void tuners.set(gpu, tuner);
