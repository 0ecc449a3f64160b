import { ArgumentError } from '../../tensor/errors.ts';

/** A storage variable of a shader. */
export interface StorageVariable {
  readonly binding: number;
  readonly name: string;
  readonly writable: boolean;
}

/** A field of `struct Uniforms`: its type, and where its first byte lies. */
export interface UniformField {
  readonly name: string;
  readonly type: 'u32' | 'i32' | 'f32';
  readonly offset: number;
}

/** What a shader says of itself: the runtime binds by these names, and knows no other source. */
export interface ShaderInterface {
  readonly storage: readonly StorageVariable[];
  /** Binding of the uniform variable, if there is one. */
  readonly uniformBinding: number | undefined;
  readonly uniforms: readonly UniformField[];
  /** Size of `struct Uniforms` in bytes. */
  readonly uniformBytes: number;
  readonly overrides: readonly string[];
}

const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

/** What was read already, by text: planner and pipelines ask for the same. */
const interfaces = new Map<string, ShaderInterface>();

/**
 * Reads bindings, uniform fields and overrides out of WGSL text, once for each text. Uniform fields are scalars: u32, i32 or f32.
 *
 * @throws {ArgumentError} If a field has another type.
 */
export const parseShader = (name: string, text: string): ShaderInterface => {
  const known = interfaces.get(text);
  if (known !== undefined) return known;
  const source = withoutComments(text);
  const storage = [
    ...source.matchAll(/@binding\((\d+)\)\s*var<storage(?:\s*,\s*(read_write|read))?>\s*(\w+)\s*:/g),
  ].map(([, binding, access, variable]) => ({
    binding: Number(binding),
    name: variable!,
    writable: access === 'read_write',
  }));
  const uniform = /@binding\((\d+)\)\s*var<uniform>\s*\w+\s*:\s*(\w+)/.exec(source);
  const body = uniform === null ? undefined : new RegExp(`struct\\s+${uniform[2]}\\s*\\{([^}]*)\\}`).exec(source)?.[1];
  const uniforms = [...(body ?? '').matchAll(/(\w+)\s*:\s*([^,]+?)\s*(?:,|$)/g)].map(([, field, type], i) => {
    if (type !== 'u32' && type !== 'i32' && type !== 'f32')
      throw new ArgumentError(`shader ${name}: expected uniform fields of type u32, i32 or f32, got ${field}: ${type}`);
    return { name: field!, type, offset: i * 4 } as const;
  });
  const found: ShaderInterface = {
    storage,
    uniformBinding: uniform === null ? undefined : Number(uniform[1]),
    uniforms,
    uniformBytes: Math.ceil((uniforms.length * 4) / 16) * 16,
    overrides: [...source.matchAll(/override\s+(\w+)/g)].map(([, override]) => override!),
  };
  interfaces.set(text, found);
  return found;
};

/**
 * Writes uniform values into `view` at `start`, in the shader's own order and types.
 *
 * @throws {ArgumentError} If a field has no value, or a value no field.
 */
export const packUniforms = (
  name: string,
  { uniforms }: ShaderInterface,
  values: Readonly<Record<string, number>>,
  view: DataView,
  start: number,
): void => {
  const names = Object.keys(values);
  const missing = uniforms.filter((field) => !(field.name in values)).map((field) => field.name);
  const extra = names.filter((key) => !uniforms.some((field) => field.name === key));
  if (missing.length > 0 || extra.length > 0)
    throw new ArgumentError(
      `shader ${name}: expected uniforms ${uniforms.map((field) => field.name).join(', ')}, got ${names.join(', ')}`,
    );
  for (const { name: key, type, offset } of uniforms) {
    const value = values[key]!;
    if (type === 'f32') view.setFloat32(start + offset, value, true);
    else if (type === 'i32') view.setInt32(start + offset, value, true);
    else view.setUint32(start + offset, value, true);
  }
};
