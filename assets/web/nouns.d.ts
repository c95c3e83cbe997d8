// The nouns of the page's scripts, and of what the server says to them; no browser loads this.

// Pictures ------------------------------------------------------------------------------------

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
/** A file with its name. */
interface Named {
  name: string;
  blob: Blob;
}
/** Words around a prompt. */
interface Style {
  name: string;
  prompt: string;
  negative_prompt: string;
}
/** What the server says of a frame, beside its picture (lightning_demo/web/messages.py). */
interface FrameHeader extends Box {
  type: "frame";
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
  /** ms by stage, with their "total". */
  timings: Record<string, number>;
  /** Of a battle's board: "a", "b" or "target". */
  place?: string;
}
/** What the server says of the page, as ui/page.py writes it. */
interface PageConfig {
  transport: "auto" | "socket" | "events";
  /** The elem_id of each control. */
  controls: Record<string, string>;
  max_seed: number;
  ahead: boolean;
  /** Words of each model, the likeliest first. */
  completions: Record<string, string[]>;
  /** Seconds; 0: never. */
  attract: number;
  kiosk: number;
  compared: boolean;
  styles: Style[];
  tips: string[];
}

// The live line -------------------------------------------------------------------------------

/** The engine's state (`EngineStatus`). */
interface Status {
  type: "status";
  state: "loading" | "ready" | "failed";
  model: string;
  title: string;
  limits: { num_inference_steps: number[] };
  device: string;
  detail: string;
  progress: number | null;
  loading_model: string;
  loading_title: string;
  submit_on_enter: boolean;
  tier: string;
  engines: number;
  engines_ready: number;
  draining: boolean;
}
/** How much there is to do (`Metrics.summary`). */
interface Load {
  type: "load";
  sessions: number;
  pictures: number;
  pictures_per_second: number;
  rows_per_step: number | null;
  queue_wait_ms: number | null;
  hit_rate: number | null;
  wasted: number | null;
  engines: EngineRow[];
}
/** One engine of several. */
interface EngineRow {
  name: string;
  state: "ready" | "loading" | "failed" | "closed" | "resting";
  waiting: number;
  painting: number;
  given: number;
}
/** Who is served before. */
interface Line {
  type: "line";
  what: "seat" | "picture" | null;
  ahead: number;
  seconds: number | null;
}
/** Why there is no picture. */
interface Fault {
  type: "error";
  sequence: number;
  field: string | null;
  message: string;
}
type LiveMessage = FrameHeader | Status | Load | Line | Fault | DeskMessage;
type DeskMessage = WallAnswer | DeskBattleState | TargetPicture | TrayState | Thumbnail;
/** What a way to the server calls. */
interface TransportHooks {
  received(message: LiveMessage, bytes: Uint8Array<ArrayBuffer> | null): void;
  state(state: "open" | "closed"): void;
}

// The hall ------------------------------------------------------------------------------------

/** Somebody in a hall. */
interface Player {
  number: string;
  name: string;
  colour: string;
}
/** How a wall shows what it shows. */
interface Look {
  caption: string;
  crossfade: boolean;
  surround: boolean;
  figures: boolean;
  previews: boolean;
}
/** What the desk is told of its wall; with a problem nothing else. */
interface WallAnswer {
  type: "wall";
  problem: string;
  needs?: string;
  code: string;
  token: string;
  screens: (Box & { desk: boolean })[];
  addresses: string[];
}
/** What a screen shows. */
interface Scene {
  type: "scene";
  blank: boolean;
  prompt: string | null;
  picture: boolean;
  sent: boolean;
  by: Player | null;
  votes: number | null;
  battle: BoardState | null;
  look: Look;
}
/** The code that phones join by; no url: there is none. */
interface Invited {
  type: "invitation";
  url: string;
  size: number;
  path: string;
  large: boolean;
}
/** Why a wall, a phone or a player may not in. */
interface Refusal {
  type: "refused";
  message: string;
  why?: string;
  unknown?: boolean;
}
/** A picture in the desk's tray. */
interface TrayEntry {
  entry: number;
  prompt: string;
  by: Player;
  votes: number;
  shown: boolean;
  pinned: boolean;
}
interface TrayState {
  type: "tray";
  done: number;
  phones: number;
  painting: number;
  line: number;
  waiting: TrayEntry[];
  released: TrayEntry[];
  gallery: number;
  url: string;
  addresses: string[];
}
interface Thumbnail {
  type: `thumbnail ${number}`;
  entry: number;
  picture: string;
}
/** What a phone is told of the hall. */
interface HallState {
  type: "hall";
  open: boolean;
  battle: PhoneBattleState | null;
  shown: ShownPicture | null;
  sent: { prompt: string, state: string }[];
}
interface ShownPicture {
  entry: number;
  prompt: string;
  by: Player | null;
  own: boolean;
  voted: boolean;
}

