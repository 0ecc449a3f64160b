import { leafStorage, placeholder } from '../../ops/constant.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import type { NDArray } from '../../tensor/ndarray.ts';
import type { Storage } from '../../tensor/storage.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { leaves, signature, type Tree, withLeaves } from '../../tensor/tree.ts';
import type { WebGPU } from './device.ts';
import { type Prepared, prepare, realize, submit } from './execute.ts';
import { type PlanOptions, plan } from './plan.ts';
import type { Plan } from './planForm.ts';
import { type Choosable, tunerOf } from './tune.ts';

/** A function on trees of tensors, traced once for each set of shapes and replayed after that. */
export interface Compiled<Arguments extends readonly Tree[], Result extends Tree> {
  /** The function's value for these arguments, left on the device. */
  run(...args: Arguments): Promise<Result>;
  /**
   * The function applied `times` times in one submission, each time to what it gave before: for functions whose first
   * argument is donated and of the result's form. The other arguments stay as they are.
   */
  repeat(times: number, ...args: Arguments): Promise<Result>;
  /** Gives the plans' memory back; the plans themselves stay, so the next run is still a replay. */
  release(): void;
}

/** Options of `compile`. */
export interface CompileOptions {
  /** Which arguments are handed over: their buffers are updated in place, and they cannot be used again. */
  readonly donate?: readonly number[];
}

/** Memory of a traced function, and the buffers it is bound to. */
interface Ready {
  readonly prepared: Prepared;
  readonly inputs: readonly GPUBuffer[];
  /** Buffers of our own for arguments that come from the host, by their place: written anew for each run. */
  readonly hosted: ReadonlyMap<number, GPUBuffer>;
}

interface Traced<Result> {
  readonly makePlan: () => Plan;
  plan: Plan;
  /** Nodes of the plan whose kernels may be measured before it runs. */
  met: readonly Choosable[];
  readonly result: Result;
  readonly donated: ReadonlyMap<number, number>;
  readonly donates: ReadonlySet<number>;
  ready: Ready | undefined;
}

/** Outputs that can take over a donated input: in order, each the first free one of its shape and dtype. */
const matchDonated = (
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  donates: ReadonlySet<number>,
): ReadonlyMap<number, number> => {
  const free = [...donates];
  const matched = new Map<number, number>();
  for (const [i, output] of outputs.entries()) {
    const at = free.findIndex((candidate) => {
      const { shape, dtype } = inputs[candidate]!;
      return dtype === output.dtype && shape.join() === output.shape.join();
    });
    if (at === -1) continue;
    matched.set(i, free[at]!);
    free.splice(at, 1);
  }
  return matched;
};

