import { broadcastLayout } from '../../ops/broadcastTo.ts';
import { type DType, deviceBytes, isFloat } from '../../tensor/dtype.ts';
import type { KernelTraits, Layout } from '../../tensor/kernel.ts';
import { count, rowMajorStrides, type Shape } from '../../tensor/shape.ts';

/** How a value stands in a register of a generated kernel. */
export type Register = 'f32' | 'i32' | 'bool';

/** The register type that values of a dtype are widened to. */
export const registerOf = (dtype: DType): Register => (isFloat(dtype) ? 'f32' : dtype === 'int32' ? 'i32' : 'bool');

/**
 * A value in a chain: loaded from a buffer, from where an earlier value says, a number, an expression of an index, or an
 * expression of earlier values.
 */
export type ChainValue =
  | { readonly kind: 'load'; readonly buffer: number; readonly dtype: DType; readonly layout: Layout }
  | {
      readonly kind: 'gather';
      readonly buffer: number;
      readonly dtype: DType;
      /** The dtype of what it is picked from. */
      readonly from: DType;
      /** Where the elements would be, were the index 0. */
      readonly layout: Layout;
      /** The value that says how many steps further on; held within the size. */
      readonly index: number;
      readonly size: number;
      readonly step: number;
    }
  | { readonly kind: 'scalar'; readonly dtype: DType; readonly value: number }
  | { readonly kind: 'index'; readonly layout: Layout; readonly wgsl: (index: string) => string; readonly dtype: DType }
  | {
      readonly kind: 'apply';
      readonly operands: readonly number[];
      readonly wgsl: (operands: readonly string[]) => string;
      readonly functions: string | undefined;
      readonly dtype: DType;
    };

/** A chain of elementwise ops: values in order, the last one is the result. Layouts are over the result's shape. */
export interface Chain {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly values: readonly ChainValue[];
  /** Values on the way that are stored too, by their place: outputs 1, 2, …; the result is output 0. None is a half. */
  readonly extras?: readonly number[];
  /** Those of the values on the way that are one number for the whole of a larger chain. */
  readonly ones?: ReadonlySet<number>;
  /** Buffers that an output takes over: the chain's buffer to the output that is written over it, element for element. */
  readonly inPlace?: ReadonlyMap<number, number>;
}

/** Those of a chain's values that some of its results depend on. */
export const neededFor = (values: readonly ChainValue[], results: readonly number[]): ReadonlySet<number> => {
  const needed = new Set(results);
  for (let v = values.length - 1; v >= 0; v--) {
    const value = values[v]!;
    if (!needed.has(v)) continue;
    if (value.kind === 'apply') for (const operand of value.operands) needed.add(operand);
    else if (value.kind === 'gather') needed.add(value.index);
  }
  return needed;
};

/** What a storage variable is bound to: which of the chain's buffers or outputs, and the bytes of it. */
export interface GeneratedBinding {
  readonly of: 'buffer' | 'output';
  readonly index: number;
  readonly start: number;
  readonly size: number;
  /** Bytes that are read, at most, where the chain only picks from it. */
  readonly picked?: number;
}

/** A generated kernel for (part of) a chain: WGSL text that depends on the chain's form alone, and its numbers. */
export interface GeneratedLaunch {
  readonly source: string;
  readonly uniforms: Readonly<Record<string, number>>;
  /** By name of the storage variable. */
  readonly buffers: Readonly<Record<string, GeneratedBinding>>;
  readonly workgroups: number;
}

const WORKGROUP = 64;
/** Elements a lane computes: starting a workgroup is dear on an adapter that runs them on the processor. */
const perLane = ({ isSoftware }: KernelTraits): number => (isSoftware ? 16 : 4);

/** Part of an iteration space. */
interface Box {
  readonly start: readonly number[];
  readonly size: Shape;
}

const place = ({ strides, offset }: Layout, index: readonly number[]): number =>
  index.reduce((sum, i, axis) => sum + i * strides[axis]!, offset);

