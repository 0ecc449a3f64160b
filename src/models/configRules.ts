import { type ConfigReader, configReader, isJsonObject, preview } from './configReader.ts';

// Far above any model that exists, far below what hangs or overflows: nothing is built before these hold.
/** The most layers that a config may ask for. */
export const mostLayers = 4096;
/** The widest axis that a config may ask for. */
export const mostWidth = 2 ** 24;
/** The most parameters that sizes may make. */
export const mostParams = 2 ** 43;

/** What an epsilon may be. */
export const positive = {
  expected: 'a number above 0 and at most 1',
  accepts: (value: number): boolean => value > 0 && value <= 1,
};

/** What a dropout rate may be. */
export const probability = {
  expected: 'a number from 0 to below 1',
  accepts: (value: number): boolean => value >= 0 && value < 1,
};

/** What a factor may be. */
export const aboveZero = { expected: 'a number above 0', accepts: (value: number): boolean => value > 0 };

/** A field that is true or false. */
export const flag = (reader: ConfigReader, name: string, fallback = false): boolean => {
  const stored = reader.value(name);
  // null is Python's None, which counts as false.
  const found = stored === undefined ? fallback : (stored ?? false);
  if (typeof found !== 'boolean') reader.complain(`${name}: expected true or false, got ${preview(found)}`);
  return found === true;
};

/**
 * The base of the rotary wavelengths in a config of transformers, from the newer `rope_parameters` or the older `rope_theta` and
 * `rope_scaling`. Scaled rotary is complained of by name.
 */
export const ropeBase = (reader: ConfigReader): number => {
  const newer = reader.value('rope_parameters') ?? {};
  const older = reader.value('rope_scaling') ?? {};
  const theta = reader.value('rope_theta');
  for (const [name, value] of Object.entries({ rope_parameters: newer, rope_scaling: older })) {
    if (!isJsonObject(value)) {
      reader.complain(`${name}: expected an object, got ${preview(value)}`);
      return 10000;
    }
    const type = configReader(value).value('rope_type', 'type') ?? 'default';
    if (type !== 'default')
      reader.complain(
        `${name}: expected the rope_type "default", got ${preview(type)} (scaled rotary is not supported)`,
      );
  }
  const own = isJsonObject(newer) ? configReader(newer).value('rope_theta') : undefined;
  const base = own ?? theta ?? 10000;
  if (typeof base === 'number' && Number.isFinite(base) && base > 0) return base;
  reader.complain(`rope_theta: expected a number above 0, got ${preview(base)}`);
  return 10000;
};
