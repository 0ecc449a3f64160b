import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as E from 'fp-ts/lib/Either.js';
import type { Device } from '../runtime/device.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { paths, type Tree, withLeaves } from '../tensor/tree.ts';
import type { Json } from '../training/callbacks.ts';
import {
  openSafetensors,
  PresetError,
  restoreFolder,
  safetensorsContent,
  type TensorToWrite,
  toPresetError,
  type WeightsError,
  writeFolderAtomically,
} from '../weights/index.ts';

/** What a run knows of itself besides its tensors. */
export interface RunRecord {
  /** The epoch to go on in, and the steps of it that are done. */
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  /** Whether a callback has ended the run. */
  readonly stopped: boolean;
  readonly seed: number;
  readonly optimizer: string;
  readonly history: Readonly<Record<string, readonly number[]>>;
  /** What each callback remembers, in order. */
  readonly memories: readonly Json[];
  /** Names of the callbacks, in order. */
  readonly callbacks: readonly string[];
}

const STATE = 'state.safetensors';
const RECORD = 'run.json';
const FORMAT = 'purelm training run 1';

const orReject = <A>(result: E.Either<WeightsError, A>): A => {
  if (E.isLeft(result)) throw toPresetError(result.left);
  return result.right;
};

/** Values of tensors, read from the device one after the other as they are written. */
const toWrite = (device: Device, name: string, tensor: Tensor): TensorToWrite => ({
  name,
  dtype: tensor.dtype === 'int32' ? 'int32' : 'float32',
  shape: tensor.shape,
  data: async function* () {
    const [array] = await device.evaluate([tensor]);
    const { buffer, byteOffset, byteLength } = array!.data;
    yield new Uint8Array(buffer, byteOffset, byteLength);
  },
});

/**
 * Writes everything that a run can go on from. The folder is replaced when the new one is whole.
 *
 * @throws {PresetError} By rejection, if the folder cannot be written; the old one is as it was.
 */
export const writeCheckpoint = async (
  device: Device,
  folder: string,
  state: Tree,
  record: RunRecord,
): Promise<void> => {
  const tensors = paths(state).map(([path, tensor]) => toWrite(device, path, tensor));
  const json = new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...record }, undefined, 1)}\n`);
  const content = orReject(safetensorsContent(join(folder, STATE), tensors));
  orReject(
    await writeFolderAtomically(folder, [
      { name: STATE, content },
      { name: RECORD, content: [json] },
    ])(),
  );
};

const broken = (folder: string, problem: string): PresetError =>
  new PresetError({ _tag: 'BrokenFile', message: `${folder}: ${problem}`, path: folder });

/** Whether a value read from JSON is a record of a run. */
const isRecord = (value: unknown): value is RunRecord & { readonly format: string } => {
  if (typeof value !== 'object' || value === null) return false;
  const { format, epoch, step, steps, stopped, seed, history, memories, callbacks, optimizer } = value as Record<
    string,
    unknown
  >;
  return (
    format === FORMAT &&
    [epoch, step, steps].every((number) => Number.isSafeInteger(number) && (number as number) >= 0) &&
    Number.isSafeInteger(seed) &&
    typeof stopped === 'boolean' &&
    typeof optimizer === 'string' &&
    typeof history === 'object' &&
    history !== null &&
    Object.values(history).every((values) => Array.isArray(values)) &&
    Array.isArray(memories) &&
    Array.isArray(callbacks) &&
    callbacks.length === memories.length
  );
};

/**
 * Reads a checkpoint into a state of a known form.
 *
 * @param form - The state of a run that has not begun: what the checkpoint must hold, with shapes and dtypes.
 * @throws {PresetError} By rejection: no such folder, a broken file, or a run of another model or optimizer.
 */
export const readCheckpoint = async <State extends Tree>(
  device: Device,
  folder: string,
  form: State,
): Promise<{ readonly state: State; readonly record: RunRecord; readonly kept: Readonly<Record<string, Tensor>> }> => {
  orReject(await restoreFolder(folder)());
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(join(folder, RECORD), 'utf8'));
  } catch (cause) {
    throw new PresetError({
      _tag: 'MissingFile',
      message: `${folder}: expected a checkpoint with ${RECORD}, got ${cause instanceof Error ? cause.message : cause}`,
      path: folder,
    });
  }
  if (!isRecord(parsed)) throw broken(folder, `expected ${RECORD} of the format '${FORMAT}', got something else`);
  const { format: _, ...record } = parsed;
  const file = orReject(await openSafetensors(join(folder, STATE))());
  const realized: Tensor[] = [];
  try {
    const load = async (name: string, shape: readonly number[], dtype: DType): Promise<Tensor> => {
      const stored = file.tensors.get(name);
      if (stored === undefined || stored.dtype !== dtype || stored.shape.join() !== shape.join())
        throw broken(
          folder,
          `expected ${name} of ${dtype} [${shape.join(', ')}], got ${stored === undefined ? 'nothing' : `${stored.dtype} [${stored.shape.join(', ')}]`}; is it a run of another model or optimizer?`,
        );
      const tensor = await device.upload(name, { shape, dtype, read: stored.read });
      realized.push(tensor);
      return tensor;
    };
    const tensors: Tensor[] = [];
    for (const [path, { shape, dtype }] of paths(form)) tensors.push(await load(path, shape, dtype));
    const kept: Record<string, Tensor> = {};
    for (const [name, { shape }] of file.tensors)
      if (name.startsWith('kept.')) kept[name.slice(5)] = await load(name, shape, 'float32');
    return { state: withLeaves(form, tensors), record, kept };
  } catch (cause) {
    device.release(realized);
    throw cause;
  } finally {
    await file.close();
  }
};
