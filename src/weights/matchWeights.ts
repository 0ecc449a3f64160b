import * as E from 'fp-ts/lib/Either.js';
import { preview } from '../models/configReader.ts';
import {
  formatPath,
  type PresetLayout,
  type QuantizedSource,
  type StoredPart,
  type TensorPart,
  type WeightEntry,
  type WeightSource,
  type WeightTable,
} from '../models/weightEntry.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Checkpoint, StoredDType, StoredTensor } from './checkpoint.ts';
import { fail, firstFew, type WeightsError } from './errors.ts';

/** A matrix in few bits that was found: how it lies, and what stands beside it. */
export interface MatchedQuantized
  extends Pick<QuantizedSource, 'format' | 'form' | 'order' | 'numbers' | 'dividesByScales'> {
  /** A scale for each column, or for each block of one. */
  readonly scales: StoredTensor;
  /** The numbers that stand for zero, of the scales' shape; none where zero itself does. */
  readonly zeros?: StoredTensor | undefined;
  /** Which block each row is in, where the file says it. */
  readonly groups?: StoredTensor | undefined;
  /** Columns and rows, where the file says them. */
  readonly extent?: StoredTensor | undefined;
}

/** A stored tensor that is the `source` of a parameter, and the `part` of it that is meant. */
export interface MatchedSource {
  readonly source: StoredTensor;
  readonly part: TensorPart;
  /** For a matrix in few bits: how it lies, and what stands beside it. */
  readonly quantized?: MatchedQuantized | undefined;
}

/** A parameter's `entry` in the table with its `source`, and which `part` of that; what `plus` says is added to it. */
export interface MatchedWeight extends MatchedSource {
  readonly entry: WeightEntry;
  readonly plus?: MatchedSource | undefined;
}

const weightDtypes: readonly StoredDType[] = ['float32', 'float16', 'bfloat16'];

/** Names without the prefix that transformers puts there when a head is saved too; two that become one are an error. */
const byName = (
  { tensors }: Checkpoint,
  prefix: string,
): { readonly found: ReadonlyMap<string, StoredTensor>; readonly twice: readonly string[] } => {
  const found = new Map<string, StoredTensor>();
  const twice: string[] = [];
  for (const [name, tensor] of tensors) {
    const bare = prefix !== '' && name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (found.has(bare)) twice.push(name);
    else found.set(bare, tensor);
  }
  return { found, twice };
};

/**
 * Finds every parameter of a table in a checkpoint: none missing, none of the checkpoint's tensors left over, every shape
 * and dtype right. Several entries may be parts of one tensor.
 *
 * @param layout - Which names the checkpoint uses.
 * @returns The parameters in the table's order, without optional ones that are not there, or one error that lists the first few problems of each kind.
 */
export const matchWeights = (
  layout: PresetLayout,
  table: WeightTable,
  checkpoint: Checkpoint,
): E.Either<WeightsError, readonly MatchedWeight[]> => {
  const { found, twice } = byName(checkpoint, layout === 'transformers' ? table.transformersPrefix : '');
  const unread = new Set(found.keys());
  for (const { name } of table.ignored[layout]) unread.delete(name);
  const matched: MatchedWeight[] = [];
  const missing = new Map<string, string>();
  const wrong = new Map<string, string>();
  /** The tensor of a name, or undefined after a note of what is wrong. */
  const tensor = (
    { path, isOptional }: WeightEntry,
    { name: first, otherNames = [], shape }: StoredPart & Pick<WeightSource, 'otherNames'>,
    dtypes: readonly StoredDType[],
  ): StoredTensor | undefined => {
    const names = [first, ...otherNames];
    const name = names.find((each) => found.has(each)) ?? first;
    const source = found.get(name);
    for (const each of names) unread.delete(each);
    if (source === undefined) {
      if (isOptional !== true) missing.set(name, `${name} (for ${formatPath(path)})`);
    } else if (!sameShape(source.shape, shape))
      wrong.set(name, `${name} is ${formatShape(source.shape)}, expected ${formatShape(shape)}`);
    else if (!dtypes.includes(source.dtype))
      wrong.set(
        name,
        `${name} is ${source.dtype}, expected ${dtypes.join(', ')}${source.dtype === 'int8' ? ' (quantized, and config.json does not say so)' : ''}`,
      );
    else return source;
    return undefined;
  };
  /** The tensor that a source means, with what stands beside it, or undefined after a note of what is wrong. */
  const find = (entry: WeightEntry, own: Omit<WeightSource, 'plus'>): MatchedSource | undefined => {
    const { part, quantized } = own;
    const source = tensor(entry, own, quantized === undefined ? weightDtypes : [quantized.numbers.dtype]);
    if (quantized === undefined) return source && { source, part };
    const scales = tensor(entry, quantized.scales, weightDtypes);
    const zeros = quantized.zeros && tensor(entry, quantized.zeros, ['int8']);
    const groups = quantized.groups && tensor(entry, quantized.groups, weightDtypes);
    const extent = quantized.extent && tensor(entry, quantized.extent, ['int64']);
    return source && scales && { source, part, quantized: { ...quantized, scales, zeros, groups, extent } };
  };
  for (const entry of table.entries) {
    const own = entry.sources[layout];
    const source = find(entry, own);
    const plus = own.plus === undefined ? undefined : find(entry, own.plus);
    if (source !== undefined) matched.push({ entry, ...source, ...(plus === undefined ? {} : { plus }) });
  }
  const problems = [
    ['missing', [...missing.values()]],
    ['not of the size or dtype that the config asks for', [...wrong.values()]],
    ['unknown', [...unread].map(preview)],
    ['there twice, with and without prefix', twice.map(preview)],
  ] as const;
  const said = problems.flatMap(([what, names]) => (names.length === 0 ? [] : [`${what}: ${firstFew(names)}`]));
  return said.length === 0
    ? E.right(matched)
    : fail('WrongTensors', checkpoint.path, `the weights do not fit the config; ${said.join('; ')}`);
};
