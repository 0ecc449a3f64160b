import type { NDArray } from './ndarray.ts';

/** Where the values of a leaf are: on the host, or with a device that can give them back. */
export type Storage =
  | { readonly kind: 'host'; readonly array: NDArray }
  | { readonly kind: 'resident'; readonly holder: Holder };

/** A device's hold on values of a tensor. Which device it is, that device's interpreter knows. */
export interface Holder {
  /** The values, brought to the host. */
  read(): Promise<NDArray>;
}
