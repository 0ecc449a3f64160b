import type { Binding, KernelTraits, Launch, LaunchContext, Layout, Operand } from '../tensor/kernel.ts';
import { count, rowMajorStrides, type Shape } from '../tensor/shape.ts';
import { type AttentionGradient, alignedSize } from './attentionGradientAttributes.ts';
import { type Choice, inVectors } from './attentionKernels.ts';
import { steps } from './attentionLaunches.ts';
import { input, output } from './launch.ts';
import { cover, outerRuns, reach } from './ranges.ts';

const choose = (name: string, columns: number, operands: readonly Operand[], traits: KernelTraits): Choice => {
  const lanes = traits.subgroups ?? 0;
  if (traits.isSoftware && lanes > 0 && lanes % 8 === 0 && operands.every(inVectors))
    return {
      shader: `${name}Lanes`,
      rows: 8,
      columns: 8 * lanes,
      vector: 4,
      constants: { SUBGROUP: lanes },
      uniforms: { lanes },
    };
  const workgroup = !traits.isSoftware && traits.maxInvocations >= 256 ? 256 : 64;
  return {
    shader: name,
    rows: 1,
    columns: workgroup,
    vector: 1,
    constants: { WORKGROUP: workgroup },
    uniforms: { spread: Math.min(workgroup, 2 ** Math.ceil(Math.log2(columns))) },
  };
};

/** A part of a packed result, row-major. */
const packedPart = (shape: Shape, offset: number): Layout => ({ shape, strides: rowMajorStrides(shape), offset });

interface Sizes {
  readonly attributes: AttentionGradient;
  readonly choice: Choice;
  readonly tiles: number;
  readonly chunks: number;
  readonly query: Operand;
  readonly key: Operand;
  readonly value: Operand;
}

/** What both kernels are told alike. */
const common = ({ attributes, choice, tiles, chunks, query, key, value }: Sizes, firstBatch: number, pairs: number) => {
  const [, queries, heads, dim] = query.shape as readonly [number, number, number, number];
  const [, keys, kvHeads, valueDim] = value.shape as readonly [number, number, number, number];
  const { causal, window, softCap, keyMask, scale } = attributes;
  return {
    shader: choice.shader,
    constants: {
      ...choice.constants,
      CAUSAL: Number(causal),
      WINDOW: Number(window !== undefined),
      KEY_MASK: Number(keyMask),
      SOFT_CAP: Number(softCap !== undefined),
    },
    uniforms: {
      ...choice.uniforms,
      workgroups: pairs * chunks * tiles,
      tiles,
      chunks,
      firstBatch,
      queries,
      keys,
      kvHeads,
      group: heads / key.shape[2]!,
      dim: dim / choice.vector,
      valueDim: valueDim / choice.vector,
      scale,
      softCap: softCap ?? 1,
      // Whole numbers beyond this make no difference, and products with the group fit an i32.
      window: Math.min(window ?? 0, queries + keys),
    },
    workgroups: pairs * chunks * tiles,
  };
};

