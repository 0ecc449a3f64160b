import { broadcastLayout } from '../../ops/broadcastTo.ts';
import { leafStorage, placeholderOp } from '../../ops/constant.ts';
import { contiguous, isContiguous } from '../../ops/view.ts';
import { type DType, deviceBytes } from '../../tensor/dtype.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import type {
  Binding,
  Epilogue,
  KernelChoice,
  KernelTraits,
  Launch,
  LaunchContext,
  Operand,
} from '../../tensor/kernel.ts';
import { count, formatShape, type Shape, sameShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { writeInAttention } from './cacheWrites.ts';
import { type Chain, type ChainValue, neededFor } from './chainForm.ts';
import { formChains } from './chains.ts';
import { generate } from './elementwise.ts';
import type { Fused } from './epilogues.ts';
import { joinGates } from './gates.ts';
import { graphOf, isHalfWidth, type Seen, scalarOf, wholeBytes } from './graph.ts';
import { joinChains } from './joinChains.ts';
import { findLargest } from './largest.ts';
import { lastReads } from './lastReads.ts';
import { foldNorms, normOf, operandFor } from './norms.ts';
import { pairUpdates } from './pairs.ts';
import type { Plan, PlanBuffer, Step } from './planForm.ts';
import { joinSiblings } from './siblings.ts';
import { generatedStep, gridOf } from './steps.ts';

/** What a plan is made for, besides the expressions. */
export interface PlanOptions {
  readonly traits: KernelTraits;
  /** Placeholders in the order of the plan's inputs. */
  readonly inputs?: readonly Tensor[];
  /** For an output that is to end up in an input's own buffer: output index to input index. */
  readonly donated?: ReadonlyMap<number, number>;
  /** Told of each node whose kernel is one of several. */
  readonly onChoice?: ((choice: KernelChoice<object>, node: Tensor) => void) | undefined;
}

/** Makes a plan for the values of `outputs`. */
export const plan = (
  outputs: readonly Tensor[],
  { traits, inputs = [], donated = new Map(), onChoice }: PlanOptions,
): Plan => {
  const { graph, epilogues } = joinSiblings(graphOf(outputs));
  const { order, wanted, inputsOf, consumers, seenOf, copied } = graph;
  const { fused, absorbed } = epilogues;
  const norms = foldNorms(graph, traits);
  const folded = new Set(norms.values());
  const { rootOf, extras } = formChains(graph, epilogues, traits);

  // Emission: virtual buffers, one for each value that has to lie somewhere.
  const buffers: PlanBuffer[] = [];
  const bufferOf = new Map<Tensor, number>();
  const steps: Step[] = [];
  const inputIndex = new Map(inputs.map((tensor, i) => [tensor, i]));
  const newBuffer = (buffer: PlanBuffer): number => buffers.push(buffer) - 1;
  const describe = (tensor: Tensor): string => `${tensor.op.name} ${formatShape(tensor.shape)}`;

  /** The buffer of a root: made at first use for leaves, by its own step otherwise. */
  const bufferFor = (root: Tensor): number => {
    const known = bufferOf.get(root);
    if (known !== undefined) return known;
    const storage = leafStorage(root);
    const bytes = wholeBytes(root.shape, root.dtype);
    if (root.op === (placeholderOp as object)) {
      const index = inputIndex.get(root);
      if (index === undefined)
        throw new ArgumentError(`evaluate: expected values for every placeholder, got none for ${describe(root)}`);
      bufferOf.set(root, newBuffer({ kind: 'input', index, bytes, label: describe(root) }));
    } else if (storage !== undefined)
      bufferOf.set(root, newBuffer({ kind: 'leaf', storage, bytes, label: describe(root), dtype: root.dtype }));
    else throw new Error(`plan: ${describe(root)} is read before it is computed; this is a mistake in the planner`);
    return bufferOf.get(root)!;
  };

  const emitChain = (label: string, chain: Chain, chainInputs: readonly number[], targets: readonly number[]): void => {
    const launches = generate(chain, traits);
    const own = launches.length === 1 ? { chains: [{ chain, inputs: chainInputs, targets }] } : {};
    for (const launch of launches)
      steps.push({ ...generatedStep(label, launch, chainInputs, targets, traits), ...own });
  };

  /** The place of a root's buffer in a chain's list, to which it is appended. */
  const listed = (root: Tensor, list: number[]): number => {
    const buffer = bufferFor(root);
    const at = list.indexOf(buffer);
    return at === -1 ? list.push(buffer) - 1 : at;
  };

  /** A chain value that reads `from` as a tensor of `shape`; buffers it needs are appended to `list`. */
  const read = ({ root, layout }: Seen, shape: Shape, list: number[]): ChainValue => {
    const scalar = scalarOf(root);
    if (scalar !== undefined) return { kind: 'scalar', dtype: root.dtype, value: scalar };
    const spread = broadcastLayout(layout, shape);
    const { kernel } = root.op;
    if (kernel.kind === 'index')
      return { kind: 'index', layout: spread, wgsl: (index) => kernel.wgsl(index, root.attributes), dtype: root.dtype };
    return { kind: 'load', buffer: listed(root, list), dtype: root.dtype, layout: spread };
  };

  const copy = (from: Seen, shape: Shape, dtype: DType, target: number, label: string): void => {
    const list: number[] = [];
    emitChain(label, { shape, dtype, values: [read(from, shape, list)] }, list, [target]);
  };

  const contiguousCopies = new Map<Tensor, number>();
  /** A buffer in which the values of `tensor` start at the beginning, in row-major order. */
  const contiguousBuffer = (tensor: Tensor): number => {
    const from = seenOf(tensor);
    if (from.layout.offset === 0 && isContiguous(from.layout) && from.root.op.kernel.kind !== 'index')
      return bufferFor(from.root);
    const known = contiguousCopies.get(tensor);
    if (known !== undefined) return known;
    const target = newBuffer({
      kind: 'temporary',
      bytes: wholeBytes(tensor.shape, tensor.dtype),
      label: `copy of ${describe(tensor)}`,
    });
    contiguousCopies.set(tensor, target);
    copy(from, tensor.shape, tensor.dtype, target, `copy of ${describe(tensor)}`);
    return target;
  };

  const lastRead = lastReads(graph, epilogues, norms, rootOf);
  const donatedInputs = new Set(donated.values());
  const overwritable = (root: Tensor, at: number): boolean => {
    if ((lastRead.get(root) ?? -1) > at) return false;
    const buffer = buffers[bufferOf.get(root) ?? -1];
    if (buffer?.kind === 'temporary') return true;
    return buffer?.kind === 'input' && donatedInputs.has(buffer.index);
  };

  /** Donated inputs that an output is to end in, by output. */
  const donatedTo = new Map([...donated].map(([output, input]) => [wanted[output]!, inputs[input]!]));
  /**
   * Buffers for what a chain stores: the donated input that an output is to end in, where nothing reads it later and this
   * chain reads it element for element, or for single numbers alone; else a new one.
   *
   * @param places - Where the stored values are among the others.
   */
  const placeOutputs = (
    stored: readonly Tensor[],
    values: readonly ChainValue[],
    list: readonly number[],
    places: ReadonlyMap<Tensor, number>,
    at: number,
  ): { readonly targets: readonly number[]; readonly inPlace: ReadonlyMap<number, number> } => {
    const inPlace = new Map<number, number>();
    const taken = new Set<number>();
    const size = count(stored[0]!.shape);
    const many = stored.filter(({ shape }) => count(shape) === size);
    const needed = neededFor(
      values,
      many.map((output) => places.get(output)!),
    );
    const targets = stored.map((output, i) => {
      const input = donatedTo.get(output);
      if (input !== undefined && (lastRead.get(input) ?? -1) <= at) {
        const buffer = bufferFor(input);
        const place = list.indexOf(buffer);
        const isPlain = values.every(
          (value, v) =>
            !('buffer' in value && value.buffer === place) ||
            (value.kind === 'load' &&
              value.dtype === output.dtype &&
              value.layout.offset === 0 &&
              (count(output.shape) === size ? isContiguous(value.layout) : !needed.has(v))),
        );
        if (isPlain && !taken.has(buffer) && !isHalfWidth(output.dtype)) {
          taken.add(buffer);
          if (place !== -1) inPlace.set(place, i);
          return buffer;
        }
      }
      return newBuffer({
        kind: 'temporary',
        bytes: wholeBytes(output.shape, output.dtype),
        label: describe(output),
      });
    });
    return { targets, inPlace };
  };

  /** A part of a buffer, in bytes, as it is bound unless a launch says otherwise. */
  interface Place {
    readonly buffer: number;
    readonly start: number;
    readonly size: number;
  }
  const wholeOf = (buffer: number): Place => ({ buffer, start: 0, size: buffers[buffer]!.bytes });
  /** Where the values of `tensor` lie one after the other: where they are, if a device can bind that, else in a copy. */
  const placeOf = (tensor: Tensor): Place => {
    const { root, layout } = seenOf(tensor);
    const start = layout.offset * deviceBytes(tensor.dtype);
    const isBindable = root.op.kernel.kind !== 'index' && isContiguous(layout) && start % traits.offsetAlignment === 0;
    if (start === 0 || !isBindable) return wholeOf(contiguousBuffer(tensor));
    const { buffer, size } = wholeOf(bufferFor(root));
    return { buffer, start, size: Math.min(wholeBytes(tensor.shape, tensor.dtype), size - start) };
  };
  const operandOf = (
    tensor: Tensor,
    reading: 'strided' | 'whole' | 'inPlace',
  ): { readonly operand: Operand; readonly place: Place } => {
    const { root } = seenOf(tensor);
    const isSeen = reading === 'strided' && root.op.kernel.kind !== 'index';
    return {
      operand: operandFor(graph, tensor, reading === 'strided'),
      place: isSeen
        ? wholeOf(bufferFor(root))
        : reading === 'inPlace'
          ? wholeOf(contiguousBuffer(tensor))
          : placeOf(tensor),
    };
  };

  const emitShader = (
    tensor: Tensor,
    { kernel: source, bias, activation, residual, join }: Fused,
    at: number,
  ): void => {
    const { kernel } = source.op;
    if (kernel.kind !== 'shader') return;
    const norm = norms.get(source);
    const given = norm === undefined ? inputsOf(source) : [inputsOf(norm)[0]!, ...inputsOf(source).slice(1)];
    const own = given.map((input, i) =>
      operandOf(input, kernel.strided?.[i] === true ? 'strided' : i === kernel.inPlace ? 'inPlace' : 'whole'),
    );
    const normed = norm && normOf(graph, norm);
    const beside = {
      bias: bias && operandOf(bias, 'strided'),
      residual: residual && operandOf(residual, 'whole'),
      gamma: normed?.gamma && operandOf(normed.gamma, 'whole'),
      beta: normed?.beta && operandOf(normed.beta, 'whole'),
    };
    const bytes = wholeBytes(tensor.shape, tensor.dtype);
    let target: number;
    if (kernel.inPlace === undefined) target = newBuffer({ kind: 'temporary', bytes, label: describe(tensor) });
    else {
      const taken = inputsOf(source)[kernel.inPlace]!;
      const from = seenOf(taken);
      const whole =
        from.layout.offset === 0 && isContiguous(from.layout) && count(from.root.shape) === count(taken.shape);
      if (whole && from.root.op.kernel.kind !== 'index') bufferFor(from.root);
      // A device does not bind one buffer for writing and for reading at once.
      const readBeside = inputsOf(source).some((other, i) => i !== kernel.inPlace && seenOf(other).root === from.root);
      if (whole && !readBeside && overwritable(from.root, at)) target = bufferOf.get(from.root)!;
      else if (
        !whole &&
        contiguousCopies.get(taken) === own[kernel.inPlace]!.place.buffer &&
        consumers.get(taken)?.length === 1
      )
        target = own[kernel.inPlace]!.place.buffer;
      else {
        target = newBuffer({ kind: 'temporary', bytes, label: describe(tensor) });
        copy(from, tensor.shape, tensor.dtype, target, `copy for ${describe(tensor)}`);
      }
    }
    bufferOf.set(tensor, target);
    const epilogue: Epilogue = {
      ...(beside.bias && { bias: beside.bias.operand }),
      ...(activation === undefined ? {} : { activation }),
      ...(beside.residual && { residual: beside.residual.operand }),
      ...(join === undefined ? {} : { join }),
    };
    const context: LaunchContext<object> = {
      inputs: own.map(({ operand }) => operand),
      output: { ...contiguous(tensor.shape), dtype: tensor.dtype },
      attributes: source.attributes,
      traits,
      epilogue,
      ...(normed && {
        norm: {
          ...normed.form,
          ...(beside.gamma && { gamma: beside.gamma.operand }),
          ...(beside.beta && { beta: beside.beta.operand }),
        },
      }),
    };
    const choice = onChoice && kernel.choice?.(context);
    if (choice !== undefined) onChoice?.(choice, source);
    const launches: readonly Launch[] = kernel.launches(context);
    const scratch = new Map<number, number>();
    const locate = (binding: Binding): Place => {
      switch (binding.of) {
        case 'input':
          return binding.index === kernel.inPlace ? wholeOf(target) : own[binding.index]!.place;
        case 'output':
          return { buffer: target, start: 0, size: bytes };
        case 'bias':
        case 'residual':
        case 'gamma':
        case 'beta':
          return beside[binding.of]!.place;
        case 'scratch': {
          let buffer = scratch.get(binding.index);
          if (buffer === undefined) {
            buffer = newBuffer({ kind: 'temporary', bytes: binding.bytes, label: `scratch of ${describe(tensor)}` });
            scratch.set(binding.index, buffer);
          }
          return { buffer, start: 0, size: binding.bytes };
        }
      }
    };
    for (const launch of launches) {
      steps.push({
        label: describe(source),
        kernel: { kind: 'file', shader: launch.shader, constants: launch.constants ?? {} },
        uniforms: launch.uniforms,
        bindings: Object.entries(launch.buffers).map(([name, binding]) => {
          const { buffer, start, size } = locate(binding);
          return { name, buffer, start: start + (binding.range?.start ?? 0), size: binding.range?.size ?? size };
        }),
        workgroups: typeof launch.workgroups === 'number' ? gridOf(launch.workgroups, traits) : launch.workgroups,
      });
    }
  };

  // Members of each chain, in order; the root comes last.
  const members = new Map<Tensor, Tensor[]>();
  for (const tensor of order) {
    const root = rootOf.get(tensor);
    if (root === undefined || root === tensor) continue;
    const list = members.get(root);
    if (list === undefined) members.set(root, [tensor]);
    else list.push(tensor);
  }

  for (const [at, tensor] of order.entries()) {
    const { kernel } = tensor.op;
    const state = fused.get(tensor);
    if (state !== undefined) emitShader(tensor, state, at);
    else if (absorbed.has(tensor) || folded.has(tensor)) continue;
    else if (kernel.kind === 'shader' && !rootOf.has(tensor)) emitShader(tensor, { kernel: tensor }, at);
    else if (copied.has(tensor)) {
      const from = copied.get(tensor)!;
      const target = newBuffer({
        kind: 'temporary',
        bytes: wholeBytes(tensor.shape, tensor.dtype),
        label: describe(tensor),
      });
      bufferOf.set(tensor, target);
      copy(from, from.layout.shape, tensor.dtype, target, describe(tensor));
    } else if (rootOf.get(tensor) === tensor) {
      const list: number[] = [];
      const values: ChainValue[] = [];
      const places = new Map<Tensor, number>();
      /** The place of a value that the chain has: its own, one number that it has under another shape, or one that was read. */
      const known = (input: Tensor): number | undefined => {
        const { root } = seenOf(input);
        return places.get(input) ?? (count(root.shape) === 1 ? places.get(root) : undefined);
      };
      const operandAt = (input: Tensor): number => {
        const at = known(input) ?? values.push(read(seenOf(input), tensor.shape, list)) - 1;
        places.set(input, at);
        return at;
      };
      for (const member of [...(members.get(tensor) ?? []), tensor]) {
        const { attributes, dtype } = member;
        const { kernel } = member.op;
        const operands = inputsOf(member);
        if (kernel.kind === 'elementwise') {
          const { wgsl, functions } = kernel;
          const value: ChainValue = {
            kind: 'apply',
            operands: operands.map(operandAt),
            wgsl: (names) => wgsl(names, attributes),
            functions,
            dtype,
          };
          places.set(member, values.push(value) - 1);
        } else if (kernel.kind === 'shader' && kernel.gather !== undefined) {
          const [source, picks] = operands.map(seenOf) as [Seen, Seen];
          const { source: where, index: by, size, step } = kernel.gather(source.layout, picks.layout);
          const isAlike = count(picks.layout.shape) === 1 || sameShape(picks.layout.shape, member.shape);
          const index =
            (isAlike ? known(operands[1]!) : undefined) ??
            values.push(read({ ...picks, layout: by }, tensor.shape, list)) - 1;
          const buffer = listed(source.root, list);
          const layout = broadcastLayout(where, tensor.shape);
          const from = source.root.dtype;
          places.set(member, values.push({ kind: 'gather', buffer, dtype, from, layout, index, size, step }) - 1);
        }
      }
      const stored = [tensor, ...(extras.get(tensor) ?? [])];
      const { targets, inPlace } = placeOutputs(stored, values, list, places, at);
      for (const [i, output] of stored.entries()) bufferOf.set(output, targets[i]!);
      const extraPlaces = stored.slice(1).map((output) => places.get(output)!);
      emitChain(
        describe(tensor),
        {
          shape: tensor.shape,
          dtype: tensor.dtype,
          values,
          extras: extraPlaces,
          ones: new Set(extraPlaces.filter((_, i) => count(stored[i + 1]!.shape) < count(tensor.shape))),
          inPlace,
        },
        list,
        targets,
      );
    }
  }

  // Outputs that are views, leaves or numbers become buffers of their own; donated ones end where their input was.
  const target = new Map<number, number>();
  const taken = new Set<number>();
  const output = (tensor: Tensor, bytes = wholeBytes(tensor.shape, tensor.dtype)): number =>
    newBuffer({ kind: 'temporary', bytes, label: `output ${describe(tensor)}` });
  const held = (tensor: Tensor): number | undefined => {
    const { root, layout } = seenOf(tensor);
    const whole = layout.offset === 0 && isContiguous(layout) && count(root.shape) === count(tensor.shape);
    return whole && scalarOf(root) === undefined ? bufferOf.get(root) : undefined;
  };
  for (const [i, tensor] of wanted.entries()) {
    if (donated.has(i)) continue;
    const own = held(tensor);
    const isOwn = own !== undefined && buffers[own]!.kind === 'temporary' && !taken.has(own);
    const at = isOwn ? own : output(tensor);
    if (!isOwn) copy(seenOf(tensor), tensor.shape, tensor.dtype, at, `output ${describe(tensor)}`);
    taken.add(at);
    target.set(i, at);
  }
  // What will be written over is read first: values on their way from one donated buffer to another wait aside.
  const moves: { readonly from: number; readonly to: number; readonly tensor: Tensor }[] = [];
  for (const [i, inputAt] of donated) {
    const tensor = wanted[i]!;
    const to = bufferFor(inputs[inputAt]!);
    target.set(i, to);
    const own = held(tensor);
    if (own === to) continue;
    const isApart = own !== undefined && buffers[own]!.kind === 'temporary';
    const from = isApart ? own : output(tensor);
    if (!isApart) copy(seenOf(tensor), tensor.shape, tensor.dtype, from, `output ${describe(tensor)}`);
    moves.push({ from, to, tensor });
  }
  for (const { from, to, tensor } of moves)
    emitChain(
      `output ${describe(tensor)}`,
      {
        shape: tensor.shape,
        dtype: tensor.dtype,
        values: [{ kind: 'load', buffer: 0, dtype: tensor.dtype, layout: contiguous(tensor.shape) }],
      },
      [from],
      [to],
    );

  const kept = new Set(target.values());
  const products = findLargest(joinGates(steps, kept, traits), buffers, kept);
  const joined = writeInAttention(pairUpdates(products), traits);
  return {
    buffers,
    steps: joinChains(joined, buffers, kept, traits),
    outputs: wanted.map((tensor, i) => ({ buffer: target.get(i)!, shape: tensor.shape, dtype: tensor.dtype })),
  };
};
