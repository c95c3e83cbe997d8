// What the page's scripts may take for granted where types are checked; no browser loads this.
// Nouns of the page and of the server's messages stand in nouns.d.ts.

// The markup is ours: what is looked up in it is there, and of the kind that its id or selector says.

type ButtonId =
  | "again" | "back" | "battle-decline" | "battle-volunteer" | "dice" | "download" | "drawer-open" | "events-ask-status"
  | "events-send" | "events-stay" | "from-picture" | "hall-vote" | "link" | "pause" | "rename" | "send" | "times" | "tokens"
  | "vote" | "waterfall-close" | "blend-clear"
  | `${"batch" | "compare" | "keys" | "morph" | "prompt-history"}-${"open" | "close"}`
  | `batch-${"check" | "choose-file" | "choose-words" | "go" | "new" | "paint" | "retry" | "room" | "save"}`
  | `compare-${"go" | "save" | "slide" | "use" | "zip"}`
  | `desk-${"blank" | "freeze" | "hall-open" | "here" | "load" | "next" | "open" | "previous" | "reset" | "sheet" | "start" | "type" | "zip"}`
  | `morph-${"film" | "gif" | "go" | "use"}`
  | "prompt-history-forget" | "prompt-template-open"
  | `timeline-${"clear" | "film" | "gif" | "more" | "open" | "pair" | "pin" | "play" | "remove" | "sheet" | "track" | "webp"}`;
type InputId =
  | "code" | "new-name" | "keys-single" | "prompt-history-search" | "batch-file" | "batch-words" | "morph-at" | "morph-to"
  | `compare-${"across-values" | "down-values" | "split" | "zoom"}`
  | `timeline-${"file" | "name" | "scrub"}`
  | `desk-${"password" | "types" | "big" | "minutes" | "crossfade" | "surround" | "figures" | "previews"}`
  | `desk-hall-${"anonymous" | "approval" | "votes"}`
  | `desk-battle-${"name_a" | "name_b" | "seconds" | "rounds" | "turns"}`;
type SelectId =
  | `batch-${"format" | "kind"}` | `compare-${"across" | "down"}` | `morph-${"count" | "kind"}`
  | `desk-${"words" | "hall-code" | "hall-address"}` | `desk-battle-${"players" | "target" | "verdict"}`;
type AreaId = "prompt" | "batch-text" | "desk-battle-lines";
type ImageId = "battle-target" | "compare-first" | "compare-second" | "desk-battle-picture" | "morph-picture";
type CanvasId = "canvas" | "picture" | "surround" | "desk-picture" | "trace";
type DialogId = "batch" | "compare" | "keys" | "morph" | "prompt-history";
type DetailsId = "desk" | "desk-battle" | "desk-shown" | "metrics-panel";

/** The element of an id. */
type ById<Id extends string> =
  Id extends ButtonId ? HTMLButtonElement
  : Id extends InputId ? HTMLInputElement
  : Id extends SelectId ? HTMLSelectElement
  : Id extends AreaId ? HTMLTextAreaElement
  : Id extends ImageId ? HTMLImageElement
  : Id extends CanvasId ? HTMLCanvasElement
  : Id extends DialogId ? HTMLDialogElement
  : Id extends DetailsId ? HTMLDetailsElement
  : Id extends "batch-progress" ? HTMLProgressElement
  : HTMLElement;

/** The tag that a selector ends with; of several selectors, those of all. */
type TagOf<Selector extends string> =
  Selector extends `${infer One}, ${infer Rest}` ? TagOf<One> | TagOf<Rest>
  : Selector extends `${string} ${infer Last}` ? TagOf<Last>
  : Selector extends `${infer Tag}${"." | "[" | ":" | "#"}${string}` ? TagOf<Tag>
  : Selector;
type ByTag<Tag> = Tag extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag] : HTMLElement;
/** What a selector finds. */
type BySelector<Selector extends string> = ByTag<TagOf<Selector>>;

/** An event of an element: what it happens to is within it, or is the element itself. */
type Within<Name extends keyof HTMLElementEventMap, Target = HTMLElement> =
  HTMLElementEventMap[Name] & { readonly target: Target };
interface Document {
  getElementById<Id extends string>(id: Id): ById<Id>;
}
interface ParentNode {
  querySelector<Selector extends string>(selector: Selector): BySelector<Selector>;
  querySelectorAll<Selector extends string>(selector: Selector): NodeListOf<BySelector<Selector>>;
}
interface Element {
  closest<Selector extends string>(selector: Selector): BySelector<Selector> | null;
}
interface HTMLElement {
  readonly firstElementChild: HTMLElement;
  readonly lastElementChild: HTMLElement;
  readonly parentElement: HTMLElement;
  readonly lastChild: HTMLElement;
  addEventListener<Name extends keyof HTMLElementEventMap>(
    name: Name, listener: (event: Within<Name>) => unknown, options?: AddEventListenerOptions,
  ): void;
}
interface HTMLDetailsElement {
  addEventListener<Name extends keyof HTMLElementEventMap>(
    name: Name, listener: (event: Within<Name>) => unknown, options?: AddEventListenerOptions,
  ): void;
}
interface HTMLDialogElement {
  addEventListener<Name extends keyof HTMLElementEventMap>(
    name: Name, listener: (event: Within<Name>) => unknown, options?: AddEventListenerOptions,
  ): void;
}
interface HTMLInputElement {
  addEventListener<Name extends keyof HTMLElementEventMap>(
    name: Name, listener: (event: Within<Name, HTMLInputElement>) => unknown, options?: AddEventListenerOptions,
  ): void;
}

// Not yet in every browser.
interface Screen {
  readonly isExtended?: boolean;
}
/** Where a display is, in px of all of them. */
interface Display {
  readonly availLeft: number;
  readonly availTop: number;
  readonly availWidth: number;
  readonly availHeight: number;
}
declare var getScreenDetails: (() => Promise<{ screens: Display[], currentScreen: Display }>) | undefined;

// What is told to other scripts, and to tests.
declare var lightning: import("./live.js").Lightning;
declare var wall: import("./stage.js").Wall;
declare var phone: import("./audience.js").PhonePage;
declare var battle: import("./battle.js").BattlePage;

// What the scripts in the page's head are for.

/** Which language the visitor reads (language.js). */
declare var inLanguage: {
  KEPT: string,
  NAMES: Record<string, string>,
  code: string,
  tag: string,
  fill(root: ParentNode, text: (key: string) => string): void,
  choice(label: string): HTMLSelectElement,
};
/** Ends what Gradio's loading sign goes on with when it is gone (loading_sign.js). */
declare var endLoadingSign: (() => void) | undefined;
/** Words by language and key. */
declare var fillPage: (words: Record<string, Record<string, string>>) => void;
/** What Gradio is about to show; a prop is whatever the component takes. */
declare var gradio_config: { components: { props: Record<string, unknown> }[] };
