import { type DType, deviceBytes } from '../../tensor/dtype.ts';
import type { KernelTraits, Layout } from '../../tensor/kernel.ts';
import { count, rowMajorStrides, type Shape } from '../../tensor/shape.ts';
import {
  type Chain,
  type GeneratedBinding,
  type GeneratedLaunch,
  isPlaced,
  neededFor,
  type Placed,
  registerOf,
} from './chainForm.ts';

const WORKGROUP = 64;
/** Elements a lane computes: starting a workgroup is dear on an adapter that runs them on the processor. */
const perLane = ({ isSoftware }: KernelTraits): number => (isSoftware ? 16 : 4);

/** Part of an iteration space. */
export interface Box {
  readonly start: readonly number[];
  readonly size: Shape;
}

const place = ({ strides, offset }: Layout, index: readonly number[]): number =>
  index.reduce((sum, i, axis) => sum + i * strides[axis]!, offset);

/** First and last element that a layout touches within a box. */
export const span = (layout: Layout, { start, size }: Box): readonly [number, number] => [
  place(layout, start),
  place(
    layout,
    start.map((first, axis) => first + size[axis]! - 1),
  ),
];

/** The buffer range that holds elements `first` to `last`, from an aligned start on, and the element it starts with. */
export const bindingRange = (first: number, last: number, dtype: DType, alignment: number) => {
  const bytes = deviceBytes(dtype);
  const start = Math.floor((first * bytes) / alignment) * alignment;
  const end = Math.ceil(((last + 1) * bytes) / 4) * 4;
  return { start, size: end - start, firstElement: start / bytes };
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

/** Whether two elements share a word. */
export const isPacked = (dtype: DType): boolean => dtype === 'float16' || dtype === 'bfloat16';

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

/** A chain, or the part of one in a box of its iteration space; axes are merged. */
export interface Piece {
  readonly chain: Chain;
  /** What it loads or computes of indices, and its layouts: the result's, then theirs. */
  readonly placed: readonly Placed[];
  readonly layouts: readonly Layout[];
  readonly box: Box;
}

/** A kernel's text as it grows, piece by piece. */
interface Module {
  readonly uniforms: Record<string, number>;
  readonly buffers: Record<string, GeneratedBinding>;
  readonly declarations: string[];
  readonly functions: Set<string>;
  /** Variables by what is bound to them, so that pieces share what they read. */
  readonly variables: Map<string, string>;
  /** Of the pieces: variables, functions. */
  readonly texts: string[];
  /** What is the same for all elements, to be read as `main` begins. */
  readonly once: string[];
  /** What one invocation does alone. */
  readonly alone: string[];
  outputs: number;
}

/** Names of a kernel's pieces end in these: the first one's as they are. */
const suffixes = ['', 'B', 'C', 'D'] as const;
/** Pieces of a kernel, at most. */
export const MOST_PIECES = suffixes.length;

/** Adds a piece to a kernel; gives the place of its result as text. */
const addPiece = (
  module: Module,
  { chain, placed, layouts, box }: Piece,
  suffix: string,
  { offsetAlignment, maxBindingBytes }: KernelTraits,
): string => {
  const { uniforms, buffers, declarations, functions, variables } = module;
  const total = count(box.size);
  const isMany = count(chain.shape) > 1;
  const rank = box.size.length;
  const packed = isPacked(chain.dtype);
  uniforms[`total${suffix}`] = total;
  const body: string[] = [];
  const names: string[] = [];
  let needsIndex = false;

  // What is the same for all elements is read once an invocation: on a software adapter each read is dear.
  const once: { readonly name: string; readonly type: string; readonly value: string }[] = [];
  const hoisted = (type: string, value: string): string => {
    const known = once.find((each) => each.value === value);
    if (known !== undefined) return known.name;
    const name = `once${once.length}${suffix}`;
    once.push({ name, type, value });
    return name;
  };
  const number = (name: string, value: number): string => {
    uniforms[name + suffix] = value;
    return hoisted('u32', `u.${name}${suffix}`);
  };
  const isConstant = ({ strides }: Layout): boolean =>
    strides.every((stride, axis) => stride === 0 || box.size[axis] === 1);
  const declare = (name: string, access: 'read' | 'read_write', dtype: DType): void => {
    const binding = declarations.length + 1;
    declarations.push(`@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${storageType(dtype)}>;`);
  };
  /** What a load or a pick may reach in its buffer: first and last element. */
  const reachOf = (value: Placed, layout: Layout): readonly [number, number] => {
    const [first, last] = span(layout, box);
    return [first, value.kind === 'gather' ? last + (value.size - 1) * value.step : last];
  };
  /** The variable that some of a buffer is read by, and the element that it starts with. */
  const reading = (
    index: number,
    dtype: DType,
    [first, last]: readonly [number, number],
    picked?: number,
  ): readonly [string, number] => {
    const { firstElement, start, size } = bindingRange(first, last, dtype, offsetAlignment);
    const key = `${index}:${start}:${storageType(dtype)}`;
    const name = variables.get(key) ?? `in${variables.size}`;
    const known = buffers[name];
    if (known === undefined) {
      variables.set(key, name);
      declare(name, 'read', dtype);
    }
    const isPicked = picked !== undefined && (known === undefined || known.picked !== undefined);
    buffers[name] = {
      of: 'buffer',
      index,
      start,
      size: Math.max(size, known?.size ?? 0),
      ...(isPicked ? { picked: picked + (known?.picked ?? 0) } : {}),
    };
    return [name, firstElement];
  };
  /** What is bound of a buffer: all that the piece reads of it, or what one value does, where that is too much. */
  const rangeRead = (buffer: number, dtype: DType, own: readonly [number, number]): readonly [number, number] => {
    const reaches = placed.flatMap((value, i) =>
      value.kind !== 'index' && value.buffer === buffer ? [reachOf(value, layouts[i + 1]!)] : [],
    );
    const first = Math.min(...reaches.map(([least]) => least));
    const last = Math.max(...reaches.map(([, most]) => most));
    return bindingRange(first, last, dtype, offsetAlignment).size <= maxBindingBytes ? [first, last] : own;
  };

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
  const { into, extras = [] } = chain;
  const [firstResult, lastResult] = into === undefined ? span(resultLayout, box) : [0, into.elements - 1];
  const rangeOf = (dtype: DType) => bindingRange(firstResult, lastResult, dtype, offsetAlignment);
  const firstOutput = module.outputs;
  const outputs = [chain.dtype, ...extras.map((at) => chain.values[at]!.dtype)];
  module.outputs += outputs.length;
  const resultAddress = (): string => {
    const { firstElement } = rangeOf(chain.dtype);
    const address = addressOf(resultLayout, place(resultLayout, box.start), firstElement, 'result');
    if (into?.start === undefined) return address;
    const { buffer, limit, step } = into.start;
    const [start] = reading(buffer, 'int32', [0, 0]);
    uniforms[`limit${suffix}`] = limit;
    uniforms[`step${suffix}`] = step;
    return `(${address} + ${hoisted('u32', `u32(clamp(${start}[0], 0, i32(u.limit${suffix}))) * u.step${suffix}`)})`;
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
        const field = `scalar${v}${type === 'f32' ? 'F' : 'I'}${suffix}`;
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
          const at = isOne(taken) ? '0' : resultAddress();
          define(dtype, loadExpression(`result${firstOutput + taken}`, dtype, at), isOne(taken));
          break;
        }
        const reach = reachOf(value, layout!);
        const [variable, base] = reading(value.buffer, dtype, rangeRead(value.buffer, dtype, reach));
        define(dtype, loadExpression(variable, dtype, addressOf(layout!, reach[0], base, name)), isConstant(layout!));
        break;
      }
      case 'gather': {
        const reach = reachOf(value, layout!);
        const range = rangeRead(value.buffer, value.from, reach);
        const [variable, base] = reading(value.buffer, value.from, range, total * deviceBytes(value.from));
        const steps = `u32(clamp(${names[value.index]!}, 0, i32(${number(`${name}Last`, value.size - 1)})))`;
        const at = `(${addressOf(layout!, reach[0], base, name)} + ${steps} * ${number(`${name}Step`, value.step)})`;
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
  const outcome = names.at(-1)!;
  const beforeTarget = needsIndex;
  needsIndex = false;
  const target = resultAddress();
  const isScattered = needsIndex;
  needsIndex ||= beforeTarget;
  for (const [output, dtype] of outputs.entries()) {
    const { start, size } = isOne(output) ? { start: 0, size: deviceBytes(dtype) } : rangeOf(dtype);
    const name = `result${firstOutput + output}`;
    declare(name, 'read_write', dtype);
    buffers[name] = { of: 'output', index: firstOutput + output, start, size };
  }
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
  const lines = (indent: string, all: readonly string[]) => all.map((line) => indent + line).join('\n');
  const stored = (dtype: DType, value: string): string => (dtype === 'bool' ? `select(0u, 1u, ${value})` : value);
  const goal = (output: number): string => (isOne(output) ? '0' : isScattered ? `placeOf${suffix}(i)` : target);
  const stores = [outcome, ...extras.map((at) => names[at]!)].map(
    (value, output) => `result${firstOutput + output}[${goal(output)}] = ${stored(outputs[output]!, value)};`,
  );
  const ofOnes = stores.filter((_, output) => isOne(output));
  const others = packed ? [`return ${outcome};`] : stores.filter((_, output) => !isOne(output));
  if (ofOnes.length > 0 && box.start.every((start) => start === 0))
    module.alone.push(`  if (first == 0u) {\n${lines('    ', [...single, ...ofOnes])}\n  }\n`);
  module.once.push(...once.map(({ name, value }) => `  ${name} = ${value};\n`));
  module.texts.push(
    ...once.map(({ name, type }) => `var<private> ${name}: ${type};\n`),
    isScattered ? `fn placeOf${suffix}(i: u32) -> u32 {\n${lines('  ', index)}\n  return ${target};\n}\n` : '',
    `fn element${suffix}(i: u32)${packed ? ` -> ${registerOf(chain.dtype)}` : ''} {
${lines('  ', [...(beforeTarget ? index : []), ...body, ...others])}
}
`,
  );
  return target;
};

const fieldType = (name: string): string =>
  /^scalar\d+F/.test(name) ? 'f32' : /^scalar\d+I/.test(name) ? 'i32' : 'u32';

/**
 * One kernel that computes pieces of which none needs another: of one chain, or of several over one list of buffers, with outputs
 * that are counted through. Halves are computed alone.
 */
export const generateKernel = (pieces: readonly Piece[], traits: KernelTraits): GeneratedLaunch => {
  const each = perLane(traits);
  const module: Module = {
    // A bound that a compiler knows is unrolled: seconds of compiling on a software adapter.
    uniforms: { each },
    buffers: {},
    declarations: [],
    functions: new Set(),
    variables: new Map(),
    texts: [],
    once: [],
    alone: [],
    outputs: 0,
  };
  const targets = pieces.map((piece, k) => addPiece(module, piece, suffixes[k]!, traits));
  const totals = pieces.map((_, k) => `  let total${suffixes[k]} = u.total${suffixes[k]};\n`);
  const sizes = pieces.map(({ box }) => count(box.size));
  const packed = isPacked(pieces[0]!.chain.dtype);
  // One function computes element i and stores it; where two share a word, the loop stores them together.
  const store = packed
    ? `    let i = 2u * w;
    if (i >= total) { return; }
    let low = element(i);
    var high = 0.0;
    if (i + 1u < total) { high = element(i + 1u); }
    result0[${targets[0]} / 2u] = packHalves(low, high);`
    : pieces
        .map((_, k) => {
          const suffix = suffixes[k];
          const own = k === 0 ? 'w' : `i${suffixes[k - 1]} - total${suffixes[k - 1]}`;
          const isLast = k === pieces.length - 1;
          return `    let i${suffix} = ${own};\n${
            isLast
              ? `    if (i${suffix} >= total${suffix}) { return; }\n    element${suffix}(i${suffix});`
              : `    if (i${suffix} < total${suffix}) { element${suffix}(i${suffix}); continue; }`
          }`;
        })
        .join('\n');
  const source = `struct Uniforms { ${Object.keys(module.uniforms)
    .map((name) => `${name}: ${fieldType(name)}`)
    .join(', ')} }
@group(0) @binding(0) var<uniform> u: Uniforms;
${module.declarations.join('\n')}
${[...module.functions].join('')}
${module.texts.join('')}@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
${module.once.join('')}${totals.join('')}  let first = (group.y * grid.x + group.x) * ${WORKGROUP * each}u + lane;
${module.alone.join('')}  for (var k = 0u; k < u.each; k++) {
    let w = first + k * ${WORKGROUP}u;
${store}
  }
}
`;
  const words = sizes.reduce((sum, size) => sum + (packed ? Math.ceil(size / 2) : size), 0);
  return {
    source,
    uniforms: module.uniforms,
    buffers: module.buffers,
    workgroups: Math.ceil(words / (WORKGROUP * each)),
  };
};