/** How the kernels of the gradient for queries are launched. */
export const queryGradientLaunches = ({
  inputs,
  attributes,
  traits,
}: LaunchContext<AttentionGradient>): readonly Launch[] => {
  const [query, key, value, y, dy] = inputs as readonly [Operand, Operand, Operand, Operand, Operand];
  const [, queries, heads, dim] = query.shape as readonly [number, number, number, number];
  const kvHeads = key.shape[2]!;
  if (count(query.shape) === 0) return [];
  const choice = choose('attentionQueryGradient', dim, [query, key, value, y, dy], traits);
  const tiles = Math.ceil((queries * (heads / kvHeads)) / choice.rows);
  const chunks = Math.ceil(dim / choice.columns);
  const { vector } = choice;
  const result = packedPart(query.shape, 0);
  const statistics = packedPart([...query.shape.slice(0, 3), 2], alignedSize(count(query.shape)));
  const sizes = { attributes, choice, tiles, chunks, query, key, value };
  return outerRuns('attention', [query, key, value, y, dy, result, statistics], traits).map((run): Launch => {
    const at = (layout: Layout) => cover(reach(layout, run), traits);
    const [queryAt, keyAt, valueAt, yAt, dyAt] = [at(query), at(key), at(value), at(y), at(dy)];
    const [resultAt, statisticsAt] = [at(result), at(statistics)];
    const launch = common(sizes, run.start, (run.end - run.start) * kvHeads);
    // What an option is absent for is bound to something that the shader does not read.
    const keyMask: Binding = attributes.keyMask ? input(5) : input(1, keyAt.range);
    return {
      ...launch,
      uniforms: {
        ...launch.uniforms,
        ...steps('query', 'queryDim', query, queryAt.offset, vector),
        ...steps('key', 'keyDim', key, keyAt.offset, vector),
        ...steps('value', 'valueColumn', value, valueAt.offset, vector),
        ...steps('dy', 'dyColumn', dy, dyAt.offset, vector),
        yOffset: yAt.offset / vector,
        outputOffset: resultAt.offset / vector,
        statisticsOffset: statisticsAt.offset / 2,
      },
      buffers: {
        query: input(0, queryAt.range),
        key: input(1, keyAt.range),
        value: input(2, valueAt.range),
        y: input(3, yAt.range),
        dy: input(4, dyAt.range),
        keyMask,
        dquery: output(resultAt.range),
        statistics: output(statisticsAt.range),
      },
    };
  });
};

/** How the kernels of the gradients for keys and values are launched. */
export const keyValueGradientLaunches = ({
  inputs,
  attributes,
  traits,
}: LaunchContext<AttentionGradient>): readonly Launch[] => {
  const [query, key, value, dy, statistics] = inputs as readonly [Operand, Operand, Operand, Operand, Operand];
  const [, keys, kvHeads, dim] = key.shape as readonly [number, number, number, number];
  const valueDim = value.shape[3]!;
  if (count(key.shape) + count(value.shape) === 0) return [];
  const choice = choose('attentionKeyValueGradient', dim + valueDim, [query, key, value, dy], traits);
  const tiles = Math.ceil(keys / choice.rows);
  const { vector } = choice;
  const chunks = Math.ceil((vector === 4 ? Math.max(dim, valueDim) : dim + valueDim) / choice.columns);
  const dkey = packedPart(key.shape, 0);
  const dvalue = packedPart(value.shape, alignedSize(count(key.shape)));
  const sizes = { attributes, choice, tiles, chunks, query, key, value };
  return outerRuns('attention', [query, key, value, dy, statistics, dkey, dvalue], traits).map((run): Launch => {
    const at = (layout: Layout) => cover(reach(layout, run), traits);
    const [queryAt, keyAt, valueAt, dyAt, statisticsAt] = [at(query), at(key), at(value), at(dy), at(statistics)];
    const [dkeyAt, dvalueAt] = [at(dkey), at(dvalue)];
    const launch = common(sizes, run.start, (run.end - run.start) * kvHeads);
    const keyMask: Binding = attributes.keyMask ? input(5) : input(1, keyAt.range);
    return {
      ...launch,
      uniforms: {
        ...launch.uniforms,
        ...steps('query', 'queryDim', query, queryAt.offset, vector),
        ...steps('key', 'keyDim', key, keyAt.offset, vector),
        ...steps('value', 'valueColumn', value, valueAt.offset, vector),
        ...steps('dy', 'dyColumn', dy, dyAt.offset, vector),
        statisticsOffset: statisticsAt.offset / 2,
        keyOutput: dkeyAt.offset / vector,
        valueOutput: dvalueAt.offset / vector,
      },
      buffers: {
        query: input(0, queryAt.range),
        key: input(1, keyAt.range),
        value: input(2, valueAt.range),
        dy: input(3, dyAt.range),
        statistics: input(4, statisticsAt.range),
        keyMask,
        dkey: output(dkeyAt.range),
        dvalue: output(dvalueAt.range),
      },
    };
  });
};
