import * as E from 'fp-ts/lib/Either.js';
import type { DeviceTraits } from './adapter.ts';
import { tunedKernels } from './tunedKernels.ts';

/** What distinguishes adapters and their drivers. */
export type AdapterNames = Pick<DeviceTraits, 'name' | 'vendor' | 'architecture' | 'subgroups'>;

/** Names of kernels by class of shapes. */
export type Tuning = ReadonlyMap<string, string>;

/** Counts what makes older tables worthless: other kernels of the same names, or other classes. */
export const TABLE_VERSION = 1;

/** Longest text of a table that is read, in characters. */
export const MOST_TEXT = 2 ** 20;
const MOST_ENTRIES = 4096;
const NAME = /^[\w .-]{1,100}$/;

/** The kind of an adapter, whatever the version of its driver: by this the table that ships is looked up. */
export const adapterKind = ({ vendor, architecture, subgroups }: AdapterNames): string =>
  `${vendor} ${architecture} ${subgroups ?? 'without subgroups'}`;

/** An adapter with its driver: what one has measured says nothing about another. */
const adapterOf = (names: AdapterNames): string => `${names.name} (${adapterKind(names)})`;

/** What the package knows about an adapter; undefined for one that it does not know. */
export const shippedTuning = (names: AdapterNames): Tuning | undefined => {
  const kind = adapterKind(names);
  return Object.hasOwn(tunedKernels, kind) ? new Map(Object.entries(tunedKernels[kind]!)) : undefined;
};

/** A table as the text of a file. */
export const formatTuning = (names: AdapterNames, kernels: Tuning): string =>
  `${JSON.stringify({ version: TABLE_VERSION, adapter: adapterOf(names), kernels: Object.fromEntries(kernels) }, undefined, 2)}\n`;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

/** A value from a file, for a message; whatever is nested in it is not gone into. */
const described = (value: unknown): string =>
  typeof value === 'object' && value !== null ? 'something else' : (JSON.stringify(value)?.slice(0, 120) ?? 'nothing');

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The table in the text of a file, if it is one for this adapter; else why not. */
export const parseTuning = (text: string, names: AdapterNames): E.Either<string, Tuning> => {
  if (text.length > MOST_TEXT) return E.left(`expected at most ${MOST_TEXT} characters, got ${text.length}`);
  const table = parsed(text);
  if (!isRecord(table) || !isRecord(table.kernels)) return E.left('expected a table of kernels in JSON, got none');
  if (table.version !== TABLE_VERSION)
    return E.left(`expected version ${TABLE_VERSION}, got ${described(table.version)}`);
  if (table.adapter !== adapterOf(names))
    return E.left(`expected what was measured on ${adapterOf(names)}, got ${described(table.adapter)}`);
  const entries = Object.entries(table.kernels);
  if (entries.length > MOST_ENTRIES) return E.left(`expected at most ${MOST_ENTRIES} kernels, got ${entries.length}`);
  const wrong = entries.find((entry) => !entry.every(isName));
  return wrong === undefined
    ? E.right(new Map(entries as readonly (readonly [string, string])[]))
    : E.left(`expected names of kernels by class of shapes, got ${described(wrong[1])} for ${described(wrong[0])}`);
};