// Battles (lightning_demo/web/stage/battle/views.py) ------------------------------------------

type Side = "a" | "b";
/** One side, as everybody sees it. */
interface BattleSide {
  by: Player | null;
  colour: string;
  wins: number;
}
/** The same as wall and desk see it. */
interface OpenSide extends BattleSide {
  here: boolean;
  prompt: string;
  hidden: boolean;
  figure: number | null;
}
interface BattleState {
  phase: string;
  asks: boolean;
  round: number;
  rounds: number;
  left: number | null;
  turn: Side | null;
  target: string;
  line: string | null;
  verdict: string;
  winner: Side | null;
  leader: Side | null;
}
interface BoardState extends BattleState {
  votes: number | null;
  sides: Record<Side, OpenSide>;
  pictures: string[];
}
/** What who plays sees; `prompt` and `types` are a side's alone. */
interface PlayerState extends BattleState {
  side: Side | null;
  sides: Record<Side, BattleSide>;
  prompt: string;
  types: boolean;
  may_vote?: boolean;
  choice?: Side | null;
}
interface PhoneBattleState extends PlayerState {
  prompts?: Record<Side, string> | null;
  volunteer?: boolean | null;
}
/** What the desk is told: without a battle only the first four. */
interface DeskBattleState extends BattleState {
  type: "battle";
  on: boolean;
  done: number;
  problem: string;
  codes: Record<Side, string> | null;
  sides: Record<Side, OpenSide>;
  volunteers: Player[];
  votes: { a: number, b: number, count: number } | null;
  played: number;
  prepared: string | null;
}
interface TargetPicture {
  type: "target";
  /** Base64 of a JPEG; empty: there is none. */
  picture: string;
}

// Guests --------------------------------------------------------------------------------------

interface PromptAnswer {
  sequence: number;
  problem: string;
}
interface NameAnswer {
  name: string;
  problem: string;
}
interface PhoneWelcome extends Player {
  token: string;
}
interface FrameHook {
  frame(header: FrameHeader, bytes: Uint8Array<ArrayBuffer>): void;
}
/** What a player at a keyboard is told, by type of message. */
interface SeatHooks extends FrameHook {
  welcome(message: { side: Side }): void;
  battle(state: PlayerState): void;
  target(message: TargetPicture): void;
  prompt(message: PromptAnswer): void;
  refused(message: Refusal): void;
}
/** The same for a phone. */
interface PhoneHooks extends FrameHook {
  welcome(message: PhoneWelcome): void;
  hall(message: HallState): void;
  line(message: Line): void;
  status(message: Status): void;
  error(message: Fault): void;
  prompt(message: PromptAnswer): void;
  name(message: NameAnswer): void;
  send(message: { problem: string }): void;
  vote(message: { problem: string }): void;
  target(message: TargetPicture): void;
  refused(message: Refusal): void;
  lost(): void;
}
/** What a screen is told. */
interface ScreenHooks extends FrameHook {
  scene(scene: Scene): void;
  invitation?(message: Invited): void;
  refused(message: Refusal): void;
  lost(): void;
}

// Batches -------------------------------------------------------------------------------------

/** One picture of a list. */
interface BatchPicture {
  number: number;
  line: number;
  file: string;
  template: string;
  request: Asked;
}
interface BatchPlan {
  /** When it began, ms. */
  at: number;
  format: string;
  columns: string[];
  pictures: BatchPicture[];
}
/** What became of one. */
interface Outcome {
  number: number;
  file: string;
  seconds: number;
  model: string;
  notes: string[];
  error: string;
  saved?: boolean;
}
/** What the server has found in a list. */
interface CheckedList {
  pictures: BatchPicture[];
  faults: { line: number, reason: string }[];
  bad_rows: number;
  columns: string[];
}

// The timeline --------------------------------------------------------------------------------

/** A finished picture before it is kept. */
interface NewMoment {
  key: string;
  request: Asked;
  model: string;
  milliseconds: number;
  blob: Blob;
  thumb: Blob;
  at: number;
}
interface Moment extends NewMoment {
  id: number;
  name: string;
  pinned: boolean;
}
