import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Floats as the recording scripts write them. */
export interface RecordedFloats {
  readonly shape: readonly number[];
  readonly base64: string;
}

/** The path of a recorded preset, such as `keras/a_float32`. */
export const presetPath = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/presets/${name}`, import.meta.url));

/** A recorded JSON file, such as `logits/a_float32`. */
export const fixture = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8')) as T;

/** Recorded floats as numbers. */
export const floats = ({ base64 }: RecordedFloats): Float32Array => {
  const bytes = Buffer.from(base64, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};