/** Compiles a function for a device. */
export const compile = <Arguments extends readonly Tree[], Result extends Tree>(
  gpu: WebGPU,
  f: (...args: Arguments) => Result,
  { donate = [] }: CompileOptions = {},
): Compiled<Arguments, Result> => {
  const traces = new Map<string, Traced<Result>>();

  const trace = (args: Arguments): Traced<Result> => {
    const key = args.map(signature).join(' | ');
    const known = traces.get(key);
    if (known !== undefined) return known;
    let next = 0;
    const inputs: Tensor[] = [];
    const donates = new Set<number>();
    const placed = args.map((arg, at) =>
      withLeaves(
        arg,
        leaves(arg).map((tensor) => {
          if (donate.includes(at)) donates.add(next);
          const input = placeholder(`argument ${next++}`, tensor.shape, tensor.dtype);
          inputs.push(input);
          return input;
        }),
      ),
    ) as unknown as Arguments;
    const result = f(...placed);
    const outputs = leaves(result);
    const donated = matchDonated(outputs, inputs, donates);
    const met: Choosable[] = [];
    const makePlan = (onChoice?: PlanOptions['onChoice']): Plan =>
      plan(outputs, { traits: gpu.traits, inputs, donated, onChoice });
    const traced: Traced<Result> = {
      makePlan,
      plan: makePlan(tunerOf(gpu) && ((choice, node) => void met.push({ choice, node }))),
      met,
      result,
      donated,
      donates,
      ready: undefined,
    };
    traces.set(key, traced);
    return traced;
  };

  const forget = (traced: Traced<Result>): void => {
    traced.ready?.prepared.release();
    for (const buffer of traced.ready?.hosted.values() ?? []) gpu.pool.release(buffer);
    traced.ready = undefined;
  };

  /** Has kernels measured that the plan met for the first time; the plan is made again where others have won. */
  const measureKernels = async (traced: Traced<Result>): Promise<void> => {
    const { met, makePlan } = traced;
    traced.met = [];
    if (!(await tunerOf(gpu)?.measure(met))) return;
    forget(traced);
    traced.plan = makePlan();
  };

  const isSame = (a: readonly GPUBuffer[], b: readonly GPUBuffer[]): boolean =>
    a.length === b.length && a.every((buffer, i) => buffer === b[i]);

  const execute = async (times: number, args: Arguments): Promise<Result> => {
    const traced = trace(args);
    if (traced.met.length > 0) await measureKernels(traced);
    const { donated, donates, result } = traced;
    const outputs = leaves(result);
    if (times !== 1 && donated.size !== outputs.length)
      throw new ArgumentError(
        `repeat: expected a function whose results all take over donated arguments, got ${outputs.length - donated.size} results that do not`,
      );
    // Expressions are computed first; host values are written into buffers that stay from run to run.
    const given = args.flatMap(leaves);
    const hostArray = (i: number): NDArray | undefined => {
      const storage = donates.has(i) ? undefined : leafStorage(given[i]!);
      return storage?.kind === 'host' ? storage.array : undefined;
    };
    const pending = [...given.keys()].filter(
      (i) => leafStorage(given[i]!)?.kind !== 'resident' && hostArray(i) === undefined,
    );
    // By their places: one expression that is handed over twice becomes two buffers.
    const realized = new Map<number, Tensor>();
    const computed = await realize(
      gpu,
      pending.map((i) => given[i]!),
    );
    for (const [at, i] of pending.entries()) realized.set(i, computed[at]!);
    const tensors = given.map((tensor, i) => realized.get(i) ?? tensor);
    if (traced.ready === undefined) await gpu.pipelines.make(traced.plan.steps);
    let buffers: readonly GPUBuffer[] = [];
    await gpu.guarded(() => {
      const fresh = new Map<number, GPUBuffer>();
      const inputs = tensors.map((tensor, i) => {
        const array = hostArray(i);
        if (array === undefined)
          return gpu.bufferOf(leafStorage(tensor) as Storage, tensor.dtype, `argument ${i}`).buffer;
        const known = traced.ready?.hosted.get(i);
        if (known !== undefined) gpu.write(known, array);
        const buffer = known ?? gpu.hold(array, `argument ${i}`);
        fresh.set(i, buffer);
        return buffer;
      });
      if (traced.ready !== undefined && !isSame(traced.ready.inputs, inputs)) {
        traced.ready.prepared.release();
        for (const [i, buffer] of traced.ready.hosted) if (fresh.get(i) !== buffer) gpu.pool.release(buffer);
        traced.ready = undefined;
      }
      try {
        traced.ready ??= { prepared: prepare(gpu, traced.plan, inputs), inputs, hosted: fresh };
      } catch (cause) {
        for (const buffer of fresh.values()) gpu.pool.release(buffer);
        throw cause;
      }
      const { prepared } = traced.ready;
      buffers = prepared.outputs;
      submit(gpu, prepared, times);
    });
    // Donated buffers go over to the results; the others of our own making are not needed any more.
    for (const [i, tensor] of tensors.entries())
      if (donates.has(i)) gpu.donate(tensor, [...donated.values()].includes(i));
      else if (realized.has(i)) gpu.release(tensor);
    if (donated.size !== outputs.length) forget(traced);
    return withLeaves(
      result,
      outputs.map(({ shape, dtype }, i) => gpu.resident(buffers[i]!, shape, dtype)),
    );
  };

  return {
    run: (...args) => execute(1, args),
    repeat: (times, ...args) => execute(times, args),
    release: () => {
      for (const traced of traces.values()) forget(traced);
    },
  };
};
