/** What is known of a built-in preset before anything is downloaded. */
export interface PresetInfo<Config> {
  /** What KerasHub's registry says of it. */
  readonly metadata: {
    readonly description: string;
    /** How many parameters the backbone has. */
    readonly params: number;
    /** The family's short name in KerasHub. */
    readonly path: string;
  };
  /** Where KerasHub gets it; `hf://keras/<id>` mirrors it. */
  readonly kaggleHandle: string;
  /** The backbone's sizes. */
  readonly config: Config;
}
