import type { QuantizedFormat } from '../tensor/quantized.ts';
import { count, type Shape } from '../tensor/shape.ts';
import type { MatrixForm, MatrixOrder } from './quantize.ts';

/** Whose files a preset holds: KerasHub's or transformers'. Each keeps its own library's names and arithmetic. */
export type PresetLayout = 'keras' | 'transformers';

/** Where a parameter stands in the tree: `['transformerLayers', 0, 'selfAttention', 'query', 'kernel']`. */
export type ParamPath = readonly (string | number)[];

/** A path as it is written in code: `transformerLayers[0].selfAttention.query.kernel`. */
export const formatPath = (path: ParamPath): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');

/**
 * How a parameter is read out of a stored tensor: its axes are `split` (a row-major reshape), some places of one axis are
 * taken (`slice`), the axes are put in another `order`, and what is left is reshaped to the parameter's shape. What is
 * left out is left as it is; `{}` is the whole tensor.
 */
export interface TensorPart {
  readonly split?: Shape | undefined;
  readonly slice?: { readonly axis: number; readonly start: number; readonly end: number } | undefined;
  readonly order?: readonly number[] | undefined;
}

/** A tensor that stands beside another in a file. */
export interface StoredPart {
  readonly name: string;
  readonly shape: Shape;
}

/**
 * How a matrix in few bits stands in a file: whole numbers under the source's name, in rows of whole bytes, and beside them its
 * `scales` and, where zero is none of them, its `zeros`: one for each column, or for each block of it.
 */
export interface QuantizedSource {
  readonly format: QuantizedFormat;
  /** The matrix that the parameter is. */
  readonly form: MatrixForm;
  /** How it lies in the file's tensor. */
  readonly order: MatrixOrder;
  /** What the file's tensor is of, and what each byte is changed by to be as in memory (exclusive or). */
  readonly numbers: { readonly dtype: 'int8' | 'int32'; readonly flip: number };
  readonly scales: StoredPart;
  /** Whether numbers are divided by their scale, not multiplied. */
  readonly dividesByScales: boolean;
  readonly zeros?: StoredPart | undefined;
  /** Which block each row is in, where the file says it; it has to be as the format says. */
  readonly groups?: StoredPart | undefined;
  /** Columns and rows, where the file says them. */
  readonly extent?: StoredPart | undefined;
}

/** What stands beside the whole numbers of a matrix in few bits. */
export const partsBeside = ({ scales, zeros, groups, extent }: QuantizedSource): readonly StoredPart[] =>
  [scales, zeros, groups, extent].filter((part) => part !== undefined);

/**
 * A tensor in a file, by `name`, and the `part` of it that is meant; `shape` is the stored tensor's. Where one tensor may
 * go by several names, the first that a file has is read, and `otherNames` besides are passed over.
 */
export interface WeightSource {
  readonly name: string;
  readonly otherNames?: readonly string[] | undefined;
  readonly shape: Shape;
  readonly part: TensorPart;
  /** A second tensor whose part is added to this one's; its shape may be the parameter's last axes alone. */
  readonly plus?: Omit<WeightSource, 'plus'> | undefined;
  /** For a matrix in few bits: what stands beside it, and what `shape` means; `part` is the whole. */
  readonly quantized?: QuantizedSource | undefined;
}

/**
 * One parameter: its `path` and `shape` in the tree, and the `sources`, where each layout keeps it. Where `isOptional`,
 * files may lack it, and it starts as in a new model.
 */
export interface WeightEntry {
  readonly path: ParamPath;
  readonly shape: Shape;
  readonly sources: Readonly<Record<PresetLayout, WeightSource>>;
  readonly isOptional?: boolean;
}

/** A layer with weights of its own or in layers below, as KerasHub counts them. */
export interface LayerEntry {
  /** KerasHub's name of the layer; the same in every block: `query`. */
  readonly name: string;
  /** Where its parameters stand in the tree. */
  readonly path: ParamPath;
}

/** A tensor that files may hold by this `name` though no parameter is read from it, and `why` that is harmless. */
export interface IgnoredTensor {
  readonly name: string;
  readonly why: string;
}

/** All of a family's parameters for one config, and what else its files may hold. */
export interface WeightTable {
  /** Every parameter. */
  readonly entries: readonly WeightEntry[];
  /** The layers in the order in which KerasHub flattens a backbone: its LoRA files name a layer by its place here. */
  readonly layers: readonly LayerEntry[];
  /** What transformers puts before the base model's names when a head is saved with it; a file may lack it. */
  readonly transformersPrefix: string;
  /** Tensors that a layout's files may hold besides. */
  readonly ignored: Readonly<Record<PresetLayout, readonly IgnoredTensor[]>>;
}

/** A source that is a whole stored tensor. */
export const whole = (name: string, shape: Shape): WeightSource => ({ name, shape, part: {} });

/** A source that is one of `of` equal parts of the columns; `shape` is the whole stored tensor's. */
export const columns = (name: string, shape: Shape, part: number, of: number): WeightSource => {
  const axis = shape.length - 1;
  const width = shape[axis]! / of;
  return { name, shape, part: { slice: { axis, start: part * width, end: (part + 1) * width } } };
};

/** A source whose axes stand the other way round, as a linear layer's kernel in transformers: `[outputs, inputs]`. */
export const transposed = (name: string, shape: Shape): WeightSource => ({
  name,
  shape,
  part: { order: shape.map((_, axis) => shape.length - 1 - axis) },
});

/** How many numbers the parameters of a table are. */
export const countParams = ({ entries }: WeightTable): number =>
  entries.reduce((total, { shape }) => total + count(shape), 0);