/** First and last element that a layout touches within a box. */
const span = (layout: Layout, { start, size }: Box): readonly [number, number] => [
  place(layout, start),
  place(
    layout,
    start.map((first, axis) => first + size[axis]! - 1),
  ),
];

/** Values that lie in an order of their own. */
type Placed = Extract<ChainValue, { kind: 'load' | 'gather' | 'index' }>;

const isPlaced = (value: ChainValue): value is Placed => 'layout' in value;

/** The buffer range that holds elements `first` to `last`, from an aligned start on, and the element it starts with. */
const bindingRange = (first: number, last: number, dtype: DType, alignment: number) => {
  const bytes = deviceBytes(dtype);
  const start = Math.floor((first * bytes) / alignment) * alignment;
  const end = Math.ceil(((last + 1) * bytes) / 4) * 4;
  return { start, size: end - start, firstElement: start / bytes };
};

/** Merges axes that every layout walks through as if they were one, and drops those of size 1. */
const collapse = (shape: Shape, layouts: readonly Layout[]): { shape: Shape; layouts: readonly Layout[] } => {
  const sizes: number[] = [];
  const strides: number[][] = layouts.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && layouts.every((layout, i) => strides[i]![last] === layout.strides[axis]! * shape[axis]!)) {
      sizes[last]! *= shape[axis]!;
      for (const [i, layout] of layouts.entries()) strides[i]![last] = layout.strides[axis]!;
    } else {
      sizes.push(shape[axis]!);
      for (const [i, layout] of layouts.entries()) strides[i]!.push(layout.strides[axis]!);
    }
  }
  return { shape: sizes, layouts: layouts.map(({ offset }, i) => ({ shape: sizes, strides: strides[i]!, offset })) };
};

const isFlat = (shape: Shape, { strides }: Layout): boolean => {
  const dense = rowMajorStrides(shape);
  return strides.every((stride, axis) => shape[axis] === 1 || stride === dense[axis]);
};

/** The WGSL of one load: halves come out of their word by shift. */
const loadExpression = (name: string, dtype: DType, at: string): string => {
  switch (dtype) {
    case 'float32':
    case 'int32':
      return `${name}[${at}]`;
    case 'bool':
      return `${name}[${at}] != 0u`;
    case 'float16':
      return `unpack2x16float(${name}[${at} / 2u])[${at} % 2u]`;
    case 'bfloat16':
      return `bitcast<f32>((${name}[${at} / 2u] >> (16u * (${at} % 2u))) << 16u)`;
  }
};

const isPacked = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16';

const storageType = (dtype: DType): string => (dtype === 'float32' ? 'f32' : dtype === 'int32' ? 'i32' : 'u32');

const packFunctions: Partial<Record<DType, string>> = {
  float16: 'fn packHalves(a: f32, b: f32) -> u32 { return pack2x16float(vec2f(a, b)); }\n',
  bfloat16: `fn bfloat16Bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}
fn packHalves(a: f32, b: f32) -> u32 { return bfloat16Bits(a) | (bfloat16Bits(b) << 16u); }
`,
};

/**
 * The launches that compute a chain: one, or several where a buffer is larger than the device binds. Shapes, strides
 * and numbers are uniforms, so the text is the same for every size.
 */
