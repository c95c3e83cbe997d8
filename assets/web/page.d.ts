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
