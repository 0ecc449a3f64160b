import type { SavesToPreset } from './savable.ts';
import type { SavedText } from './saveToPreset.ts';

/** A preprocessor of another length can be saved by itself, too. */
interface OfAnyLength<T> {
  readonly withSequenceLength: (sequenceLength: number) => Saving<T>;
}

/** What can be saved by itself, besides all that it is. */
export type Saving<T> = SavesToPreset &
  (T extends { readonly withSequenceLength: unknown } ? OfAnyLength<T> : unknown) &
  T;

/** What every function has, and what is made anew. */
const ofFunctions = new Set(['length', 'name', 'prototype', 'withSequenceLength']);

/**
 * A tokenizer or a preprocessor that can be saved by itself: those that know no file systems cannot.
 *
 * @param made - Without `saveToPreset`; a function is called as before.
 * @param describe - How it is written down.
 */
export const withSaving = <T extends object>(made: T, describe: (made: T) => SavedText): Saving<T> => {
  const saveToPreset: SavesToPreset['saveToPreset'] = async (folder, options) => {
    const { saveText } = await import('./saveToPreset.ts');
    await saveText(folder, describe(made), options);
  };
  const call = made as unknown as (...args: readonly unknown[]) => unknown;
  const copy = typeof made === 'function' ? (...args: readonly unknown[]): unknown => call(...args) : {};
  const own = Object.entries(Object.getOwnPropertyDescriptors(made)).filter(([name]) => !ofFunctions.has(name));
  Object.defineProperties(copy, Object.fromEntries(own));
  if (!('withSequenceLength' in made)) return Object.freeze(Object.assign(copy, { saveToPreset })) as Saving<T>;
  const remade = made.withSequenceLength as (sequenceLength: number) => T;
  const withSequenceLength = (sequenceLength: number): Saving<T> => withSaving(remade(sequenceLength), describe);
  return Object.freeze(Object.assign(copy, { saveToPreset, withSequenceLength })) as unknown as Saving<T>;
};
