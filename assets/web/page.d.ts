// What the page's scripts may take for granted where types are checked; no browser loads this.

// The markup is ours: what is looked up in it is there, and of the right kind.
interface Document {
  getElementById(name: string): any;
}
interface ParentNode {
  querySelector(selector: string): any;
}
interface Element {
  closest(selector: string): any;
}
interface ParentNode {
  readonly children: any;
}

// Nouns.

/** A request, as the server's `schemas.py` checks it. */
interface Asked {
  prompt: string;
  negative_prompt: string;
  num_inference_steps: number;
  guidance_scale: number;
  seed: number | null;
  width: number;
  height: number;
  style?: string;
  variation_seed?: number;
  variation_strength?: number;
  morph_prompt?: string;
  morph_strength?: number;
}
/** Width and height, px. */
interface Box {
  width: number;
  height: number;
}
/** Somebody in a hall. */
interface Player {
  number: string;
  name: string;
  colour: string;
}
/** A file with its name. */
interface Named {
  name: string;
  blob: Blob;
}
/** What the server says of a frame, beside its picture (lightning_demo/web/messages.py). */
interface FrameHeader extends Box {
  sequence: number;
  prompt: string;
  seed: number;
  step: number;
  num_inference_steps: number;
  final: boolean;
  cached: boolean;
  draft: { budget: number, decoder: string } | null;
  model?: string;
  media_type: string;
  notes: string[];
}

// Not yet in every browser.
interface Screen {
  readonly isExtended?: boolean;
}
declare var getScreenDetails: any;

// What is told to other scripts, and to tests.
declare var lightning: any;
declare var wall: any;
declare var phone: any;
declare var battle: any;

// What the scripts in the page's head are for.
declare var inLanguage: any;
declare var fillPage: any;
declare var gradio_config: any;
