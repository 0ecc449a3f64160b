import { broadcastLayout } from '../../ops/broadcastTo.ts';
import { leafStorage, placeholderOp } from '../../ops/constant.ts';
import { contiguous, isContiguous } from '../../ops/view.ts';
import { type DType, deviceBytes } from '../../tensor/dtype.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import {
  type Activation,
  activations,
  type Binding,
  type Epilogue,
  type KernelTraits,
  type Launch,
  type Layout,
  type Operand,
} from '../../tensor/kernel.ts';
import { count, formatShape, type Shape, sameShape } from '../../tensor/shape.ts';
import type { Storage } from '../../tensor/storage.ts';
import { type Tensor, topological } from '../../tensor/tensor.ts';
import { type Chain, type ChainValue, generate } from './elementwise.ts';

/** A buffer of a plan: memory that the plan needs for a while, or values that come from outside. */
export type PlanBuffer =
  | { readonly kind: 'temporary'; readonly bytes: number; readonly label: string }
  | { readonly kind: 'input'; readonly index: number; readonly bytes: number; readonly label: string }
  | {
      readonly kind: 'leaf';
      readonly storage: Storage;
      readonly bytes: number;
      readonly label: string;
      readonly dtype: DType;
    };

/** A buffer, or a part of it in bytes, under the name that a shader has for it. */
export interface PlanBinding {
  readonly name: string;
  readonly buffer: number;
  readonly start: number;
  readonly size: number;
}

/** One dispatch. */
export interface Step {
  /** The op whose result this is, for messages. */
  readonly label: string;
  readonly kernel:
    | { readonly kind: 'file'; readonly shader: string; readonly constants: Readonly<Record<string, number>> }
    | { readonly kind: 'text'; readonly source: string };
  readonly uniforms: Readonly<Record<string, number>>;
  readonly bindings: readonly PlanBinding[];
  readonly workgroups: readonly [number, number, number];
}

/** An ordered list of launches over numbered buffers: everything about a computation but the memory itself. */
export interface Plan {
  readonly buffers: readonly PlanBuffer[];
  readonly steps: readonly Step[];
  /** For each output: the buffer whose first elements are its values. */
  readonly outputs: readonly { readonly buffer: number; readonly shape: Shape; readonly dtype: DType }[];
}

/** What a plan is made for, besides the expressions. */
export interface PlanOptions {
  readonly traits: KernelTraits;
  /** Placeholders in the order of the plan's inputs. */
  readonly inputs?: readonly Tensor[];
  /** For an output that is to end up in an input's own buffer: output index to input index. */
  readonly donated?: ReadonlyMap<number, number>;
}

/** Ops in one generated kernel, at most: it bounds the text that a driver has to compile. */
const CHAIN_LIMIT = 48;

/** Elements from which on it is worth while to compute several chains in one pass over what they read. */
const MERGED_ELEMENTS = 1024;

/** A value that lies in a buffer, seen through a layout. */
interface Seen {
  readonly root: Tensor;
  readonly layout: Layout;
}

const wholeBytes = (shape: Shape, dtype: DType): number =>
  Math.max(16, Math.ceil((count(shape) * deviceBytes(dtype)) / 16) * 16);

const isHalfWidth = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16';

const isScalarConstant = (tensor: Tensor): number | undefined => {
  const storage = leafStorage(tensor);
  return storage?.kind === 'host' && storage.array.data.length === 1 && !(storage.array.data instanceof Uint16Array)
    ? storage.array.data[0]
    : undefined;
};

/** JSON has no word for infinities, NaN and -0. */
const exactNumbers = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? `number ${Object.is(value, -0) ? '-0' : value}`
    : value;

/** Equal sub-expressions become one: each node's representative, by op, attributes and representatives of its inputs. */
const shareEqual = (order: readonly Tensor[]): ReadonlyMap<Tensor, Tensor> => {
  const representative = new Map<Tensor, Tensor>();
  const byKey = new Map<string, Tensor>();
  const opNumbers = new Map<object, number>();
  for (const tensor of order) {
    let opNumber = opNumbers.get(tensor.op);
    if (opNumber === undefined) {
      opNumber = opNumbers.size;
      opNumbers.set(tensor.op, opNumber);
    }
    const scalar = isScalarConstant(tensor);
    const key =
      tensor.op.kernel.kind === 'leaf'
        ? scalar === undefined
          ? `${opNumber}#${tensor.id}`
          : `${opNumber}=${Object.is(scalar, -0) ? '-0' : scalar}:${tensor.dtype}:${tensor.shape.length}`
        : `${opNumber}(${tensor.inputs.map((input) => representative.get(input)!.id).join()})${JSON.stringify(tensor.attributes, exactNumbers)}`;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, tensor);
    representative.set(tensor, known ?? tensor);
  }
  return representative;
};

