import type { Box, KernelChoice, KernelTraits, LaunchContext, Operand } from '../tensor/kernel.ts';
import { count, type Shape } from '../tensor/shape.ts';
import { type Attention, inputPlaces } from './attentionAttributes.ts';
import { corner, distinct } from './choice.ts';
import { powerOfTwo } from './rows.ts';

/** A shader, and how much of the work one of its workgroups does. */
export interface Choice {
  readonly shader: string;
  readonly rows: number;
  readonly columns: number;
  /** Elements in what the shader loads at once: sizes and strides count these. */
  readonly vector: 1 | 4;
  readonly constants: Readonly<Record<string, number>>;
  readonly uniforms: Readonly<Record<string, number>>;
}

/** One of several that compute the same. */
export interface AttentionKernel extends Choice {
  /** By which it is remembered. */
  readonly name: string;
}

const TILED_BYTES = 14 * 1024;

/** Whether an operand consists of vectors of 4 elements, each of which lies as one in its buffer. */
export const inVectors = ({ shape, strides, offset }: Operand): boolean =>
  shape.at(-1)! % 4 === 0 &&
  strides.at(-1) === 1 &&
  offset % 4 === 0 &&
  strides.slice(0, -1).every((stride, axis) => stride % 4 === 0 || shape[axis] === 1);

/** Rows of a key-value head: queries of all heads that it serves. */
const rowsOf = (query: Shape, key: Shape): number => query[1]! * (query[2]! / key[2]!);

/** Those where a subgroup is a workgroup: for many rows of a head, or one at a time. */
const laneKernels = (
  rows: number,
  operands: readonly Operand[],
  keyRows: boolean,
  { subgroups: lanes = 0 }: KernelTraits,
): readonly AttentionKernel[] => {
  if (lanes < 4 || lanes % 4 !== 0 || !operands.every(inVectors)) return [];
  const common = { columns: 8 * lanes, vector: 4, constants: { SUBGROUP: lanes }, uniforms: { lanes } } as const;
  const named = (shader: string, each: number): AttentionKernel => ({ name: shader, shader, rows: each, ...common });
  const hasTiles = rows > 1 && lanes % 8 === 0 && !keyRows;
  return [...(hasTiles ? [named('attentionPrefill', 8)] : []), named('attentionDecode', 1)];
};

/** Those where a workgroup meets in its memory: tiles of rows, or a row at a time. */
const groupKernels = (
  rows: number,
  value: Shape,
  keyRows: boolean,
  { isSoftware, maxInvocations, workgroupBytes }: KernelTraits,
): readonly AttentionKernel[] => {
  const hasTiles = !isSoftware && !keyRows && rows >= 8 && workgroupBytes >= TILED_BYTES;
  const usual = !isSoftware && maxInvocations >= 256 ? 256 : 64;
  const row = (workgroup: number): AttentionKernel => ({
    name: `attention ${workgroup}`,
    shader: 'attention',
    rows: 1,
    columns: workgroup,
    vector: 1,
    constants: { WORKGROUP: workgroup },
    uniforms: { spread: Math.min(workgroup, powerOfTwo(value.at(-1)!)) },
  });
  return [
    ...(hasTiles
      ? [
          {
            name: 'attentionTiled',
            shader: 'attentionTiled',
            rows: 32,
            columns: 64,
            vector: 1 as const,
            constants: {},
            uniforms: {},
          },
        ]
      : []),
    // A processor gains nothing by wide workgroups.
    ...distinct((isSoftware ? [usual] : [usual, 128, 64]).map(row)),
  ];
};

/** The kernels that can compute attention on a device, the one that is usual there first. Those that read rows know of keys in others. */
export const attentionKernels = (
  [query, key, value]: readonly [Operand, Operand, Operand],
  keyRows: boolean,
  traits: KernelTraits,
): readonly AttentionKernel[] => {
  const rows = rowsOf(query.shape, key.shape);
  const lanes = laneKernels(rows, [query, key, value], keyRows, traits);
  const groups = groupKernels(rows, value.shape, keyRows, traits);
  return traits.isSoftware ? [...lanes, ...groups] : [...groups, ...lanes];
};

/** The class of shapes: rows and keys of a head, heads of all rows of the batch, and their size, as powers of two. */
export const attentionClass = (query: Shape, key: Shape, { causal }: Attention): string => {
  const sizes = [rowsOf(query, key), key[1]!, key[0]! * key[2]!, key[3]!].map(powerOfTwo);
  return `attention ${causal ? 'causal' : 'full'} ${sizes.join(' ')}`;
};

/** Multiplications that the reference may do for a sample. */
const SAMPLE = 2 ** 25;

/** What there is to choose where nothing but a position tells the keys of a query. */
export const attentionChoice = (context: LaunchContext<Attention>): KernelChoice<Attention> | undefined => {
  const { inputs, output, attributes, traits } = context;
  const { position, ...places } = inputPlaces(attributes);
  if (count(output.shape) === 0 || Object.values(places).some((place) => place !== undefined)) return undefined;
  const [query, key, value] = inputs as readonly [Operand, Operand, Operand];
  const [keys, group] = [key.shape[1]!, query.shape[2]! / key.shape[2]!];
  // The first queries, since the position is that of the first.
  const queries = Math.max(1, Math.floor(SAMPLE / (keys * group * (key.shape[3]! + value.shape[3]!))));
  const ofHeads = ({ shape }: Operand, rows: number, heads: number, isLast: boolean): Box => ({
    ...corner(shape, [1, shape[1]!, heads, shape[3]!], isLast),
    size: [1, Math.min(rows, shape[1]!), heads, shape[3]!],
  });
  return {
    shapes: attentionClass(query.shape, key.shape, attributes),
    names: attentionKernels([query, key, value], attributes.keyRows, traits).map(({ name }) => name),
    // All keys are there.
    fixed: position === undefined ? new Map() : new Map([[position, keys - query.shape[1]!]]),
    samples: [false, true].map((isLast) => ({
      inputs: [
        ofHeads(query, queries, group, isLast),
        ofHeads(key, keys, 1, isLast),
        ofHeads(value, keys, 1, isLast),
        ...inputs.slice(3).map(({ shape }) => corner(shape, shape, false)),
      ],
      output: ofHeads(output, queries, group, isLast),
      attributes,
    })),
  };
};
