/** A family of models whose presets can be read, and how each layout names it. */
interface FamilyNames {
  /** The name of its folder in `models`. */
  readonly family: string;
  /** The backbone's class in KerasHub: `registered_name` without the package. */
  readonly kerasBackbone: string;
  /** transformers' `model_type`. */
  readonly modelType: string;
}

/** The families whose presets can be read; a family that goes by several names has several rows. */
export const families = [
  { family: 'gpt2', kerasBackbone: 'GPT2Backbone', modelType: 'gpt2' },
  { family: 'falcon', kerasBackbone: 'FalconBackbone', modelType: 'falcon' },
  { family: 'gemma', kerasBackbone: 'GemmaBackbone', modelType: 'gemma' },
  { family: 'gemma', kerasBackbone: 'GemmaBackbone', modelType: 'gemma2' },
  { family: 'bart', kerasBackbone: 'BartBackbone', modelType: 'bart' },
  { family: 'bert', kerasBackbone: 'BertBackbone', modelType: 'bert' },
  { family: 'roberta', kerasBackbone: 'RobertaBackbone', modelType: 'roberta' },
  { family: 'xlmRoberta', kerasBackbone: 'XLMRobertaBackbone', modelType: 'xlm-roberta' },
  { family: 'distilBert', kerasBackbone: 'DistilBertBackbone', modelType: 'distilbert' },
  { family: 'albert', kerasBackbone: 'AlbertBackbone', modelType: 'albert' },
  { family: 'debertaV3', kerasBackbone: 'DebertaV3Backbone', modelType: 'deberta-v2' },
  { family: 'fNet', kerasBackbone: 'FNetBackbone', modelType: 'fnet' },
] as const satisfies readonly FamilyNames[];

/** The name of a family, as its folder in `models` has it. */
export type Family = (typeof families)[number]['family'];