interface Fused {
  /** The shader op whose launches write this node's value. */
  readonly kernel: Tensor;
  readonly bias?: Tensor;
  readonly activation?: Activation;
  readonly residual?: Tensor;
}

/** Makes a plan for the values of `outputs`. */
export const plan = (outputs: readonly Tensor[], { traits, inputs = [], donated = new Map() }: PlanOptions): Plan => {
  const representative = shareEqual(topological(outputs));
  const same = (tensor: Tensor): Tensor => representative.get(tensor)!;
  const wanted = outputs.map(same);
  const order = topological(outputs).filter((tensor) => same(tensor) === tensor);
  const inputsOf = (tensor: Tensor): readonly Tensor[] => tensor.inputs.map(same);

  const consumers = new Map<Tensor, Tensor[]>();
  for (const tensor of order)
    for (const input of inputsOf(tensor)) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [tensor]);
      else list.push(tensor);
    }
  const isOutput = new Set(wanted);
  const onlyConsumer = (tensor: Tensor): Tensor | undefined => {
    const list = consumers.get(tensor);
    return list?.length === 1 && !isOutput.has(tensor) ? list[0] : undefined;
  };

  // Views: what each node is a view of, as far as strides can say it. A node that must be copied first is its own root.
  const seen = new Map<Tensor, Seen>();
  const copied = new Map<Tensor, Seen>();
  for (const tensor of order) {
    const { kernel } = tensor.op;
    if (kernel.kind === 'view') {
      const from = seen.get(same(tensor.inputs[0]!))!;
      const layout = kernel.view(from.layout, tensor.attributes, tensor.shape);
      if (layout !== undefined) {
        seen.set(tensor, { root: from.root, layout });
        continue;
      }
      // The input is copied into row-major order; the copy belongs to this node, and the view is of the copy.
      copied.set(tensor, from);
    }
    seen.set(tensor, { root: tensor, layout: contiguous(tensor.shape) });
  }
  const seenOf = (tensor: Tensor): Seen => seen.get(tensor)!;

  // Epilogues: what follows a kernel and is its value's only use is done as it writes.
  const fused = new Map<Tensor, Fused>();
  const absorbed = new Set<Tensor>();
  const position = new Map(order.map((tensor, i) => [tensor, i]));
  for (const kernel of order) {
    if (kernel.op.kernel.kind !== 'shader' || kernel.op.kernel.epilogue !== true || count(kernel.shape) === 0) continue;
    let state: Fused = { kernel };
    let end = kernel;
    for (;;) {
      const next = onlyConsumer(end);
      if (next === undefined || !sameShape(next.shape, kernel.shape) || next.dtype !== 'float32') break;
      if (fused.has(next)) break;
      const name = next.op.name;
      if (name === 'add') {
        const other = inputsOf(next).find((input) => input !== end);
        if (other === undefined) break;
        const { root, layout } = seenOf(other);
        const spread = broadcastLayout(layout, kernel.shape);
        const columns = kernel.shape.at(-1)!;
        const isVector =
          isScalarConstant(root) === undefined &&
          root.op.kernel.kind !== 'index' &&
          layout.offset === 0 &&
          spread.strides.slice(0, -1).every((stride, axis) => stride === 0 || kernel.shape[axis] === 1) &&
          (spread.strides.at(-1) === 1 || columns === 1) &&
          count(layout.shape) === columns;
        const isWhole =
          sameShape(other.shape, kernel.shape) &&
          other.dtype === 'float32' &&
          layout.offset === 0 &&
          isContiguous(layout) &&
          count(root.shape) === count(other.shape) &&
          isScalarConstant(root) === undefined &&
          root.op.kernel.kind !== 'index';
        if (
          isVector &&
          state.bias === undefined &&
          state.activation === undefined &&
          state.residual === undefined &&
          !isWhole
        )
          state = { ...state, bias: other };
        else if (isWhole && state.residual === undefined) state = { ...state, residual: other };
        else break;
      } else if (
        name in activations &&
        name !== 'none' &&
        state.activation === undefined &&
        state.residual === undefined
      )
        state = { ...state, activation: name as Activation };
      else break;
      absorbed.add(end);
      end = next;
    }
    if (end !== kernel) fused.set(end, state);
  }

  // Elementwise chains: a node whose uses all lie in one chain, element for element, is computed there.
  const rootOf = new Map<Tensor, Tensor>();
  const chainSize = new Map<Tensor, number>();
  const chainBuffers = new Map<Tensor, Set<Tensor>>();
  // Values of a chain that others need too are stored by the way: outputs, and what is read only later.
  const extras = new Map<Tensor, Tensor[]>();
  const isElementwise = (tensor: Tensor): boolean =>
    tensor.op.kernel.kind === 'elementwise' && !fused.has(tensor) && !absorbed.has(tensor);
  const external = (input: Tensor): readonly Tensor[] => {
    const { root } = seenOf(input);
    return isScalarConstant(root) !== undefined || root.op.kernel.kind === 'index' ? [] : [root];
  };
  for (let i = order.length - 1; i >= 0; i--) {
    const tensor = order[i]!;
    if (!isElementwise(tensor)) continue;
    const own = inputsOf(tensor).flatMap(external);
    const users = consumers.get(tensor) ?? [];
    // The chain that needs the value first; who else needs it must come after that chain.
    const runsAt = (user: Tensor): number => position.get(rootOf.get(user) ?? user)!;
    const first = users.reduce<Tensor | undefined>(
      (least, user) => (least === undefined || runsAt(user) < runsAt(least) ? user : least),
      undefined,
    );
    const root = first !== undefined && isElementwise(first) ? rootOf.get(first) : undefined;
    if (root !== undefined && sameShape(tensor.shape, root.shape) && !isHalfWidth(tensor.dtype)) {
      const isOnly = !isOutput.has(tensor) && users.every((user) => rootOf.get(user) === root);
      const stored = extras.get(root) ?? [];
      const buffers = new Set(chainBuffers.get(root)!);
      buffers.delete(tensor);
      for (const buffer of own) buffers.add(buffer);
      const bound = buffers.size + stored.length + (isOnly ? 0 : 1);
      if (
        chainSize.get(root)! < CHAIN_LIMIT &&
        bound < traits.maxStorageBuffers &&
        (isOnly || !isHalfWidth(root.dtype))
      ) {
        rootOf.set(tensor, root);
        chainSize.set(root, chainSize.get(root)! + 1);
        chainBuffers.set(root, buffers);
        if (!isOnly) extras.set(root, [...stored, tensor]);
        continue;
      }
    }
    rootOf.set(tensor, tensor);
    chainSize.set(tensor, 1);
    chainBuffers.set(tensor, new Set(own));
  }

  // Chains over the same large values become one: what only later chains need is computed with the first of those.
  const rootsOver = new Map<Tensor, Tensor[]>();
  const isLarge = (root: Tensor): boolean => count(root.shape) >= MERGED_ELEMENTS && !isHalfWidth(root.dtype);
  const roots = order.filter((tensor) => rootOf.get(tensor) === tensor && isLarge(tensor));
  for (const root of roots)
    for (const buffer of chainBuffers.get(root)!)
      if (sameShape(buffer.shape, root.shape)) {
        const list = rootsOver.get(buffer);
        if (list === undefined) rootsOver.set(buffer, [root]);
        else list.push(root);
      }
  const chainMembers = new Map<Tensor, Tensor[]>();
  for (const [tensor, root] of rootOf) {
    const list = chainMembers.get(root);
    if (list === undefined) chainMembers.set(root, [tensor]);
    else list.push(tensor);
  }
  for (const root of roots) {
    const stored = [root, ...(extras.get(root) ?? [])];
    const shared = [...stored, ...[...chainBuffers.get(root)!].filter(({ shape }) => sameShape(shape, root.shape))];
    const at = position.get(root)!;
    const next = shared
      .flatMap((buffer) => rootsOver.get(buffer) ?? [])
      .map((candidate) => rootOf.get(candidate)!)
      .filter((candidate) => position.get(candidate)! > at && sameShape(candidate.shape, root.shape))
      .reduce<Tensor | undefined>(
        (least, candidate) =>
          least === undefined || position.get(candidate)! < position.get(least)! ? candidate : least,
        undefined,
      );
    if (next === undefined) continue;
    const isInside = (user: Tensor): boolean => rootOf.get(user) === root || rootOf.get(user) === next;
    const outside = (tensor: Tensor): readonly Tensor[] =>
      (consumers.get(tensor) ?? []).filter((user) => !isInside(user));
    const runsAfter = (user: Tensor): boolean => position.get(rootOf.get(user) ?? user)! > position.get(next)!;
    if (!stored.every((tensor) => outside(tensor).every(runsAfter))) continue;
    const kept = stored.filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const others = (extras.get(next) ?? []).filter((tensor) => isOutput.has(tensor) || outside(tensor).length > 0);
    const buffers = new Set([...chainBuffers.get(root)!, ...chainBuffers.get(next)!]);
    for (const tensor of stored) buffers.delete(tensor);
    const size = chainSize.get(root)! + chainSize.get(next)!;
    if (size > CHAIN_LIMIT || buffers.size + kept.length + others.length >= traits.maxStorageBuffers) continue;
    const members = chainMembers.get(root)!;
    for (const tensor of members) rootOf.set(tensor, next);
    chainMembers.set(next, [...chainMembers.get(next)!, ...members]);
    chainMembers.delete(root);
    chainSize.set(next, size);
    chainBuffers.set(next, buffers);
    extras.delete(root);
    extras.set(next, [...others, ...kept]);
  }

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
    for (const launch of generate(chain, traits)) {
      steps.push({
        label,
        kernel: { kind: 'text', source: launch.source },
        uniforms: launch.uniforms,
        bindings: Object.entries(launch.buffers).map(([name, { of, index, start, size }]) => ({
          name,
          buffer: of === 'output' ? targets[index]! : chainInputs[index]!,
          start,
          size,
        })),
        workgroups: grid(launch.workgroups),
      });
    }
  };

  const grid = (workgroups: number): readonly [number, number, number] => {
    const x = Math.min(workgroups, traits.maxWorkgroupsPerDimension);
    return [x, Math.ceil(workgroups / x), 1];
  };

  /** A chain value that reads `from` as a tensor of `shape`; buffers it needs are appended to `list`. */
  const read = ({ root, layout }: Seen, shape: Shape, list: number[]): ChainValue => {
    const scalar = isScalarConstant(root);
    if (scalar !== undefined) return { kind: 'scalar', dtype: root.dtype, value: scalar };
    const spread = broadcastLayout(layout, shape);
    const { kernel } = root.op;
    if (kernel.kind === 'index')
      return { kind: 'index', layout: spread, wgsl: (index) => kernel.wgsl(index, root.attributes), dtype: root.dtype };
    const buffer = bufferFor(root);
    let at = list.indexOf(buffer);
    if (at === -1) at = list.push(buffer) - 1;
    return { kind: 'load', buffer: at, dtype: root.dtype, layout: spread };
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

  // When each root's value is read for the last time: an op may write over a buffer only when nobody reads it later.
  const lastRead = new Map<Tensor, number>();
  for (const [i, tensor] of order.entries()) {
    const at = isElementwise(tensor) ? position.get(rootOf.get(tensor)!)! : i;
    for (const input of inputsOf(tensor)) {
      const { root } = seenOf(input);
      lastRead.set(root, Math.max(lastRead.get(root) ?? -1, at));
    }
  }
  // A fused kernel reads all its inputs when its last node is reached.
  for (const [end, { kernel, bias, residual }] of fused) {
    const at = position.get(end)!;
    for (const input of [...inputsOf(kernel), bias, residual]) {
      if (input === undefined) continue;
      const { root } = seenOf(input);
      lastRead.set(root, Math.max(lastRead.get(root) ?? -1, at));
    }
  }
  for (const output of wanted) lastRead.set(seenOf(output).root, Number.POSITIVE_INFINITY);
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
   * chain reads it element for element; else a new one.
   */
  const placeOutputs = (
    stored: readonly Tensor[],
    values: readonly ChainValue[],
    list: readonly number[],
    at: number,
  ): { readonly targets: readonly number[]; readonly inPlace: ReadonlyMap<number, number> } => {
    const inPlace = new Map<number, number>();
    const taken = new Set<number>();
    const targets = stored.map((output, i) => {
      const input = donatedTo.get(output);
      if (input !== undefined && (lastRead.get(input) ?? -1) <= at) {
        const buffer = bufferFor(input);
        const place = list.indexOf(buffer);
        const loads = values.filter((value) => value.kind === 'load' && value.buffer === place);
        const isPlain = loads.every(
          (value) =>
            value.kind === 'load' &&
            value.dtype === output.dtype &&
            value.layout.offset === 0 &&
            sameShape(value.layout.shape, output.shape) &&
            isContiguous(value.layout),
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

  const operandOf = (tensor: Tensor, strided: boolean): { operand: Operand; buffer: number } => {
    if (strided && seenOf(tensor).root.op.kernel.kind !== 'index') {
      const { root, layout } = seenOf(tensor);
      return { operand: { ...layout, dtype: tensor.dtype }, buffer: bufferFor(root) };
    }
    return { operand: { ...contiguous(tensor.shape), dtype: tensor.dtype }, buffer: contiguousBuffer(tensor) };
  };

  const emitShader = (tensor: Tensor, { kernel: source, bias, activation, residual }: Fused, at: number): void => {
    const { kernel } = source.op;
    if (kernel.kind !== 'shader') return;
    const own = inputsOf(source).map((input, i) => operandOf(input, kernel.strided?.[i] === true));
    const biasOperand = bias === undefined ? undefined : operandOf(bias, false);
    const residualOperand = residual === undefined ? undefined : operandOf(residual, false);
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
        contiguousCopies.get(taken) === own[kernel.inPlace]!.buffer &&
        consumers.get(taken)?.length === 1
      )
        target = own[kernel.inPlace]!.buffer;
      else {
        target = newBuffer({ kind: 'temporary', bytes, label: describe(tensor) });
        copy(from, tensor.shape, tensor.dtype, target, `copy for ${describe(tensor)}`);
      }
    }
    bufferOf.set(tensor, target);
    const epilogue: Epilogue = {
      ...(biasOperand === undefined ? {} : { bias: biasOperand.operand }),
      ...(activation === undefined ? {} : { activation }),
      ...(residualOperand === undefined ? {} : { residual: residualOperand.operand }),
    };
    const launches: readonly Launch[] = kernel.launches({
      inputs: own.map(({ operand }) => operand),
      output: { ...contiguous(tensor.shape), dtype: tensor.dtype },
      attributes: source.attributes,
      traits,
      epilogue,
    });
    const scratch = new Map<number, number>();
    const locate = (binding: Binding): { buffer: number; all: number } => {
      switch (binding.of) {
        case 'input': {
          const buffer = binding.index === kernel.inPlace ? target : own[binding.index]!.buffer;
          return { buffer, all: buffers[buffer]!.bytes };
        }
        case 'output':
          return { buffer: target, all: bytes };
        case 'bias':
          return { buffer: biasOperand!.buffer, all: buffers[biasOperand!.buffer]!.bytes };
        case 'residual':
          return { buffer: residualOperand!.buffer, all: buffers[residualOperand!.buffer]!.bytes };
        case 'scratch': {
          let buffer = scratch.get(binding.index);
          if (buffer === undefined) {
            buffer = newBuffer({ kind: 'temporary', bytes: binding.bytes, label: `scratch of ${describe(tensor)}` });
            scratch.set(binding.index, buffer);
          }
          return { buffer, all: binding.bytes };
        }
      }
    };
    for (const launch of launches) {
      steps.push({
        label: describe(source),
        kernel: { kind: 'file', shader: launch.shader, constants: launch.constants ?? {} },
        uniforms: launch.uniforms,
        bindings: Object.entries(launch.buffers).map(([name, binding]) => {
          const { buffer, all } = locate(binding);
          return { name, buffer, start: binding.range?.start ?? 0, size: binding.range?.size ?? all };
        }),
        workgroups: typeof launch.workgroups === 'number' ? grid(launch.workgroups) : launch.workgroups,
      });
    }
  };

  // Members of each chain, in order.
  const members = new Map<Tensor, Tensor[]>();
  for (const tensor of order) {
    const root = rootOf.get(tensor);
    if (root === undefined) continue;
    const list = members.get(root);
    if (list === undefined) members.set(root, [tensor]);
    else list.push(tensor);
  }

  for (const [at, tensor] of order.entries()) {
    const { kernel } = tensor.op;
    const state = fused.get(tensor);
    if (state !== undefined) emitShader(tensor, state, at);
    else if (absorbed.has(tensor)) continue;
    else if (kernel.kind === 'shader') emitShader(tensor, { kernel: tensor }, at);
    else if (copied.has(tensor)) {
      const from = copied.get(tensor)!;
      const target = newBuffer({
        kind: 'temporary',
        bytes: wholeBytes(tensor.shape, tensor.dtype),
        label: describe(tensor),
      });
      bufferOf.set(tensor, target);
      copy(from, from.layout.shape, tensor.dtype, target, describe(tensor));
    } else if (kernel.kind === 'elementwise' && rootOf.get(tensor) === tensor) {
      const list: number[] = [];
      const values: ChainValue[] = [];
      const places = new Map<Tensor, number>();
      for (const member of members.get(tensor)!) {
        if (member.op.kernel.kind !== 'elementwise') continue;
        const { wgsl, functions } = member.op.kernel;
        const operands = inputsOf(member).map((input) => {
          const known = places.get(input);
          if (known !== undefined) return known;
          const at = values.push(read(seenOf(input), tensor.shape, list)) - 1;
          places.set(input, at);
          return at;
        });
        const attributes = member.attributes;
        places.set(
          member,
          values.push({
            kind: 'apply',
            operands,
            wgsl: (names) => wgsl(names, attributes),
            functions,
            dtype: member.dtype,
          }) - 1,
        );
      }
      const stored = [tensor, ...(extras.get(tensor) ?? [])];
      const { targets, inPlace } = placeOutputs(stored, values, list, at);
      for (const [i, output] of stored.entries()) bufferOf.set(output, targets[i]!);
      emitChain(
        describe(tensor),
        {
          shape: tensor.shape,
          dtype: tensor.dtype,
          values,
          extras: stored.slice(1).map((output) => places.get(output)!),
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
    return whole && isScalarConstant(root) === undefined ? bufferOf.get(root) : undefined;
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

  return {
    buffers,
    steps,
    outputs: wanted.map((tensor, i) => ({ buffer: target.get(i)!, shape: tensor.shape, dtype: tensor.dtype })),
  };
};

/** Memory for a plan's temporaries: which of a few slots each has, where those whose lives do not overlap share one. */
export interface Memory {
  /** Bytes of each slot. */
  readonly slots: readonly number[];
  /** Slot of each temporary buffer, by buffer. */
  readonly slotOf: ReadonlyMap<number, number>;
}

/** Assigns slots to temporaries by their lives. Outputs live to the end and share with nobody after them. */
export const assignMemory = ({ buffers, steps, outputs }: Plan): Memory => {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  for (const [i, { bindings }] of steps.entries())
    for (const { buffer } of bindings) {
      if (!first.has(buffer)) first.set(buffer, i);
      last.set(buffer, i);
    }
  const kept = new Set(outputs.map(({ buffer }) => buffer));
  const slots: number[] = [];
  const slotOf = new Map<number, number>();
  const free: number[] = [];
  const take = (buffer: number): void => {
    const { bytes } = buffers[buffer]!;
    // An output's memory outlives the plan, so it is neither shared nor larger than it must be.
    const fitting = kept.has(buffer)
      ? []
      : free.filter((slot) => slots[slot]! >= bytes && slots[slot]! <= 4 * bytes + 65536);
    const best = fitting.reduce<number | undefined>(
      (least, slot) => (least === undefined || slots[slot]! < slots[least]! ? slot : least),
      undefined,
    );
    if (best === undefined) slotOf.set(buffer, slots.push(bytes) - 1);
    else {
      free.splice(free.indexOf(best), 1);
      slotOf.set(buffer, best);
    }
  };
  for (const [i, { bindings }] of steps.entries()) {
    const here = new Set(bindings.map(({ buffer }) => buffer));
    for (const buffer of here) if (buffers[buffer]!.kind === 'temporary' && first.get(buffer) === i) take(buffer);
    for (const buffer of here)
      if (buffers[buffer]!.kind === 'temporary' && last.get(buffer) === i && !kept.has(buffer))
        free.push(slotOf.get(buffer)!);
  }
  // Outputs of no elements are written by no step.
  for (const buffer of kept) if (buffers[buffer]!.kind === 'temporary' && !slotOf.has(buffer)) take(buffer);
  return { slots, slotOf };
};