export const generate = (chain: Chain, traits: KernelTraits): readonly GeneratedLaunch[] => {
  if (count(chain.shape) === 0) return [];
  const result: Layout = { shape: chain.shape, strides: rowMajorStrides(chain.shape), offset: 0 };
  const placed = chain.values.filter(isPlaced);
  const { shape, layouts } = collapse(chain.shape, [
    result,
    ...placed.map(({ layout }) => broadcastLayout(layout, chain.shape)),
  ]);
  const launches: GeneratedLaunch[] = [];
  const pending: Box[] = [{ start: shape.map(() => 0), size: shape }];
  while (pending.length > 0) {
    const box = pending.pop()!;
    // The value whose binding is too large by most says which axis to cut: the one that spreads its elements furthest.
    const widest = [
      { dtype: chain.dtype, layout: layouts[0]! },
      ...(chain.extras ?? []).flatMap((at) =>
        chain.ones?.has(at) ? [] : [{ dtype: chain.values[at]!.dtype, layout: layouts[0]! }],
      ),
      ...placed.flatMap((value, i) => (value.kind === 'load' ? [{ dtype: value.dtype, layout: layouts[i + 1]! }] : [])),
    ]
      .map(({ dtype, layout }) => {
        const [first, last] = span(layout, box);
        return { layout, bytes: bindingRange(first, last, dtype, traits.offsetAlignment).size };
      })
      .reduce((most, next) => (next.bytes > most.bytes ? next : most));
    if (widest.bytes <= traits.maxBindingBytes) {
      launches.push(generateBox(chain, placed, layouts, box, traits));
      continue;
    }
    const spread = (axis: number): number => (box.size[axis]! - 1) * Math.abs(widest.layout.strides[axis]!);
    // Two halves share a word of a packed result, so that only its outermost axis is cut.
    const axis = isPacked(chain.dtype)
      ? box.size.findIndex((size) => size > 1)
      : box.size.reduce((most, _, at) => (spread(at) > spread(most) ? at : most), 0);
    const size = box.size[axis] ?? 1;
    // Halves of a word must not be written by two launches: parts start at even elements.
    const grain = isPacked(chain.dtype) && layouts[0]!.strides[axis]! % 2 === 1 ? 2 : 1;
    const half = Math.ceil(size / 2 / grain) * grain;
    if (half >= size)
      throw new RangeError(
        `evaluate: expected elements that one binding of ${traits.maxBindingBytes} bytes can hold, got ${size} that lie further apart`,
      );
    const cut = (start: number, length: number): Box => ({
      start: box.start.map((first, i) => (i === axis ? first + start : first)),
      size: box.size.map((all, i) => (i === axis ? length : all)),
    });
    pending.push(cut(half, size - half), cut(0, half));
  }
  return launches;
};

