/** What a query attends to whose keys are all masked: nothing (a zero vector), or all keys alike, masked or not. */
export type EmptyRows = 'zero' | 'uniform';

/** Attributes of the op. Inputs are query, key and value, then those tensors of which the flag is set, in this order. */
export interface Attention {
  readonly scale: number;
  readonly causal: boolean;
  readonly emptyRows: EmptyRows;
  readonly softCap: number | undefined;
  readonly window: number | undefined;
  readonly position: boolean;
  readonly keyMask: boolean;
  readonly slopes: boolean;
  readonly keyPositions: boolean;
  readonly keyRows: boolean;
  readonly slopesScale: number;
  readonly slopesDtype: 'float32' | 'bfloat16';
}

/** The optional inputs, in order. */
export const optionalInputs = ['position', 'keyMask', 'slopes', 'keyPositions', 'keyRows'] as const;
/** The name of an optional input. */
export type OptionalInput = (typeof optionalInputs)[number];

/** At which place each optional input stands among the op's inputs, if it is there. */
export const inputPlaces = (attributes: Attention): Readonly<Record<OptionalInput, number | undefined>> => {
  let next = 3;
  const place = (name: OptionalInput) => (attributes[name] ? next++ : undefined);
  return {
    position: place('position'),
    keyMask: place('keyMask'),
    slopes: place('slopes'),
    keyPositions: place('keyPositions'),
    keyRows: place('keyRows'),
  };
};
