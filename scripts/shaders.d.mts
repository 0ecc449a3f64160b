export declare const writeShaderSources: () => boolean;