const generateBox = (
  chain: Chain,
  placed: readonly Placed[],
  layouts: readonly Layout[],
  box: Box,
  traits: KernelTraits,
): GeneratedLaunch => {
  const total = count(box.size);
  const isMany = count(chain.shape) > 1;
  const rank = box.size.length;
  const packed = isPacked(chain.dtype);
  const each = perLane(traits);
  // A bound that a compiler knows is unrolled: seconds of compiling on a software adapter.
  const uniforms: Record<string, number> = { total, each };
  const buffers: Record<string, GeneratedBinding> = {};
  const declarations: string[] = [];
  const functions = new Set<string>();
  const body: string[] = [];
  const names: string[] = [];
  let needsIndex = false;

  // What is the same for all elements is read once an invocation: on a software adapter each read is dear.
  const once: { readonly name: string; readonly type: string; readonly value: string }[] = [];
  const hoisted = (type: string, value: string): string => {
    const known = once.find((each) => each.value === value);
    if (known !== undefined) return known.name;
    const name = `once${once.length}`;
    once.push({ name, type, value });
    return name;
  };
  const number = (name: string, value: number): string => {
    uniforms[name] = value;
    return hoisted('u32', `u.${name}`);
  };
  const isConstant = ({ strides }: Layout): boolean =>
    strides.every((stride, axis) => stride === 0 || box.size[axis] === 1);

  const addressOf = (layout: Layout, at: number, base: number, label: string): string => {
    const isOnce = isMany && isConstant(layout);
    const flat = !isOnce && isFlat(box.size, layout);
    if (flat && at === base) return 'i';
    const offset = number(`${label}Offset`, at - base);
    if (flat) return `(${offset} + i)`;
    if (isOnce) return offset;
    needsIndex = true;
    const terms = layout.strides.map((stride, axis) =>
      stride === 0 ? [] : [`i${axis} * ${number(`${label}Stride${axis}`, stride)}`],
    );
    return `(${[offset, ...terms.flat()].join(' + ')})`;
  };

  const resultLayout = layouts[0]!;
  const [firstResult, lastResult] = span(resultLayout, box);
  const rangeOf = (dtype: DType) => bindingRange(firstResult, lastResult, dtype, traits.offsetAlignment);
  const extras = chain.extras ?? [];
  const outputs = [chain.dtype, ...extras.map((at) => chain.values[at]!.dtype)];
  const resultAddress = (): string => addressOf(resultLayout, firstResult, rangeOf(chain.dtype).firstElement, 'result');

  let binding = 1;
  const variables = new Map<string, string>();
  /** The name of what is bound for elements of a buffer, and the element that it starts with. */
  const bound = (
    buffer: number,
    dtype: DType,
    [first, last]: readonly [number, number],
    picked?: number,
  ): readonly [string, number] => {
    const { start, size, firstElement } = bindingRange(first, last, dtype, traits.offsetAlignment);
    const type = storageType(dtype);
    const key = `${buffer}:${start}:${type}`;
    const variable = variables.get(key) ?? `in${variables.size}`;
    const known = buffers[variable];
    if (known === undefined) {
      variables.set(key, variable);
      declarations.push(`@group(0) @binding(${binding++}) var<storage, read> ${variable}: array<${type}>;`);
    }
    const isPicked = picked !== undefined && (known === undefined || known.picked !== undefined);
    buffers[variable] = {
      of: 'buffer',
      index: buffer,
      start,
      size: Math.max(size, known?.size ?? 0),
      ...(isPicked ? { picked: picked + (known?.picked ?? 0) } : {}),
    };
    return [variable, firstElement];
  };
  const isOne = (output: number): boolean => output > 0 && chain.ones?.has(extras[output - 1]!) === true;
  // What leads to single numbers alone is computed by one invocation, of one launch.
  const needed = neededFor(chain.values, [chain.values.length - 1, ...extras.filter((at) => !chain.ones?.has(at))]);
  const single: string[] = [];
  /** Which values are the same for all elements. */
  const isSame: boolean[] = [];
  const define = (dtype: DType, value: string, same: boolean): void => {
    const v = isSame.push(same) - 1;
    const isOnce = same && needed.has(v) && isMany;
    if (!isOnce) (needed.has(v) ? body : single).push(`let v${v} = ${value};`);
    names.push(isOnce ? hoisted(registerOf(dtype), value) : `v${v}`);
  };
  for (const [v, value] of chain.values.entries()) {
    const { dtype } = value;
    const name = `v${v}`;
    const layout = isPlaced(value) ? layouts[placed.indexOf(value) + 1]! : undefined;
    switch (value.kind) {
      case 'scalar': {
        const type = registerOf(dtype);
        const field = `scalar${v}${type === 'f32' ? 'F' : 'I'}`;
        uniforms[field] = value.value;
        define(dtype, type === 'bool' ? `u.${field} != 0` : `u.${field}`, true);
        break;
      }
      case 'index':
        define(
          dtype,
          value.wgsl(`i32(${addressOf(layout!, place(layout!, box.start), 0, name)})`),
          isConstant(layout!),
        );
        break;
      case 'load': {
        const taken = chain.inPlace?.get(value.buffer);
        if (taken !== undefined) {
          define(dtype, loadExpression(`result${taken}`, dtype, isOne(taken) ? '0' : resultAddress()), isOne(taken));
          break;
        }
        const reach = span(layout!, box);
        const [variable, base] = bound(value.buffer, dtype, reach);
        define(dtype, loadExpression(variable, dtype, addressOf(layout!, reach[0], base, name)), isConstant(layout!));
        break;
      }
      case 'gather': {
        const [first, last] = span(layout!, box);
        const reach = [first, last + (value.size - 1) * value.step] as const;
        const [variable, base] = bound(value.buffer, value.from, reach, total * deviceBytes(value.from));
        const steps = `u32(clamp(${names[value.index]!}, 0, i32(${number(`${name}Last`, value.size - 1)})))`;
        const at = `(${addressOf(layout!, first, base, name)} + ${steps} * ${number(`${name}Step`, value.step)})`;
        define(dtype, loadExpression(variable, value.from, at), isConstant(layout!) && isSame[value.index]!);
        break;
      }
      case 'apply':
        if (value.functions !== undefined) functions.add(value.functions);
        define(
          dtype,
          value.wgsl(value.operands.map((operand) => names[operand]!)),
          value.operands.every((operand) => isSame[operand]),
        );
        break;
    }
  }
  for (const [output, dtype] of outputs.entries()) {
    const range = isOne(output) ? { start: 0, size: deviceBytes(dtype) } : rangeOf(dtype);
    declarations.push(
      `@group(0) @binding(${binding++}) var<storage, read_write> result${output}: array<${storageType(dtype)}>;`,
    );
    buffers[`result${output}`] = { of: 'output', index: output, start: range.start, size: range.size };
  }
  const outcome = names.at(-1)!;
  const beforeTarget = needsIndex;
  needsIndex = false;
  const address = resultAddress();
  const isScattered = needsIndex;
  needsIndex ||= beforeTarget;
  const index = needsIndex
    ? [
        'var rest = i;',
        ...Array.from({ length: rank - 1 }, (_, k) => rank - 1 - k).flatMap((axis) => [
          `let i${axis} = rest % ${number(`size${axis}`, box.size[axis]!)};`,
          `rest /= ${number(`size${axis}`, box.size[axis]!)};`,
        ]),
        'let i0 = rest;',
      ]
    : [];
  if (packed) functions.add(packFunctions[chain.dtype]!);
  const fields = Object.keys(uniforms).map(
    (name) => `${name}: ${/^scalar\d+F$/.test(name) ? 'f32' : /^scalar\d+I$/.test(name) ? 'i32' : 'u32'}`,
  );
  const valueType = registerOf(chain.dtype);
  const lines = (indent: string, all: readonly string[]) => all.map((line) => indent + line).join('\n');
  // One function computes element i and stores it; where two share a word, the loop stores them together.
  const store = packed
    ? `    let i = 2u * w;
    if (i >= total) { return; }
    let low = element(i);
    var high = 0.0;
    if (i + 1u < total) { high = element(i + 1u); }
    result0[${address} / 2u] = packHalves(low, high);`
    : `    let i = w;
    if (i >= total) { return; }
    element(i);`;
  const stored = (dtype: DType, value: string): string => (dtype === 'bool' ? `select(0u, 1u, ${value})` : value);
  const target = (output: number): string => (isOne(output) ? '0' : isScattered ? 'placeOf(i)' : address);
  const stores = [outcome, ...extras.map((at) => names[at]!)].map(
    (value, output) => `result${output}[${target(output)}] = ${stored(outputs[output]!, value)};`,
  );
  const ofOnes = stores.filter((_, output) => isOne(output));
  const others = packed ? [`return ${outcome};`] : stores.filter((_, output) => !isOne(output));
  const isFirst = box.start.every((start) => start === 0);
  const alone =
    isFirst && ofOnes.length > 0 ? `  if (first == 0u) {\n${lines('    ', [...single, ...ofOnes])}\n  }\n` : '';
  const source = `struct Uniforms { ${fields.join(', ')} }
@group(0) @binding(0) var<uniform> u: Uniforms;
${declarations.join('\n')}
${[...functions].join('')}
${once.map(({ name, type }) => `var<private> ${name}: ${type};\n`).join('')}${
  isScattered
    ? `fn placeOf(i: u32) -> u32 {
${lines('  ', index)}
  return ${address};
}
`
    : ''
}fn element(i: u32)${packed ? ` -> ${valueType}` : ''} {
${lines('  ', [...(beforeTarget ? index : []), ...body, ...others])}
}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
${once.map(({ name, value }) => `  ${name} = ${value};\n`).join('')}  let total = u.total;
  let first = (group.y * grid.x + group.x) * ${WORKGROUP * each}u + lane;
${alone}  for (var k = 0u; k < u.each; k++) {
    let w = first + k * ${WORKGROUP}u;
${store}
  }
}
`;
  return {
    source,
    uniforms,
    buffers,
    workgroups: Math.ceil((packed ? Math.ceil(total / 2) : total) / (WORKGROUP * each)),
  };
};
